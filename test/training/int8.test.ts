/** Runs whose last epochs simulate 8-bit integers: what they write, when they begin, and how they are resumed. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { answersOf, engineClassifier } from "../../src/evaluation/classifier.ts";
import { compareLogits } from "../../src/evaluation/comparison.ts";
import { runtimeClassifier } from "../../src/evaluation/runtime-thread.ts";
import { loadOnnx, openOnnx } from "../../src/formats/onnx/index.ts";
import { simulateIntegers } from "../../src/quantization/simulate.ts";
import { historyOf } from "../../src/report/history.ts";
import { reportPage } from "../../src/report/page.ts";
import type { RunEvent, RunEventType } from "../../src/training/events/events.ts";
import type { TrainingRun } from "../../src/training/hooks/run-hook.ts";
import { resume } from "../../src/training/resume.ts";
import { checkpointPath, listCheckpoints, readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { referenceHost } from "../evaluation/reference-host.ts";
import { isInstalled } from "./engines.ts";
import { ofType, type Told, temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const data = tinyDataset();
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 3,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
  latency: false,
  int8: true,
  int8Epochs: 2,
};
/** A budget that a run of this network meets in time. */
const budgeted = { epochs: 24, select: { neurons: 1 }, budget: "60%" };
/** Steps of an epoch: 96 images in batches of 16. */
const steps = 6;

let told: Told;
beforeAll(async () => {
  told = await trainTiny(options);
});

/** The last event of a type, in the run of all tests unless `events` are given. */
function lastOf<T extends RunEventType>(type: T, events = told.events): Extract<RunEvent, { type: T }> {
  return required(ofType(events, type).at(-1), type);
}

async function logitsOf(file: string) {
  const classifier = await runtimeClassifier(join(told.run.folder, file), 20);
  try {
    return (await answersOf(classifier, data.test, data.normalization)).logits;
  } finally {
    await classifier.dispose();
  }
}

/** Starts a run that is stopped after step `step`. */
async function stopAt(step: number, start: (hooks: object) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const stopper = {
    name: "stopper",
    afterStep: (run: TrainingRun): void => {
      if (run.step >= step) controller.abort();
    },
  };
  await expect(start({ signal: controller.signal, hooks: [stopper] })).rejects.toMatchObject({ code: "interrupted" });
}

describe("a run with int8", () => {
  test("simulates integers in its last epochs, and says what it wrote", async () => {
    expect(lastOf("int8.begun")).toMatchObject({ step: steps, epochs: 2, layers: 6, floats: [] });
    const { path, images, agreeing, epochs, accuracy, runtime } = lastOf("int8");
    expect({ path, images, epochs }).toEqual({ path: "compact-int8.onnx", images: 40, epochs: 2 });
    expect(runtime).toMatch(/ONNX Runtime 1/);
    expect(agreeing).toBeGreaterThanOrEqual(36);
    expect(told.run.int8).toMatchObject({ accuracy, latencyMilliseconds: null, macs: told.run.after.macs });
    expect(lastOf("run.finished").int8).toEqual(told.run.int8);
    const { quantized } = await openOnnx(join(told.run.folder, path));
    expect(quantized?.floats).toEqual([]);
  });

  test("the file gives what was simulated, and nearly all answers of the floats", async () => {
    const { folder, compact } = told.run;
    const [step = 0] = await listCheckpoints(folder);
    const { range = new Map() } = (await readCheckpoint(folder, step)).optimizer;
    const { graph, ranges } = simulateIntegers(compact.graph);
    const values = [...ranges].map(([value, parameter]) => [parameter, required(range.get(value), value)] as const);
    const network = { graph, weights: new Map([...compact.weights, ...values]) };
    const classifier = await engineClassifier(referenceHost(), network, 20);
    const { logits: simulated } = await answersOf(classifier, data.test, data.normalization);
    await classifier.dispose();
    const [floats, integers] = [await logitsOf("compact.onnx"), await logitsOf("compact-int8.onnx")];
    const { sameAnswers, relativeDifference } = compareLogits(simulated, integers);
    expect(sameAnswers).toBeGreaterThanOrEqual(39);
    expect(relativeDifference).toBeLessThan(0.02);
    expect(compareLogits(floats, integers).sameAnswers).toBe(lastOf("int8").agreeing);
  });

  test("its ranges are those that training followed, and part of the checkpoint", async () => {
    const [step = 0] = await listCheckpoints(told.run.folder);
    const { optimizer, hooks } = await readCheckpoint(told.run.folder, step);
    expect(hooks["int8"]).toEqual({ since: steps });
    const ranges = [...(optimizer.range ?? [])];
    expect(ranges.map(([value]) => value)).toContain("images");
    for (const [value, { data: range }] of ranges) {
      expect(range[0], value).toBeLessThanOrEqual(0);
      expect(range[1], value).toBeGreaterThanOrEqual(0);
    }
    const { quantized } = await openOnnx(join(told.run.folder, "compact-int8.onnx"));
    const scales = ranges.map(([, { data: range }]) => ((range[1] ?? 0) - (range[0] ?? 0)) / 255);
    const written = (quantized?.layers ?? []).flatMap(({ output }) => output?.scale ?? []);
    expect(written.length).toBeGreaterThan(1);
    for (const scale of written) expect(Math.min(...scales.map((own) => Math.abs(own - scale)))).toBeLessThan(1e-7);
  });

  test("batch norms keep the statistics of the epochs before", async () => {
    const [step = 0, earlier = 0] = await listCheckpoints(told.run.folder);
    expect(checkpointPath(earlier)).not.toBe(checkpointPath(step));
    const [last, first] = [await readCheckpoint(told.run.folder, step), await readCheckpoint(told.run.folder, earlier)];
    const mean = (weights: typeof last.network.weights) => [...(weights.get("stem.norm.running_mean")?.data ?? [])];
    expect(mean(last.network.weights)).toEqual(mean(first.network.weights));
    expect(mean(last.network.weights)).toHaveLength(4);
  });

  test("the report shows both", async () => {
    const page = reportPage(historyOf(await readEvents(told.run.folder)), undefined);
    expect(page).toContain("Test accuracy, INT8");
    expect(page).toContain("compact-int8.onnx");
  });

  test("stopped and resumed, it ends with the very bits", async () => {
    const folder = join(temporaryFolder(), "stopped");
    await stopAt(1, (hooks) => train(tinyResnet(), { ...options, ...hooks, folder }));
    await stopAt(steps + 1, (hooks) => resume(folder, { ...hooks, data }));
    await resume(folder, { data });
    for (const file of ["compact.onnx", "compact-int8.onnx"]) {
      expect(readFileSync(join(folder, file)).equals(readFileSync(join(told.run.folder, file))), file).toBe(true);
    }
  });
});

describe.skipIf(!(await isInstalled("onednn")))("the other engine", () => {
  test("simulates them too", async () => {
    const { run, events } = await trainTiny({ ...options, engine: "onednn", threads: 1, accumulate: 2 });
    expect(events.some(({ type }) => type === "int8.begun")).toBe(true);
    expect(run.int8?.accuracy).toBeGreaterThan(run.after.accuracy - 15);
  });

  test.each(["f32", "bf16"] as const)(
    "in %s, resumed among steps with them, ends with the very bits",
    async (precision) => {
      const network = await loadOnnx(join(told.run.folder, "compact.onnx"));
      const onednn = { engine: "onednn", threads: 1, precision } as const;
      const settings: TrainOptions = { ...options, ...onednn, distill: {}, select: {}, int8Epochs: 1.5 };
      const [wholeFolder, folder] = [join(temporaryFolder(), "whole"), join(temporaryFolder(), "stopped")];
      await train(network, { ...settings, folder: wholeFolder });
      await stopAt(2 * steps - 1, (hooks) => train(network, { ...settings, ...hooks, folder }));
      await resume(folder, { data });
      for (const file of ["compact.onnx", "compact-int8.onnx"]) {
        expect(readFileSync(join(folder, file)).equals(readFileSync(join(wholeFolder, file))), file).toBe(true);
      }
    },
  );
});

test("a network with trained weights may simulate integers from the first step on", async () => {
  const network = await loadOnnx(join(told.run.folder, "compact.onnx"));
  const folder = join(temporaryFolder(), "tuned");
  await train(network, { ...options, folder, epochs: 1, int8Epochs: 1, select: {} });
  const begun = (await readEvents(folder)).find(({ type }) => type === "int8.begun");
  expect(begun).toMatchObject({ step: 0, epochs: 1 });
});

test("a layer that is kept stays on floats", async () => {
  const { run, events } = await trainTiny({
    ...options,
    select: {},
    epochs: 2,
    int8Epochs: 1,
    int8Keep: ["block1.conv2"],
  });
  const floats = [{ name: "block1.conv2", op: "convolution" }];
  expect(events.find(({ type }) => type === "int8.begun")).toMatchObject({ layers: 5, floats });
  const { quantized } = await openOnnx(join(run.folder, "compact-int8.onnx"));
  expect(quantized?.layers.map(({ name }) => name)).not.toContain("block1.conv2");
});

describe("when integers begin", () => {
  /** Steps of 24 epochs. */
  const total = 24 * steps;

  test("inside an epoch, once the budget is met", async () => {
    const { events } = await trainTiny({ ...options, ...budgeted, int8Epochs: 2.5 });
    const met = required(
      ofType(events, "budget").find(({ isMet }) => isMet),
      "a met budget",
    ).step;
    const begun = lastOf("int8.begun", events);
    expect(met).toBeLessThan(total - 15);
    expect(begun).toMatchObject({ step: total - 15, epochs: 2.5 });
    expect(lastOf("int8", events)).toMatchObject({ epochs: 2.5 });
  });

  test("stopped and resumed around that step, the run ends with the very bits", async () => {
    const settings = { ...options, ...budgeted, int8Epochs: 2.5 };
    const whole = await trainTiny(settings);
    const folder = join(temporaryFolder(), "stopped");
    await stopAt(total - 17, (hooks) => train(tinyResnet(), { ...settings, ...hooks, folder }));
    await stopAt(total - 14, (hooks) => resume(folder, { ...hooks, data }));
    expect((await readCheckpoint(folder, total - 14)).hooks["int8"]).toEqual({ since: total - 15 });
    await resume(folder, { data });
    for (const file of ["network.onnx", "compact.onnx", "compact-int8.onnx"]) {
      expect(readFileSync(join(folder, file)).equals(readFileSync(join(whole.run.folder, file))), file).toBe(true);
    }
  });

  test("a budget that is not met delays them, by at most half of their steps", async () => {
    const { events } = await trainTiny({ ...options, select: { neurons: 1 }, budget: "30%", epochs: 2, int8Epochs: 1 });
    const met = ofType(events, "budget").find(({ isMet, step }) => isMet && step >= steps)?.step ?? total;
    const begun = lastOf("int8.begun", events);
    expect(begun.step).toBe(Math.min(met, 2 * steps - steps / 2));
    const early = ofType(events, "notice").filter(({ message }) => message.includes("before the budget is met"));
    expect(early).toHaveLength(met > begun.step ? 1 : 0);
  });

  test("a tenth of the run by default, at least a step, and few steps are warned of", async () => {
    const { events } = await trainTiny({ ...options, int8Epochs: undefined, select: {}, epochs: 1 });
    expect(ofType(events, "int8.begun")).toMatchObject([{ step: steps - 1 }]);
    expect(ofType(events, "warning").filter(({ reason }) => reason === "int8-short")).toMatchObject([
      { message: "only the last step simulates 8-bit integers", hint: expect.stringContaining("--int8-epochs 3.4") },
    ]);
  });
});

test.each([
  ["epochs on integers without integers", { int8: undefined }, /no 8-bit integers/],
  ["layers on floats without integers", { int8: undefined, int8Epochs: undefined, int8Keep: ["a"] }, /stay on floats/],
  ["no layer on integers", { int8Keep: [...simulateIntegers(tinyResnet()).layers] }, /all layers would stay on floats/],
  ["a layer that there is not", { int8Keep: ["stem"] }, /stem\.conv/],
  ["more epochs than the run has", { int8Epochs: 4 }, /more than the 3 of the run/],
  ["integers from the start with new weights", { int8Epochs: 2.8 }, /constant batch statistics/],
  ["no epochs on integers", { int8Epochs: 0 }, /int8Epochs/],
  [
    "a budget that is met later",
    { budget: "50%", budgetBy: 2 },
    /met by epoch 2, and 8-bit integers begin after epoch 1/,
  ],
  ["too few images", { data: tinyDataset(20), batch: 4 }, /too few calibration images/],
])("%s: refused before anything is written", async (_, change, message) => {
  const folder = join(temporaryFolder(), "refused");
  await expect(train(tinyResnet(), { ...options, ...change, folder })).rejects.toThrowError(message);
  expect(existsSync(folder)).toBe(false);
});
