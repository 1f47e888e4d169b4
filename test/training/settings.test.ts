import { expect, expectTypeOf, test } from "vitest";
import type { Selection } from "../../src/selection/factors.ts";
import {
  parseSettings,
  type Settings,
  type SettingsInput,
  settingNames,
  settingsSchema,
} from "../../src/training/settings/settings.ts";

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
  const more = {
    accumulate: 1,
    gammaAfter: 1,
    budgetBy: 1,
    fixBatchNormScale: true,
    outputs: ["logits"],
    task: "multi-label",
    inputs: {},
    columns: { x: ["age", "weight"] },
    teach: "outputs",
    teachTemperature: 1,
    outputWeights: {},
    outputKinds: {},
    keepHead: true,
    restoreBatchNorm: false,
    headEpochs: 1,
    int8: true,
    int8Epochs: 1,
    int8Keep: ["fc"],
  };
  const optional = {
    optimizer: "muon",
    mixing: { kind: "mixup", alpha: 1 },
    classWeights: "balanced",
    clipNorm: 1,
    averageWeights: { kind: "ema" },
    testTimeAugmentation: "flip",
    decoupledWeightDecay: true,
    weightDecayOf: { shift: 1 },
    learningRateOf: { shift: 64 },
    distill: {},
    budget: "50%",
    latencyTable: "table.json",
  };
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
  [{ epochs: 1_000_001 }, /at most 1000000 epochs/],
  [{}, /epochs/],
  [{ epochs: 1, batch: 0 }, /batch/],
  [{ epochs: 1, seed: -1 }, /seed/],
  [{ epochs: 1, momentum: 1 }, /momentum/],
  [{ epochs: 1, weightDecay: -1 }, /weightDecay/],
  [{ epochs: 1, schedule: { kind: "linear" } }, /schedule/],
  [{ epochs: 1, schedule: { kind: "one-cycle", peak: 0 } }, /schedule\.peak/],
  [{ epochs: 1, schedule: { kind: "one-cycle", peakAt: 2 } }, /schedule\.peakAt/],
  [{ epochs: 1, schedule: { kind: "triangular", end: -0.1 } }, /schedule\.end/],
  [{ epochs: 1, optimizer: "adam" }, /optimizer/],
  [{ epochs: 1, learningRateOf: { shift: 0 } }, /learningRateOf\.shift/],
  [{ epochs: 1, learningRateOf: { shifts: 2 } }, /learningRateOf/],
  [{ epochs: 1, weightDecayOf: { bias: -1 } }, /weightDecayOf\.bias/],
  [{ epochs: 1, weightDecayOf: { factor: 1 } }, /weightDecayOf/],
  [{ epochs: 1, augment: { flip: "both" } }, /augment/],
  [{ epochs: 1, augment: { border: "white" } }, /augment/],
  [{ epochs: 1, augment: { pad: 2, area: [0.5, 1] } }, /augment/],
  [{ epochs: 1, averageWeights: { kind: "swa" } }, /averageWeights\.kind/],
  [{ epochs: 1, averageWeights: { kind: "ema", every: 0 } }, /averageWeights\.every/],
  [{ epochs: 1, averageWeights: { kind: "ema", decay: 1 } }, /averageWeights\.decay/],
  [{ epochs: 1, int8Epochs: 0 }, /int8Epochs/],
  [{ epochs: 1, int8: "yes" }, /int8/],
  [{ epochs: 1, testTimeAugmentation: "shift" }, /testTimeAugmentation/],
  [{ epochs: 1, engine: "gpu" }, /engine/],
  [{ epochs: 1, name: "../out" }, /name/],
])("%j is refused, naming the option", (input, message) => {
  expect(() => parseSettings(input)).toThrowError(message);
  expect(() => parseSettings(input)).toThrowError(expect.objectContaining({ code: "bad-option", exitCode: 2 }));
});

test("the settings of a run.json of version 0.1 read as they were written", () => {
  // As that version wrote them, before there were gammaAfter, budgetBy, accumulate and fixBatchNormScale.
  const written = {
    epochs: 30,
    select: { neurons: 1, blocks: 16.4 },
    gammaBy: "none",
    budget: { of: "macs", share: 0.5 },
    round: 1,
    shrink: { patience: 1, rebuildSteps: 100 },
    batch: 128,
    seed: 3,
    schedule: { kind: "step", peak: 0.1, milestones: [0.5, 0.75], factor: 0.1 },
    momentum: 0.9,
    weightDecay: 0.0005,
    labelSmoothing: 0,
    freezeBatchNorm: false,
    fromScratch: false,
    augment: { pad: 4, flip: true },
    syncBatchNorm: false,
    engine: "onednn",
    threads: 2,
    precision: "bf16",
    evaluationImages: 2000,
    certificateImages: 1000,
    limit: { train: 640 },
    latency: true,
    name: "resnet-20-cifar10",
  };
  expect(settingsSchema.parse(written)).toEqual(written);
  // The order of keys is that of the file, too: a run that is resumed writes the same options into its events.
  expect(JSON.stringify(settingsSchema.parse(written))).toBe(JSON.stringify(written));
  // An even older one knows less.
  const { gammaBy: _, round: __, precision: ___, latency: ____, ...older } = written;
  expect(settingsSchema.parse(older)).toEqual({ ...older, gammaBy: "none", round: 1, precision: "f32", latency: true });
});

test("a setting that is undefined is one that was left out", () => {
  const input = Object.fromEntries(settingNames.map((name) => [name, name === "epochs" ? 3 : undefined]));
  expect(parseSettings(input)).toEqual(parseSettings({ epochs: 3 }));
});

test("the types are those of the table", () => {
  expectTypeOf<Settings["batch"]>().toEqualTypeOf<number>();
  expectTypeOf<Settings["shrink"]>().toEqualTypeOf<false | { patience: number; rebuildSteps: number }>();
  expectTypeOf<Settings["select"]>().toEqualTypeOf<Selection>();
  expectTypeOf<{ epochs: 1 }>().toExtend<SettingsInput>();
  expectTypeOf<{ epochs: 1; batch: undefined; budget: "50%"; shrink: true }>().toExtend<SettingsInput>();
  expectTypeOf<{ batch: 1 }>().not.toExtend<SettingsInput>();
  expectTypeOf<{ epochs: 1; batch: "many" }>().not.toExtend<SettingsInput>();
});
