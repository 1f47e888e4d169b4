/** Prepares the data of a run's curves from its digest. */
import { percentOf } from "../../report/format.ts";
import { type Plot, type Point, type Progress, plotsOf, waitingOf } from "../../report/plots.ts";
import type { CurveKey } from "../curve.ts";
import type { Digest, Gammas } from "../run-summary.ts";

const kinds = {
  neuron: "gammaNeuron",
  group: "gammaGroup",
  block: "gammaBlock",
  stream: "gammaStream",
} as const satisfies Readonly<Record<keyof Gammas, CurveKey>>;

/** The percentage of structures of `kind` that are alive at the start and after each epoch. */
function aliveOf({ started, epochs }: Digest, kind: keyof Gammas): readonly Point[] {
  const factors = started?.factors ?? [];
  const count = factors.reduce((sum, factor) => sum + (factor.kind === kind ? factor.count : 0), 0);
  const points = epochs.map(({ epoch, alive }): Point => {
    const own = alive.reduce((sum, one, index) => sum + (factors[index]?.kind === kind ? one : 0), 0);
    return [epoch, percentOf(own, count)];
  });
  return [[0, 100], ...points];
}

export function progressOf(digest: Digest): Progress {
  const { started, epochs, curve, budget } = digest;
  const stepsPerEpoch = Math.max(1, started?.stepsPerEpoch ?? 1);
  const bySteps = (key: CurveKey, change = (value: number): number => value): readonly Point[] =>
    curve.step.map((step, index): Point => [step / stepsPerEpoch, change(curve.columns[key][index] ?? 0)]);
  const whole = started?.cost.macs ?? 0;
  return {
    epochs: started?.epochs ?? 1,
    test: epochs.map(({ epoch, testAccuracy }): Point => [epoch, testAccuracy]),
    train: epochs.map(({ epoch, trainAccuracy }): Point => [epoch, trainAccuracy]),
    macs: bySteps("macs", (macs) => percentOf(macs, whole)),
    budgeted: bySteps("left", (left) => 100 * left),
    budget: budget ?? undefined,
    loss: bySteps("loss"),
    learningRate: bySteps("learningRate"),
    speed: bySteps("imagesPerSecond"),
    kinds: (Object.keys(kinds) as (keyof Gammas)[])
      .filter((kind) => started?.factors.some((factor) => factor.kind === kind))
      .map((kind) => ({ kind, alive: aliveOf(digest, kind), gamma: bySteps(kinds[kind]) })),
    waiting: waitingOf(digest.communications),
  };
}

const STYLES = [1, 2, 3, 4] as const;

/** Plots that compare runs: each has the first curve of that plot for every run. */
export function comparedPlots(runs: readonly { readonly name: string; readonly digest: Digest }[]): readonly Plot[] {
  const all = runs.map(({ name, digest }) => ({ name, plots: plotsOf(progressOf(digest)) }));
  const titles = [...new Set(all.flatMap(({ plots }) => plots.map(({ title }) => title)))];
  return titles.flatMap((title): Plot[] => {
    const own = all.map(({ name, plots }) => ({ name, plot: plots.find((one) => one.title === title) }));
    const model = own.find(({ plot }) => plot !== undefined)?.plot;
    if (model === undefined) return [];
    const [{ name: shown } = { name: "" }] = model.series;
    const series = own.flatMap(({ name, plot }, index) => {
      const [first] = plot?.series ?? [];
      return first === undefined ? [] : [{ ...first, name, style: STYLES[index] ?? 1 }];
    });
    return [{ ...model, title: model.series.length > 1 ? `${title}: ${shown}` : title, series }];
  });
}

export function plotsOfRun(digest: Digest): readonly Plot[] {
  return plotsOf(progressOf(digest));
}
