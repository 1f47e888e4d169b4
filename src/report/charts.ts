/** The charts of a run in its report. */
import type { StructureKind } from "../training/events/events.ts";
import { lineChart } from "./chart.ts";
import { percentOf } from "./format.ts";
import type { History } from "./history.ts";
import { type Point, type Progress, plotsOf, waitingOf } from "./plots.ts";
import type { Markup } from "./svg.ts";

/** A curve 300 pixels wide cannot show more points than this. */
const MOST_POINTS = 400;

function thinned(points: readonly Point[]): readonly Point[] {
  const every = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

const allKinds: readonly StructureKind[] = ["neuron", "group", "block", "stream"];

/** γ of a kind over the epochs: as reported with a budget, or else the settings' γ from `gammaAfter` on. */
function gammaOf({ started, budgets, epochs }: History, kind: StructureKind): readonly Point[] {
  const stepsPerEpoch = Math.max(1, started.stepsPerEpoch);
  if (budgets.length > 0) {
    return thinned(budgets.map(({ step, gamma }): Point => [step / stepsPerEpoch, gamma[kind] ?? 0]));
  }
  const own = started.factors.filter((factor) => factor.kind === kind);
  const mean = own.reduce((sum, { gamma }) => sum + gamma, 0) / Math.max(1, own.length);
  const last = epochs.at(-1)?.epoch ?? 0;
  const { gammaAfter } = started.options;
  const begin = typeof gammaAfter === "number" ? Math.min(gammaAfter, last) : 0;
  const before: readonly Point[] =
    begin === 0
      ? []
      : [
          [0, 0],
          [begin, 0],
        ];
  return [...before, [begin, mean], [last, mean]];
}

/** For each kind of structure: percentage alive at the end of each epoch, from 100 % at the start, and γ. */
function kindsOf(history: History): Progress["kinds"] {
  const { started, epochs } = history;
  return allKinds
    .filter((kind) => started.factors.some((factor) => factor.kind === kind))
    .map((kind) => {
      const points = epochs.map(({ epoch, layers }): Point => {
        const own = layers.filter((layer) => layer.kind === kind);
        const sum = (key: "alive" | "count"): number => own.reduce((total, layer) => total + layer[key], 0);
        return [epoch, percentOf(sum("alive"), sum("count"))];
      });
      return { kind, alive: [[0, 100], ...points], gamma: gammaOf(history, kind) };
    });
}

function progressOf(history: History): Progress {
  const { started, epochs, steps, budgets, communications } = history;
  const stepsPerEpoch = Math.max(1, started.stepsPerEpoch);
  const bySteps = (value: (step: History["steps"][number]) => number): readonly Point[] =>
    thinned(steps.map((step): Point => [step.step / stepsPerEpoch, value(step)]));
  const byEpochs = (value: (epoch: History["epochs"][number]) => number): readonly Point[] =>
    epochs.map((epoch): Point => [epoch.epoch, value(epoch)]);
  const lastEpoch = epochs.at(-1);
  return {
    epochs: started.epochs,
    test: byEpochs(({ testAccuracy }) => testAccuracy),
    train: byEpochs(({ trainAccuracy }) => trainAccuracy),
    macs: [
      [0, 100],
      ...bySteps(({ macs }) => percentOf(macs, started.cost.macs)),
      ...(lastEpoch === undefined
        ? []
        : [[lastEpoch.epoch, percentOf(lastEpoch.cost.macs, started.cost.macs)] satisfies Point]),
    ],
    budgeted: thinned(budgets.map(({ step, left }): Point => [step / stepsPerEpoch, 100 * left])),
    budget: budgets.at(-1),
    loss: bySteps(({ loss }) => loss),
    learningRate: bySteps(({ learningRate }) => learningRate),
    speed: bySteps(({ imagesPerSecond }) => imagesPerSecond),
    kinds: kindsOf(history),
    waiting: waitingOf(communications),
  };
}

/** All charts of a run that have data. */
export function chartsOf(history: History): Markup[] {
  return plotsOf(progressOf(history)).map((plot) => lineChart({ ...plot, epochs: history.started.epochs }));
}
