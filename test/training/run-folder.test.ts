import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { InternalError } from "../../src/core/errors.ts";
import { initialize } from "../../src/models/initialize.ts";
import { place } from "../../src/selection/place.ts";
import { runFileError } from "../../src/training/run-folder/file-errors.ts";
import {
  createNumberedRunFolder,
  createRunFolder,
  lockRunFolder,
  requireUnused,
} from "../../src/training/run-folder/run-folder.ts";
import {
  hashData,
  hashWeights,
  type RunRecord,
  readRunRecord,
  writeRunRecord,
} from "../../src/training/run-folder/run-record.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const { graph, factors } = place(tinyResnet(), { neurons: 0.1, blocks: 0.1 });
const record: RunRecord = {
  version: 1,
  name: "r",
  created: "2026-01-02T03:04:05.678Z",
  model: graph.name,
  settings: parseSettings({ epochs: 2, select: { neurons: 0.1, blocks: 0.1 }, threads: 2 }),
  data: { name: "tiny", source: "tiny", classes: tinyDataset().classes, sha256: hashData(tinyDataset()) },
  initialWeights: hashWeights(initialize(graph, 1)),
  factors,
  engine: { name: "reference" },
  environment: { node: "20" },
};

test("a run's folder is made with those above it, and never twice", async () => {
  const path = join(temporaryFolder(), "runs", "first");
  expect(await createRunFolder(path)).toBe(path);
  expect(existsSync(join(path, "checkpoints"))).toBe(true);
  await writeRunRecord(path, record);
  await expect(createRunFolder(path)).rejects.toMatchObject({
    code: "run-exists",
    message: expect.stringMatching(/espalier resume .*first.*another name/),
  });
});

test("what a start left that was killed at once is taken, whatever else is there is not", async () => {
  const path = join(temporaryFolder(), "killed");
  mkdirSync(path);
  expect(await createRunFolder(path)).toBe(path);
  mkdirSync(join(path, ".lock"));
  for (const file of [".owner", "events.jsonl", "teacher.onnx", "run.json.1234567"])
    writeFileSync(join(path, file), "");
  expect(await createRunFolder(path)).toBe(path);
  await expect(requireUnused(path)).resolves.toBeUndefined();
  writeFileSync(join(path, "notes.txt"), "mine");
  await expect(createRunFolder(path)).rejects.toMatchObject({ code: "run-exists" });
  await expect(requireUnused(path)).rejects.toMatchObject({ code: "run-exists" });
});

test("a file of that name is in the way too", async () => {
  const path = join(temporaryFolder(), "first");
  writeFileSync(path, "mine");
  await expect(createRunFolder(path)).rejects.toMatchObject({ code: "run-exists" });
  expect(readFileSync(path, "utf8")).toBe("mine");
});

test("runs without a name are numbered, and two started at once get two folders", async () => {
  const parent = temporaryFolder();
  const made = await Promise.all(["net", "net", "net"].map((stem) => createNumberedRunFolder(parent, stem)));
  expect(made.map((path) => basename(path)).toSorted()).toEqual(["net", "net-2", "net-3"]);
});

test("a folder that cannot be made is a user's error", async () => {
  const blocker = join(temporaryFolder(), "file");
  writeFileSync(blocker, "");
  await expect(createRunFolder(join(blocker, "run"))).rejects.toMatchObject({ exitCode: 2 });
});

test("run.json comes back as it was written", async () => {
  const folder = temporaryFolder();
  await writeRunRecord(folder, record);
  expect(await readRunRecord(folder)).toEqual(record);
});

test("a missing or damaged run.json says what is wrong", async () => {
  const folder = temporaryFolder();
  await expect(readRunRecord(folder)).rejects.toMatchObject({ code: "missing-file" });
  writeFileSync(join(folder, "run.json"), JSON.stringify(record).slice(0, 200));
  await expect(readRunRecord(folder)).rejects.toMatchObject({ code: "bad-file" });
  writeFileSync(join(folder, "run.json"), JSON.stringify({ ...record, version: 2 }));
  await expect(readRunRecord(folder)).rejects.toMatchObject({
    code: "bad-file",
    message: expect.stringContaining("version"),
  });
});

test("hashes tell other images, other labels and other weights apart", () => {
  const same = hashData(tinyDataset());
  expect(hashData(tinyDataset())).toEqual(same);
  const images = tinyDataset();
  images.train.images[17] = (images.train.images[17] ?? 0) ^ 1;
  expect(hashData(images).train).not.toBe(same.train);
  expect(hashData(images).test).toBe(same.test);
  const labels = tinyDataset();
  labels.test.labels[3] = ((labels.test.labels[3] ?? 0) + 1) % 3;
  expect(hashData(labels).test).not.toBe(same.test);
  expect(hashWeights(initialize(graph, 1))).toBe(record.initialWeights);
  expect(hashWeights(initialize(graph, 2))).not.toBe(record.initialWeights);
});

test("a run is locked against a second process until it is released", { timeout: 30_000 }, async () => {
  const folder = join(temporaryFolder(), "run");
  mkdirSync(folder);
  const unlock = await lockRunFolder(folder, () => {});
  await expect(lockRunFolder(folder, () => {})).rejects.toMatchObject({
    code: "run-exists",
    message: expect.stringContaining("another process"),
  });
  await unlock();
  await (await lockRunFolder(folder, () => {}))();
});

test("a full disk is told as one; faults of ours stay faults of ours", () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", errno: -28 });
  expect(runFileError(full, "runs/a/events.jsonl")).toMatchObject({
    code: "no-disk-space",
    message: expect.stringContaining("runs/a/events.jsonl"),
  });
  const bug = new InternalError("a bug");
  expect(runFileError(bug, "x")).toBe(bug);
  const typo = new TypeError("x is not a function");
  expect(runFileError(typo, "x")).toBe(typo);
});
