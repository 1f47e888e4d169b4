import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type RunEvent, type RunEventType, runEventSchema } from "../../src/training/events/events.ts";
import { EventLog, readEvents } from "../../src/training/run-folder/event-log.ts";
import { Emitter } from "../../src/training/run-folder/run-writer.ts";
import { temporaryFolder } from "./tiny.ts";

const stamp = { time: "2026-01-02T03:04:05.678Z", step: 7, epoch: 1 };
const cost = { macs: 10, parameters: 3 };
const layers = [{ layer: "conv", kind: "neuron", alive: 1, count: 2 }] as const;
const latency = { median: 2, lowerQuartile: 1, upperQuartile: 3, runs: 5 };
const summary = { accuracy: 91.5, ...cost, bytes: 100, latencyMilliseconds: null };

/** One of each; the type makes the list total. */
const events: { readonly [T in RunEventType]: Extract<RunEvent, { type: T }> } = {
  "run.started": {
    type: "run.started",
    ...stamp,
    run: "r",
    model: "m",
    dataset: { name: "d", classes: 3, trainImages: 4, testImages: 5 },
    options: { epochs: 1 },
    epochs: 1,
    stepsPerEpoch: 2,
    totalSteps: 2,
    cost,
    factors: [{ parameter: "conv.neuron.factor", layer: "conv", kind: "neuron", count: 2, gamma: 0.1 }],
    engine: { name: "reference" },
    environment: { node: "20" },
    resumedFrom: null,
  },
  budget: {
    type: "budget",
    ...stamp,
    of: "macs",
    share: 0.5,
    left: 0.6,
    isMet: false,
    gamma: { neuron: 0.001, block: 0.02 },
  },
  step: {
    type: "step",
    ...stamp,
    loss: 1,
    learningRate: 0.1,
    imagesPerSecond: 5,
    waitMilliseconds: 0.5,
    waits: 1,
    blockedMilliseconds: 4,
    etaSeconds: 3,
    structures: { alive: 1, count: 2 },
    macs: 5,
  },
  epoch: {
    type: "epoch",
    ...stamp,
    trainLoss: 1,
    trainAccuracy: 50,
    testAccuracy: 60,
    testImages: 10,
    imagesPerSecond: 5,
    seconds: 2,
    waitMilliseconds: 0.5,
    waits: 2,
    blockedMilliseconds: 9,
    learningRate: 0.1,
    layers,
    factors: [{ layer: "conv", kind: "neuron", minimum: 0, mean: 0.5, maximum: 1 }],
    cost,
  },
  "structure.zeroed": { type: "structure.zeroed", ...stamp, layer: "conv", kind: "neuron", index: 1 },
  "shrink.deferred": {
    type: "shrink.deferred",
    ...stamp,
    before: cost,
    after: cost,
    stepsSaved: 3.5,
    stepsNeeded: 40,
    structures: 2,
  },
  "network.shrunk": {
    type: "network.shrunk",
    ...stamp,
    before: cost,
    after: cost,
    stepsSaved: 90.5,
    stepsNeeded: 40,
    cuts: [
      { layer: "conv", kind: "neuron", index: 1, margin: 0.25 },
      { layer: "conv", kind: "neuron", index: 0, margin: null },
    ],
    rebuildMilliseconds: 12.5,
    imagesPerSecond: 1000,
  },
  "shrink.measured": { type: "shrink.measured", ...stamp, imagesPerSecond: { before: 1000, after: 1500 }, steps: 20 },
  communication: {
    type: "communication",
    ...stamp,
    ranks: 4,
    bytes: 1_100_000,
    underWayMilliseconds: 12,
    exposedMilliseconds: 1.5,
    stepMilliseconds: 90,
    slowest: { rank: 3, host: "host-c", waitedMilliseconds: 800, share: 0.07 },
  },
  "structure.revived": { type: "structure.revived", ...stamp, layer: "conv", kind: "block", index: 0 },
  checkpoint: { type: "checkpoint", ...stamp, path: "checkpoints/step-000007", bytes: 12 },
  notice: { type: "notice", ...stamp, message: "hello" },
  warning: { type: "warning", ...stamp, reason: "nothing-zero", message: "alive", hint: "more γ" },
  interrupted: { type: "interrupted", ...stamp, hint: "resume" },
  diverged: { type: "diverged", ...stamp, loss: "NaN", checkpoint: null, hint: "lower" },
  cut: { type: "cut", ...stamp, before: cost, after: cost, layers, notes: [] },
  certificate: {
    type: "certificate",
    ...stamp,
    passed: true,
    images: 1000,
    relativeDifference: 1e-7,
    agreeing: 1000,
    runtime: { relativeDifference: 1e-6, agreeing: 1000 },
    path: "certificate.json",
  },
  exported: { type: "exported", ...stamp, files: [{ role: "compact", path: "compact.onnx", bytes: 9 }] },
  latency: {
    type: "latency",
    ...stamp,
    batch: 1,
    threads: 1,
    before: latency,
    after: latency,
    allThreads: { threads: 2, before: latency, after: latency },
  },
  classes: {
    type: "classes",
    ...stamp,
    classes: [{ name: "cat", trainImages: 8, images: 2, before: 1, after: 1 }],
  },
  "int8.begun": {
    type: "int8.begun",
    ...stamp,
    epochs: 2,
    layers: 6,
    floats: [{ name: "tanh", op: "activation" }],
  },
  int8: {
    type: "int8",
    ...stamp,
    path: "compact-int8.onnx",
    bytes: 9,
    epochs: 2,
    layers: 6,
    floats: [],
    runtime: "ONNX Runtime 1.30.0",
    images: 10,
    accuracy: 90,
    floatAccuracy: 91,
    agreeing: 9,
    latency: { threads: 1, floats: latency, integers: latency },
  },
  "run.finished": {
    type: "run.finished",
    ...stamp,
    seconds: 9,
    steps: 2,
    waits: 2,
    waitedMilliseconds: 1,
    blockedMilliseconds: 9,
    testImages: 10,
    before: summary,
    after: { ...summary, augmented: { views: "flip+shift", accuracy: 92 } },
    int8: summary,
  },
};

test("every kind of event comes back from its JSON as it was", () => {
  for (const event of Object.values(events)) {
    expect(runEventSchema.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
  }
});

test("an event of an unknown type, or with a field missing, is refused", () => {
  expect(runEventSchema.safeParse({ ...events.step, type: "leap" }).success).toBe(false);
  const { loss: _, ...withoutLoss } = events.step;
  expect(runEventSchema.safeParse(withoutLoss).success).toBe(false);
  expect(runEventSchema.safeParse({ ...events.step, step: -1 }).success).toBe(false);
});

test("the log keeps what is emitted, stamped with time and place, and the listener hears the same", async () => {
  const folder = temporaryFolder();
  const log = new EventLog(folder);
  const heard: RunEvent[] = [];
  const emitter = new Emitter(log, (event) => heard.push(event));
  emitter.emit({ type: "notice", message: "first" });
  emitter.moveTo(12, 3);
  emitter.emit({ type: "notice", message: "second" });
  log.close();
  expect(await readEvents(folder)).toEqual(heard);
  expect(heard).toMatchObject([
    { message: "first", step: 0, epoch: 0 },
    { message: "second", step: 12, epoch: 3 },
  ]);
  expect(Math.abs(Date.parse(heard[0]?.time ?? "") - Date.now())).toBeLessThan(60_000);
});

test("half a line, left by a process that died, is passed over and then dropped", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "events.jsonl");
  writeFileSync(path, `${JSON.stringify(events.notice)}\n${JSON.stringify(events.step).slice(0, 40)}`);
  expect(await readEvents(folder)).toEqual([events.notice]);
  const log = new EventLog(folder);
  log.append(events.cut);
  log.close();
  expect(readFileSync(path, "utf8")).toBe(`${JSON.stringify(events.notice)}\n${JSON.stringify(events.cut)}\n`);
});

test("a damaged line in the middle is named, a missing file is too", async () => {
  const folder = temporaryFolder();
  await expect(readEvents(folder)).rejects.toMatchObject({ code: "missing-file" });
  writeFileSync(join(folder, "events.jsonl"), `${JSON.stringify(events.notice)}\n{"type":\n`);
  appendFileSync(join(folder, "events.jsonl"), `${JSON.stringify(events.cut)}\n`);
  await expect(readEvents(folder)).rejects.toMatchObject({
    code: "bad-file",
    message: expect.stringContaining("line 2"),
  });
});

test("a log that cannot be opened is a user's error that names the file", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "events.jsonl"));
  expect(() => new EventLog(folder)).toThrowError(/events\.jsonl/);
});
