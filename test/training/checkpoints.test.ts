import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { EspalierError } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import type { Weights } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { place } from "../../src/selection/place.ts";
import {
  type Checkpoint,
  checkpointPath,
  listCheckpoints,
  readCheckpoint,
  readLatestCheckpoint,
  writeCheckpoint,
} from "../../src/training/run-folder/checkpoint-files.ts";
import { temporaryFolder, tinyResnet } from "./tiny.ts";

const { graph, factors } = place(tinyResnet(), { neurons: 0.1, blocks: 0.1 });

function checkpoint(step: number): Checkpoint {
  const weights = initialize(graph, step);
  const random = new RandomStream(step, "velocities");
  const like = (names: readonly string[]): Weights =>
    new Map(
      [...weights]
        .filter(([name]) => names.includes(name))
        .map(([name, { shape, data }]) => [
          name,
          tensor(
            shape,
            data.map(() => random.normal()),
          ),
        ]),
    );
  const ofFactors = factors.map(({ parameter }) => parameter);
  return {
    progress: {
      step,
      sums: { steps: 3, loss: 0.1 + 0.2, correct: 17, milliseconds: 1.5 },
      choices: { training: { "conv forward": "jit", 7: "auto" }, evaluation: {} },
      cuts: [{ kind: "slice", slices: { "conv.weights": [{ axis: 0, total: 4, kept: [0, 2] }] } }],
    },
    network: { graph, weights },
    optimizer: { velocity: like([...weights.keys()]), held: like(ofFactors), margin: like(ofFactors) },
    hooks: { warnings: { given: ["nothing-zero"], best: 0.1 + 0.2 }, mine: [1, { deep: null }] },
  };
}

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  mkdirSync(join(folder, "checkpoints"));
});

test("a checkpoint comes back with every bit, graph and names included", async () => {
  const written = checkpoint(123);
  const bytes = await writeCheckpoint(folder, written);
  expect(checkpointPath(123)).toBe("checkpoints/step-000123");
  expect(await readCheckpoint(folder, 123)).toEqual(written);
  const path = join(folder, checkpointPath(123));
  expect(bytes).toBe(readdirSync(path).reduce((sum, file) => sum + readFileSync(join(path, file)).length, 0));
});

test("a checkpoint of the version before is read, its budget as the state of that hook", async () => {
  const { hooks: _, ...written } = checkpoint(7);
  await writeCheckpoint(folder, { ...written, hooks: {} });
  const path = join(folder, checkpointPath(7), "state.json");
  const record = z.record(z.string(), z.json());
  const { body } = z.object({ body: record }).parse(JSON.parse(readFileSync(path, "utf8")));
  const budget = { gamma: 0.5, largest: 2, isMet: false, modes: { "conv.neurons": "1111" }, correction: 0 };
  const { hooks: __, ...rest } = body;
  const before = { ...rest, version: 1, progress: { ...record.parse(body["progress"]), budget } };
  const sha256 = createHash("sha256").update(JSON.stringify(before)).digest("hex");
  writeFileSync(path, JSON.stringify({ body: before, sha256 }));
  expect(await readCheckpoint(folder, 7)).toEqual({ ...written, hooks: { budget } });
});

test("the last two are kept, and nothing unfinished beside them", async () => {
  for (const step of [0, 5, 10, 15]) await writeCheckpoint(folder, checkpoint(step));
  expect(readdirSync(join(folder, "checkpoints")).toSorted()).toEqual(["step-000010", "step-000015"]);
  expect(await listCheckpoints(folder)).toEqual([15, 10]);
});

test("what a process that died left half written is no checkpoint and is not in the way", async () => {
  mkdirSync(join(folder, "checkpoints", "step-000005.unfinished"));
  writeFileSync(join(folder, "checkpoints", "step-000005.unfinished", "network.onnx"), "half");
  expect(await listCheckpoints(folder)).toEqual([]);
  await writeCheckpoint(folder, checkpoint(5));
  expect(readdirSync(join(folder, "checkpoints"))).toEqual(["step-000005"]);
  expect(await readCheckpoint(folder, 5)).toEqual(checkpoint(5));
});

test("a state of numbers that are none is passed over for the one before it", async () => {
  await writeCheckpoint(folder, checkpoint(5));
  for (const part of ["optimizer", "network"] as const) {
    const diverged = checkpoint(10);
    const values = part === "network" ? diverged.network.weights : diverged.optimizer.margin;
    for (const { data } of [...values.values()].slice(0, 1)) data[0] = Number.NaN;
    await writeCheckpoint(folder, diverged);
    await expect(readCheckpoint(folder, 10)).rejects.toMatchObject({ code: "bad-checkpoint" });
    const told: string[] = [];
    const latest = await readLatestCheckpoint(folder, ({ message }) => told.push(message));
    expect(latest.progress.step).toBe(5);
    expect(told).toEqual([expect.stringMatching(/not a finite number/)]);
  }
});

const damages: [string, string, (path: string) => void][] = [
  ["cut short", "network.onnx", (path) => truncateSync(path, 1000)],
  ["cut short", "optimizer.safetensors", (path) => truncateSync(path, 100)],
  ["with one byte more", "optimizer.safetensors", (path) => appendFileSync(path, "x")],
  ["missing", "network.onnx", (path) => rmSync(path)],
  ["missing", "state.json", (path) => rmSync(path)],
  ["cut short", "state.json", (path) => truncateSync(path, 50)],
  [
    "altered",
    "state.json",
    (path) => writeFileSync(path, readFileSync(path, "utf8").replace('"correct": 17', '"correct": 18')),
  ],
];

test.each(damages)(
  "a file %s (%s) is a bad checkpoint that names it; the one before is used",
  async (_, file, damage) => {
    await writeCheckpoint(folder, checkpoint(5));
    await writeCheckpoint(folder, checkpoint(10));
    damage(join(folder, checkpointPath(10), file));
    await expect(readCheckpoint(folder, 10)).rejects.toMatchObject({
      code: "bad-checkpoint",
      message: expect.stringContaining(file),
    });
    const heard: EspalierError[] = [];
    expect(await readLatestCheckpoint(folder, (error) => heard.push(error))).toEqual(checkpoint(5));
    expect(heard).toMatchObject([{ code: "bad-checkpoint" }]);
    // Set aside, so that the next two checkpoints do not push out the whole one in its favour.
    expect(existsSync(join(folder, "checkpoints", "step-000010.damaged"))).toBe(true);
    await writeCheckpoint(folder, checkpoint(8));
    expect(await listCheckpoints(folder)).toEqual([8, 5]);
  },
);

test("with no checkpoint that is whole, the error says so", async () => {
  await expect(readLatestCheckpoint(folder, () => {})).rejects.toMatchObject({ code: "bad-checkpoint", exitCode: 2 });
  await writeCheckpoint(folder, checkpoint(5));
  truncateSync(join(folder, checkpointPath(5), "network.onnx"), 10);
  await expect(readLatestCheckpoint(folder, () => {})).rejects.toMatchObject({ code: "bad-checkpoint" });
});

test("a checkpoint that cannot be written leaves the earlier ones as they are", async () => {
  await writeCheckpoint(folder, checkpoint(5));
  const spoilt = { ...checkpoint(6), network: { graph, weights: new Map() } };
  await expect(writeCheckpoint(folder, spoilt)).rejects.toThrowError();
  expect(readdirSync(join(folder, "checkpoints"))).toEqual(["step-000005"]);
  expect(await readCheckpoint(folder, 5)).toEqual(checkpoint(5));
});
