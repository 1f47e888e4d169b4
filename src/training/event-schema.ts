/** The events of `events.ts` as a schema, so that a file written by an earlier run can be read back and checked. */
import { z } from "zod";
import type { ControlOf, RunEvent } from "./events.ts";

const stamp = {
  time: z.iso.datetime(),
  step: z.int().nonnegative(),
  epoch: z.int().nonnegative(),
};
const count = z.int().nonnegative();
const kind = z.enum(["neuron", "group", "block", "stream"]);
const networkCost = z.object({ macs: count, parameters: count });
const layer = z.object({ layer: z.string(), kind, alive: count, count });
const structure = { layer: z.string(), kind, index: count };
const shrinkable = { before: networkCost, after: networkCost, stepsSaved: z.number(), stepsNeeded: z.number() };
const latency = z.object({
  median: z.number(),
  lowerQuartile: z.number(),
  upperQuartile: z.number(),
  runs: count,
});
const summary = z.object({
  accuracy: z.number(),
  macs: count,
  parameters: count,
  bytes: count,
  latencyMilliseconds: z.number().nullable(),
});

/** Schema of `ControlOf`. */
export const controlOfSchema: z.ZodType<ControlOf> = z.object({
  run: z.string(),
  folder: z.string(),
  same: z.enum(["epochs", "macs"]),
  trainingMacs: z.object({ run: count, control: count }),
});

/** Reads an event back; unknown keys are dropped, so a newer writer's additions do not break an older reader. */
export const runEventSchema: z.ZodType<RunEvent> = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("run.started"),
    ...stamp,
    run: z.string(),
    model: z.string(),
    dataset: z.object({ name: z.string(), classes: count, trainImages: count, testImages: count }),
    options: z.record(z.string(), z.unknown()),
    epochs: count,
    stepsPerEpoch: count,
    totalSteps: count,
    cost: networkCost,
    factors: z.array(z.object({ parameter: z.string(), layer: z.string(), kind, count, gamma: z.number() })),
    engine: z.record(z.string(), z.string()),
    environment: z.record(z.string(), z.string()),
    controlOf: controlOfSchema.exactOptional(),
    resumedFrom: count.nullable(),
  }),
  z.object({
    type: z.literal("step"),
    ...stamp,
    loss: z.number(),
    learningRate: z.number(),
    imagesPerSecond: z.number(),
    waitMilliseconds: z.number(),
    waits: count,
    blockedMilliseconds: z.number(),
    etaSeconds: z.number(),
    structures: z.object({ alive: count, count }),
    macs: count,
  }),
  z.object({
    type: z.literal("epoch"),
    ...stamp,
    trainLoss: z.number(),
    trainAccuracy: z.number(),
    testAccuracy: z.number(),
    testImages: count,
    imagesPerSecond: z.number(),
    seconds: z.number(),
    waitMilliseconds: z.number(),
    waits: count,
    blockedMilliseconds: z.number(),
    learningRate: z.number(),
    layers: z.array(layer),
    factors: z.array(z.object({ layer: z.string(), kind, minimum: z.number(), mean: z.number(), maximum: z.number() })),
    levels: z.object({ maximum: z.number(), values: z.base64() }).exactOptional(),
    margins: z
      .array(z.object({ zero: z.number().nullable(), living: z.tuple([z.number(), z.number()]).readonly().nullable() }))
      .exactOptional(),
    cost: networkCost,
  }),
  z.object({ type: z.literal("structure.zeroed"), ...stamp, ...structure }),
  z.object({ type: z.literal("structure.revived"), ...stamp, ...structure }),
  z.object({
    type: z.literal("budget"),
    ...stamp,
    of: z.enum(["macs", "parameters"]),
    share: z.number(),
    left: z.number(),
    isMet: z.boolean(),
    gamma: z.partialRecord(kind, z.number()),
  }),
  z.object({ type: z.literal("shrink.deferred"), ...stamp, ...shrinkable, structures: count }),
  z.object({
    type: z.literal("network.shrunk"),
    ...stamp,
    ...shrinkable,
    cuts: z.array(z.object({ ...structure, margin: z.number().nullable() })),
    rebuildMilliseconds: z.number(),
    imagesPerSecond: z.number(),
  }),
  z.object({
    type: z.literal("shrink.measured"),
    ...stamp,
    imagesPerSecond: z.object({ before: z.number(), after: z.number() }),
    steps: count,
  }),
  z.object({
    type: z.literal("communication"),
    ...stamp,
    ranks: count,
    bytes: z.number(),
    underWayMilliseconds: z.number(),
    exposedMilliseconds: z.number(),
    stepMilliseconds: z.number(),
    slowest: z.object({ rank: count, host: z.string(), waitedMilliseconds: z.number(), share: z.number() }),
  }),
  z.object({ type: z.literal("checkpoint"), ...stamp, path: z.string(), bytes: count }),
  z.object({ type: z.literal("notice"), ...stamp, message: z.string() }),
  z.object({ type: z.literal("interrupted"), ...stamp, hint: z.string() }),
  z.object({
    type: z.literal("warning"),
    ...stamp,
    reason: z.enum(["nothing-zero", "accuracy-collapsed", "budget-missed"]),
    message: z.string(),
    hint: z.string(),
  }),
  z.object({
    type: z.literal("diverged"),
    ...stamp,
    loss: z.string(),
    checkpoint: z.string().nullable(),
    hint: z.string(),
  }),
  z.object({
    type: z.literal("cut"),
    ...stamp,
    before: networkCost,
    after: networkCost,
    layers: z.array(layer),
    notes: z.array(z.string()),
  }),
  z.object({
    type: z.literal("certificate"),
    ...stamp,
    passed: z.boolean(),
    images: count,
    relativeDifference: z.number(),
    agreeing: count,
    runtime: z.object({ relativeDifference: z.number(), agreeing: count }),
    path: z.string(),
  }),
  z.object({
    type: z.literal("exported"),
    ...stamp,
    files: z.array(z.object({ role: z.enum(["network", "compact"]), path: z.string(), bytes: count })),
  }),
  z.object({
    type: z.literal("latency"),
    ...stamp,
    batch: count,
    threads: count,
    before: latency,
    after: latency,
  }),
  z.object({
    type: z.literal("run.finished"),
    ...stamp,
    seconds: z.number(),
    steps: count,
    waits: count,
    waitedMilliseconds: z.number(),
    blockedMilliseconds: z.number(),
    testImages: count,
    before: summary,
    after: summary,
  }),
]);
