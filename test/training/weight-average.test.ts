/** Averaged weights: the formula, which networks they reach, and that zeros, cuts and breaks stay exact. */
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { engineNames } from "../../src/engine/create.ts";
import type { Weights } from "../../src/graph/graph.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import type { RunHook } from "../../src/training/hooks/run-hook.ts";
import { averagingDecay, updateAverage } from "../../src/training/network/weight-average.ts";
import { resume } from "../../src/training/resume.ts";
import { listCheckpoints, readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const data = tinyDataset();
/** Four epochs of six steps. */
const options: TrainOptions = { data, engine: "reference", epochs: 4, batch: 16, latency: false, evaluationImages: 40 };
/** As `options`, but neurons and blocks are pruned while training. */
const pruned: TrainOptions = {
  ...options,
  epochs: 8,
  select: { neurons: 0.4, blocks: 0.4 },
  shrink: { patience: 1, rebuildSteps: 0 },
};
const kinds = ["ema", "lookahead"] as const;

/** The live weights at the end of each epoch. */
function witness(): RunHook & { readonly epochs: Weights[] } {
  const epochs: Weights[] = [];
  return {
    name: "witness",
    epochs,
    afterEpoch: (_, { state }) => {
      epochs.push(
        new Map([...state.weights].map(([name, { shape, data: own }]) => [name, tensor(shape, own.slice())])),
      );
    },
  };
}

async function trained(
  more: Partial<TrainOptions>,
): Promise<{ readonly run: Run; readonly epochs: readonly Weights[] }> {
  const hook = witness();
  const run = await train(tinyResnet(), { ...options, folder: join(temporaryFolder(), "run"), hooks: [hook], ...more });
  return { run, epochs: hook.epochs };
}

/** average + (1 − α)·(live − average) of each value, rounded once. */
function moved(average: Weights | undefined, live: Weights | undefined, decay: number): Weights {
  return new Map(
    [...(live ?? [])].map(([name, { shape, data: now }]): [string, Tensor] => {
      const before = average?.get(name)?.data ?? now;
      const next = now.map((value, index) => (before[index] ?? 0) + (1 - decay) * (value - (before[index] ?? 0)));
      return [name, tensor(shape, next)];
    }),
  );
}

function numbersOf(weights: Weights | undefined): Map<string, number[]> {
  return new Map([...(weights ?? [])].map(([name, { data: own }]) => [name, [...own]]));
}

/** For each factor: which of its structures are at zero. */
function zerosOf(weights: Weights | undefined): [string, boolean[]][] {
  return [...(weights ?? [])].flatMap(([name, { data: own }]): [string, boolean[]][] =>
    name.endsWith(".factor") ? [[name, [...own].map((value) => value === 0)]] : [],
  );
}

describe("an update", () => {
  const values = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 12 });
  const one = (data: readonly number[]): Weights => new Map([["a", tensor([data.length], Float32Array.from(data))]]);

  test("starts as the live weights, and keeps what does not change to the bit", () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (data, decay) => {
        const live = one(data);
        const first = updateAverage({ average: undefined, live, decay, factors: [] });
        expect(numbersOf(first)).toEqual(numbersOf(live));
        expect(numbersOf(updateAverage({ average: first, live, decay, factors: [] }))).toEqual(numbersOf(live));
      }),
    );
  });

  test("lies α of the way from the live value to the average", () => {
    const next = updateAverage({ average: one([4, -2]), live: one([0, 2]), decay: 0.75, factors: [] });
    expect([...(next.get("a")?.data ?? [])]).toEqual([3, -1]);
  });

  test("has a factor at zero exactly where the live one is", () => {
    const factors = fc.array(fc.constantFrom(0, 1e-45, 1e-30, 0.25, 1), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(factors, factors, fc.constantFrom(0, 0.3, 1), (before, now, decay) => {
        const next = updateAverage({ average: one(before), live: one(now), decay, factors: ["a"] });
        expect([...(next.get("a")?.data ?? [])].map((value) => value === 0)).toEqual(
          [...Float32Array.from(now)].map((value) => value === 0),
        );
      }),
    );
  });

  test("has the decay of airbench94's script: 0.95⁵ times the cube of the progress", () => {
    const settings = { kind: "lookahead", every: 5, decay: 0.95, power: 3 } as const;
    expect(averagingDecay(settings, 240, 480)).toBeCloseTo(0.95 ** 5 / 8, 12);
    expect(averagingDecay(settings, 480, 480)).toBeCloseTo(0.7737809375, 12);
    expect(averagingDecay({ ...settings, kind: "ema", power: 0, every: 2 }, 2, 480)).toBeCloseTo(0.9025, 12);
  });
});

describe("a run", () => {
  const averageWeights = { kind: "ema", every: 6, decay: 0.9, power: 1 } as const;
  const decayAfter = (epoch: number): number => 0.9 ** 6 * (epoch / 4);

  test("with an exponential average trains as without, and exports the average", async () => {
    const plain = await trained({});
    const { run, epochs } = await trained({ averageWeights });
    expect(epochs.map(numbersOf)).toEqual(plain.epochs.map(numbersOf));
    let average: Weights | undefined;
    for (const [index, live] of epochs.entries()) average = moved(average, live, decayAfter(index + 1));
    expect(numbersOf(run.network.weights)).toEqual(numbersOf(average));
    expect(numbersOf(run.network.weights)).not.toEqual(numbersOf(plain.run.network.weights));
    expect(run.certificate.passed).toBe(true);
  });

  test("with lookahead goes on from the average, and ends with it", async () => {
    const plain = await trained({});
    const { run, epochs } = await trained({ averageWeights: { ...averageWeights, kind: "lookahead" } });
    // The average starts as the weights after the first update, so both runs are the same for two epochs.
    expect(numbersOf(epochs[0])).toEqual(numbersOf(plain.epochs[0]));
    expect(numbersOf(epochs[1])).toEqual(numbersOf(moved(plain.epochs[0], plain.epochs[1], decayAfter(2))));
    expect(numbersOf(epochs[2])).not.toEqual(numbersOf(plain.epochs[2]));
    expect(numbersOf(run.network.weights)).toEqual(numbersOf(epochs[3]));
  });

  test("with lookahead that a hook ends between two updates ends with the average", async () => {
    const hook: RunHook = { name: "early", afterStep: (run) => (run.step === 10 ? run.endTraining() : undefined) };
    const folder = join(temporaryFolder(), "run");
    const settings = { ...averageWeights, kind: "lookahead" } as const;
    const run = await train(tinyResnet(), { ...options, averageWeights: settings, hooks: [hook], folder });
    const { optimizer, network } = await readCheckpoint(folder, 10);
    expect(numbersOf(run.network.weights)).toEqual(numbersOf(optimizer.average));
    expect(numbersOf(network.weights)).not.toEqual(numbersOf(optimizer.average));
  });

  test("too short for an update is refused before anything is written", async () => {
    const folder = join(temporaryFolder(), "run");
    const long = { ...averageWeights, every: 25 };
    await expect(train(tinyResnet(), { ...options, averageWeights: long, folder })).rejects.toThrow(
      /24 steps and would never average.*at most 24, got 25/s,
    );
    await expect(listCheckpoints(folder)).rejects.toMatchObject({ code: "missing-file" });
  });
});

describe.each(kinds)("pruning while %s averages", (kind) => {
  // Not a divisor of an epoch's steps, so cuts and breaks fall between updates.
  const averageWeights = { kind, every: 5, decay: 0.9, power: 1 } as const;

  test("is exact: a factor is zero in the exported network where it is in training", async () => {
    const { run, epochs } = await trained({ ...pruned, averageWeights });
    expect(run.after.macs).toBeLessThan(run.before.macs);
    expect(zerosOf(run.network.weights)).toEqual(zerosOf(epochs.at(-1)));
    expect(zerosOf(run.network.weights).flatMap(([, zeros]) => zeros)).toContain(true);
    expect(run.certificate.passed).toBe(true);
    expect(run.after.accuracy).toBe(run.before.accuracy);
  });

  test("goes on bit for bit after breaks", async () => {
    const whole = join(temporaryFolder(), "whole");
    const run = await train(tinyResnet(), { ...pruned, averageWeights, folder: whole });
    const folder = join(temporaryFolder(), "stopped");
    const events: RunEvent[] = [];
    const until = (step: number) => {
      const controller = new AbortController();
      const onEvent = (event: RunEvent): void => {
        events.push(event);
        if (event.step >= step) controller.abort();
      };
      return { signal: controller.signal, onEvent };
    };
    const start = train(tinyResnet(), { ...pruned, averageWeights, folder, ...until(1) });
    await expect(start).rejects.toMatchObject({ code: "interrupted" });
    for (const step of [13, 31]) {
      await expect(resume(folder, { data, ...until(step) })).rejects.toMatchObject({ code: "interrupted" });
    }
    const resumed = await resume(folder, { data, onEvent: (event) => events.push(event) });
    expect(events.map(({ type }) => type)).toContain("network.shrunk");
    expect(numbersOf(resumed.network.weights)).toEqual(numbersOf(run.network.weights));
    expect(numbersOf(resumed.compact.weights)).toEqual(numbersOf(run.compact.weights));
    const [a, b] = await Promise.all([whole, folder].map((path) => readCheckpoint(path, 48)));
    expect(numbersOf(b?.optimizer.average)).toEqual(numbersOf(a?.optimizer.average));
    expect(numbersOf(b?.network.weights)).toEqual(numbersOf(a?.network.weights));
  });

  test("meets a budget", async () => {
    const { select: _, ...others } = pruned;
    const { run } = await trained({ ...others, select: undefined, budget: "60%", averageWeights });
    expect(run.after.macs).toBeLessThan(0.75 * run.before.macs);
    expect(run.certificate.passed).toBe(true);
  });
});

describe.each(engineNames.flatMap((engine) => (["f32", "bf16"] as const).map((precision) => ({ engine, precision }))))(
  "$engine in $precision",
  ({ engine, precision }) => {
    test.each(kinds)("averages by %s, in parts of a batch too", async (kind) => {
      if (!(await isInstalled(engine)) || (engine === "reference" && precision === "bf16")) return;
      const averageWeights = { kind, every: 6, decay: 0.9, power: 1 } as const;
      const { run, epochs } = await trained({ ...pruned, engine, precision, accumulate: 2, averageWeights, epochs: 6 });
      expect(zerosOf(run.network.weights)).toEqual(zerosOf(epochs.at(-1)));
      expect(run.certificate.passed).toBe(true);
      const same = numbersOf(run.network.weights).get("classifier.weights");
      const live = numbersOf(epochs.at(-1)).get("classifier.weights");
      if (kind === "lookahead") expect(same).toEqual(live);
      else expect(same).not.toEqual(live);
    });
  },
);
