/** `resume` goes on with the run that was started, and with no other. */
import { createHash } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { formatLatencyTable } from "../../src/latency/table.ts";
import { initialize } from "../../src/models/initialize.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { resume } from "../../src/training/resume.ts";
import { listCheckpoints } from "../../src/training/run-folder/checkpoint-files.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { tableOf } from "../latency/tables.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const data = tinyDataset();
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 3,
  batch: 16,
  select: { neurons: 0.4 },
  latency: false,
};
const stopped = { folder: "" };

beforeAll(async () => {
  stopped.folder = join(temporaryFolder(), "stopped");
  const controller = new AbortController();
  const onEvent = ({ type }: RunEvent): void => {
    if (type === "epoch") controller.abort();
  };
  const run = train(tinyResnet(), { ...options, folder: stopped.folder, onEvent, signal: controller.signal });
  await expect(run).rejects.toMatchObject({ code: "interrupted" });
});

type Json = { [name: string]: unknown };
interface RunJson extends Json {
  settings: Json;
  data: Json;
}

/** A copy of the stopped run whose `run.json` is what `change` makes of it. */
function edited(change: (record: RunJson) => void): string {
  const folder = join(temporaryFolder(), "edited");
  cpSync(stopped.folder, folder, { recursive: true });
  const path = join(folder, "run.json");
  const record: RunJson = JSON.parse(readFileSync(path, "utf8"));
  change(record);
  writeFileSync(path, JSON.stringify(record));
  return folder;
}

test.each([
  ["seed", 2, "settings.seed: 2, was 1"],
  ["epochs", 1, "settings.epochs: 1, was 3"],
  ["batch", 32, "settings.batch: 32, was 16"],
  ["weightDecay", 0.1, "settings.weightDecay: 0.1, was 0.0005"],
  ["select", { neurons: 0.5 }, 'settings.select: {"neurons":0.5}, was {"neurons":0.4}'],
])("an edited %s is refused and named, and nothing is written", async (name, value, line) => {
  const folder = edited(({ settings }) => {
    settings[name] = value;
  });
  const before = readFileSync(join(folder, "events.jsonl"));
  await expect(resume(folder, { data })).rejects.toMatchObject({ code: "checksum", details: { list: [line] } });
  expect(readFileSync(join(folder, "events.jsonl"))).toEqual(before);
  expect(await listCheckpoints(folder)).toEqual([6, 0]);
});

test("factors and data are sealed too, by their digest", async () => {
  const folder = edited((record) => {
    record["factors"] = [];
    record.data["classes"] = ["first", "dark", "second"];
  });
  await expect(resume(folder, { data })).rejects.toMatchObject({
    code: "checksum",
    details: { list: ["factors: changed", "data: changed"] },
  });
});

test("the teacher and the latency table that a run keeps are sealed too", async () => {
  const folder = join(temporaryFolder(), "taught");
  const table = join(temporaryFolder(), "table.json");
  const graph = tinyResnet();
  const formula = (outputs: number): number => 1e-3 * outputs;
  writeFileSync(table, formatLatencyTable(tableOf(graph, formula)));
  const controller = new AbortController();
  const onEvent = ({ type }: RunEvent): void => {
    if (type === "epoch") controller.abort();
  };
  const teacher = { graph, weights: initialize(graph, 3) };
  const asked = {
    ...options,
    gammaBy: "latency" as const,
    latencyTable: table,
    distill: { weight: 0.5, temperature: 2 },
  };
  const run = train(teacher, { ...asked, folder, onEvent, signal: controller.signal });
  await expect(run).rejects.toMatchObject({ code: "interrupted" });
  const record: RunJson = JSON.parse(readFileSync(join(folder, "run.json"), "utf8"));
  for (const name of ["teacher.onnx", "latency.json"]) {
    const kept = readFileSync(join(folder, name));
    const sha256 = createHash("sha256").update(kept).digest("hex");
    expect(record["files"]).toHaveProperty([name], sha256);
    writeFileSync(join(folder, name), Buffer.concat([kept, Buffer.from(" ")]));
    const refused = { code: "checksum", details: { about: join(folder, name) } };
    await expect(resume(folder, { data })).rejects.toMatchObject(refused);
    writeFileSync(join(folder, name), kept);
  }
  // The record cannot be made to fit, either.
  const changed = `${readFileSync(table, "utf8")} `;
  writeFileSync(join(folder, "latency.json"), changed);
  const files = { ...Object(record["files"]), "latency.json": createHash("sha256").update(changed).digest("hex") };
  writeFileSync(join(folder, "run.json"), JSON.stringify({ ...record, files }));
  await expect(resume(folder, { data })).rejects.toMatchObject({
    code: "checksum",
    details: { list: ["files: changed"] },
  });
  writeFileSync(join(folder, "latency.json"), readFileSync(table));
  writeFileSync(join(folder, "run.json"), JSON.stringify(record));
  expect((await resume(folder, { data })).certificate.passed).toBe(true);
});

test("what only tells of the run may change, and so may the place of its data", async () => {
  const folder = edited((record) => {
    record["name"] = "renamed";
    record.data["source"] = "elsewhere";
  });
  const run = await resume(folder, { data });
  expect(run.certificate.passed).toBe(true);
});

test("a checkpoint of an older version has no seal, and the run gets one as it goes on", async () => {
  const folder = edited(() => {});
  const path = join(folder, "checkpoints", "step-000006", "state.json");
  const { body }: { body: Json } = JSON.parse(readFileSync(path, "utf8"));
  const { seal: _, ...old } = body;
  const sha256 = createHash("sha256").update(JSON.stringify(old)).digest("hex");
  writeFileSync(path, JSON.stringify({ body: old, sha256 }));
  await resume(folder, { data });
  const last: { body: Json } = JSON.parse(readFileSync(path.replace("000006", "000018"), "utf8"));
  expect(last.body["seal"]).toEqual(body["seal"]);
});
