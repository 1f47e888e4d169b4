/**
 * A run's folder while it is trained: taken over by another process, moved away, deleted, half written by a killed one.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/training/events/events.ts";
import { resume } from "../../src/training/resume.ts";
import { listCheckpoints, removeLeftovers } from "../../src/training/run-folder/checkpoint-files.ts";
import { Claim } from "../../src/training/run-folder/claim.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const data = tinyDataset();
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 2,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
  latency: false,
};
const runFolder = (): string => join(temporaryFolder(), "run");
const compactOf = (folder: string): Buffer => readFileSync(join(folder, "compact.onnx"));

/** Trains in `folder` and does `what` once, as soon as an event of `type` is told. */
async function disturb(folder: string, type: RunEvent["type"], what: () => void): Promise<unknown> {
  let isDone = false;
  const onEvent = (event: RunEvent): void => {
    if (event.type !== type || isDone) return;
    isDone = true;
    what();
  };
  return train(tinyResnet(), { ...options, folder, onEvent });
}

const whole = { folder: "" };
beforeAll(async () => {
  whole.folder = runFolder();
  await train(tinyResnet(), { ...options, folder: whole.folder });
});

test("a run that is over leaves neither lock nor name", () => {
  expect(readdirSync(whole.folder).filter((name) => name.startsWith("."))).toEqual([]);
});

test("a start that was killed while it was prepared is resumed like any run", async () => {
  const folder = runFolder();
  const killed = disturb(folder, "run.started", () => {
    throw new Error("killed");
  });
  await expect(killed).rejects.toThrow("killed");
  // As it is before anything is told.
  writeFileSync(join(folder, "events.jsonl"), "");
  expect(await listCheckpoints(folder)).toEqual([0]);
  await resume(folder, { data });
  expect(compactOf(folder)).toEqual(compactOf(whole.folder));
  const [first, ...others] = (await readEvents(folder)).filter(({ type }) => type === "run.started");
  expect(first).toMatchObject({ resumedFrom: null });
  expect(others).toEqual([]);
});

test("a start that cannot be prepared leaves nothing", async () => {
  const folder = runFolder();
  const refused = train(tinyResnet(), { ...options, folder, precision: "bf16" });
  await expect(refused).rejects.toMatchObject({ exitCode: 2 });
  expect(existsSync(folder)).toBe(false);
});

describe("a run that another process has taken over", () => {
  test.each(["step", "epoch", "exported"] as const)("stops before its next write, after %s", async (type) => {
    const folder = runFolder();
    let before: readonly string[] = [];
    const stopped = disturb(folder, type, () => {
      writeFileSync(join(folder, ".owner"), "another\nprocess 7 on elsewhere\n");
      before = contents(folder);
    });
    await expect(stopped).rejects.toMatchObject({
      code: "run-lost",
      message: expect.stringContaining("process 7 on elsewhere has taken it over"),
    });
    expect(contents(folder)).toEqual(before);
  });

  test("gives back nothing that is the other's", async () => {
    const folder = runFolder();
    mkdirSync(folder);
    const claim = await Claim.take(folder);
    writeFileSync(join(folder, ".owner"), "another\n");
    await claim.release();
    expect(readdirSync(folder).sort()).toEqual([".lock", ".owner"]);
  });

  test("a lock that was taken away is lost as well", async () => {
    const folder = runFolder();
    mkdirSync(folder);
    const claim = await Claim.take(folder);
    claim.require();
    rmSync(join(folder, ".lock"), { recursive: true });
    await setTimeout(4000);
    expect(() => claim.require()).toThrow(expect.objectContaining({ code: "run-lost" }));
    await claim.release();
  });
});

/** Names and contents of all files of `folder`, but for the lock, which is renewed. */
function contents(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${name} ${readFileSync(join(parentPath, name)).toString("base64")}`)
    .sort();
}

describe("a folder that is not where it was", () => {
  test("moved: the run stops, says where it is, and goes on there", async () => {
    const folder = runFolder();
    const moved = `${folder}-moved`;
    const stopped = disturb(folder, "step", () => renameSync(folder, moved));
    const hint = process.platform === "linux" ? `espalier resume ${moved}` : "espalier resume";
    await expect(stopped).rejects.toMatchObject({ code: "run-moved", message: expect.stringContaining(hint) });
    expect(existsSync(folder)).toBe(false);
    await resume(moved, { data });
    expect(compactOf(moved)).toEqual(compactOf(whole.folder));
  });

  test("deleted: the run stops, and the folder does not come to life again", async () => {
    const folder = runFolder();
    const stopped = disturb(folder, "step", () => rmSync(folder, { recursive: true }));
    await expect(stopped).rejects.toMatchObject({ code: "run-moved" });
    expect(existsSync(folder)).toBe(false);
  });

  test("another in its place: the run does not write into it", async () => {
    const folder = runFolder();
    const stopped = disturb(folder, "step", () => {
      renameSync(folder, `${folder}-moved`);
      mkdirSync(folder);
    });
    await expect(stopped).rejects.toMatchObject({ code: "run-moved" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("its log deleted: that is noticed at the next event", async () => {
    const folder = runFolder();
    const stopped = disturb(folder, "step", () => rmSync(join(folder, "events.jsonl")));
    await expect(stopped).rejects.toMatchObject({
      code: "run-moved",
      message: expect.stringContaining("events.jsonl"),
    });
  });
});

test("what a killed process left half written is removed, and a checkpoint it was replacing is put back", async () => {
  const folder = runFolder();
  for (const name of [
    "step-000006.unfinished-12345678",
    "step-000012.replaced",
    "step-000018.replaced",
    "step-000018",
  ]) {
    mkdirSync(join(folder, "checkpoints", name), { recursive: true });
    writeFileSync(join(folder, "checkpoints", name, "state.json"), name);
  }
  for (const name of ["network.onnx.123", "network.onnx", "notes.123"]) writeFileSync(join(folder, name), "");
  await removeLeftovers(folder);
  expect(readdirSync(join(folder, "checkpoints")).sort()).toEqual(["step-000012", "step-000018"]);
  expect(readFileSync(join(folder, "checkpoints", "step-000018", "state.json"), "utf8")).toBe("step-000018");
  expect(readdirSync(folder).sort()).toEqual(["checkpoints", "network.onnx", "notes.123"]);
});
