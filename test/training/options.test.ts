import { expect, test } from "vitest";
import { parseSettings, settingNames, settingsSchema } from "../../src/training/options.ts";

test("the defaults are those that are documented", () => {
  expect(parseSettings({ epochs: 3 })).toEqual({
    epochs: 3,
    select: {},
    gammaBy: "none",
    round: 1,
    shrink: { patience: 1, rebuildSteps: 100 },
    batch: 128,
    seed: 1,
    schedule: { kind: "one-cycle", peak: 0.2, peakAt: 0.2, startDivisor: 25, endDivisor: 10_000 },
    momentum: 0.9,
    weightDecay: 5e-4,
    labelSmoothing: 0,
    freezeBatchNorm: false,
    fromScratch: false,
    augment: true,
    syncBatchNorm: false,
    engine: "onednn",
    precision: "f32",
    evaluationImages: 2000,
    certificateImages: 1000,
    limit: {},
    latency: true,
  });
});

test("shrinking is on, off, or as its parts say", () => {
  const shrinkOf = (shrink: unknown) => parseSettings({ epochs: 3, shrink }).shrink;
  expect(shrinkOf(true)).toEqual({ patience: 1, rebuildSteps: 100 });
  expect(shrinkOf(false)).toBe(false);
  expect(shrinkOf({ patience: 0.5 })).toEqual({ patience: 0.5, rebuildSteps: 100 });
  expect(() => shrinkOf({ patience: 0 })).toThrow(/shrink\.patience/);
  expect(() => shrinkOf({ patient: 1 })).toThrow(/shrink/);
});

test("a schedule gets the defaults of its kind", () => {
  expect(parseSettings({ epochs: 1, schedule: { kind: "one-cycle", peak: 0.05 } }).schedule).toEqual({
    kind: "one-cycle",
    peak: 0.05,
    peakAt: 0.2,
    startDivisor: 25,
    endDivisor: 10_000,
  });
  expect(parseSettings({ epochs: 1, schedule: { kind: "cosine" } }).schedule).toEqual({
    kind: "cosine",
    peak: 0.2,
    warmup: 0,
  });
  expect(parseSettings({ epochs: 1, schedule: { kind: "step" } }).schedule).toEqual({
    kind: "step",
    peak: 0.1,
    milestones: [0.5, 0.75],
    factor: 0.1,
  });
});

test("settings survive being stored, so a resumed run has the same", () => {
  const settings = parseSettings({
    epochs: 2,
    select: { neurons: 0.1, blocks: 0 },
    threads: 2,
    name: "a.b-c_1",
    augment: { pad: 2, flip: false },
    limit: { train: 10 },
  });
  expect(settingsSchema.parse(JSON.parse(JSON.stringify(settings)))).toEqual(settings);
});

test("every setting of the schema can be suggested", () => {
  const more = { accumulate: 1, gammaAfter: 1, budgetBy: 1, fixBatchNormScale: true };
  const optional = { mixing: { kind: "mixup", alpha: 1 }, clipNorm: 1, distill: {}, budget: "50%" };
  const everything = { epochs: 1, threads: 1, name: "x", ...optional, ...more };
  expect(Object.keys(parseSettings(everything)).toSorted()).toEqual(settingNames.toSorted());
});

test("an unknown option is refused with the nearest that exists", () => {
  expect(() => parseSettings({ epochs: 1, bacth: 5 })).toThrowError(/unknown option "bacth".*Did you mean "batch"/);
});

test.each([
  [{ epochs: 1, select: { neurons: -0.01 } }, /select\.neurons.*γ/],
  [{ epochs: 1, select: { neurons: Number.NaN } }, /select\.neurons/],
  [{ epochs: 1, select: { layers: 1 } }, /select/],
  [{ epochs: 0 }, /epochs/],
  [{ epochs: 1.5 }, /epochs/],
  [{}, /epochs/],
  [{ epochs: 1, batch: 0 }, /batch/],
  [{ epochs: 1, seed: -1 }, /seed/],
  [{ epochs: 1, momentum: 1 }, /momentum/],
  [{ epochs: 1, weightDecay: -1 }, /weightDecay/],
  [{ epochs: 1, schedule: { kind: "linear" } }, /schedule/],
  [{ epochs: 1, schedule: { kind: "one-cycle", peak: 0 } }, /schedule\.peak/],
  [{ epochs: 1, schedule: { kind: "one-cycle", peakAt: 2 } }, /schedule\.peakAt/],
  [{ epochs: 1, engine: "gpu" }, /engine/],
  [{ epochs: 1, name: "../out" }, /name/],
])("%j is refused, naming the option", (input, message) => {
  expect(() => parseSettings(input)).toThrowError(message);
  expect(() => parseSettings(input)).toThrowError(expect.objectContaining({ code: "bad-option", exitCode: 2 }));
});
