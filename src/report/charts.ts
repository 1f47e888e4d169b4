/** The curves of a run: what is shown of a history, each over the epochs. */
import type { StructureKind } from "../training/events.ts";
import { lineChart, type Point, type Series } from "./chart.ts";
import { formatPercent, formatQuantity, formatSmall, percentOf } from "./format.ts";
import type { History } from "./history.ts";
import { exposedPercent, slowPercent } from "./ranks.ts";
import type { Markup } from "./svg.ts";

const STYLES = [1, 2, 3, 4] as const;
/** More points than a curve 300 pixels wide can show only make the file longer. */
const MOST_POINTS = 400;

function thinned(points: readonly Point[]): readonly Point[] {
  const every = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

const kinds: readonly StructureKind[] = ["neuron", "group", "block", "stream"];

/** Of each kind of structure the run has, the percentage alive at the end of each epoch; all at the start. */
function aliveSeries({ started, epochs }: History): Series[] {
  return kinds
    .filter((kind) => started.factors.some((factor) => factor.kind === kind))
    .map((kind, index) => {
      const points = epochs.map(({ epoch, layers }): Point => {
        const own = layers.filter((layer) => layer.kind === kind);
        const sum = (key: "alive" | "count"): number => own.reduce((total, layer) => total + layer[key], 0);
        return [epoch, percentOf(sum("alive"), sum("count"))];
      });
      return { name: `${kind}s`, style: STYLES[index] ?? 1, points: [[0, 100], ...points], dots: true };
    });
}

/** γ of each kind while a budget steers it. */
function gammaSeries({ started, budgets }: History): Series[] {
  const stepsPerEpoch = Math.max(1, started.stepsPerEpoch);
  return kinds
    .filter((kind) => budgets.some(({ gamma }) => (gamma[kind] ?? 0) > 0))
    .map((kind, index) => {
      const points = budgets.map(({ step, gamma }): Point => [step / stepsPerEpoch, gamma[kind] ?? 0]);
      return { name: `${kind}s`, style: STYLES[index] ?? 1, points: thinned(points), stepped: true };
    });
}

/** What a budget of MACs is to leave, as a line through the whole run. */
function askedSeries({ started, budgets }: History): Series[] {
  const budget = budgets.at(-1);
  if (budget?.of !== "macs") return [];
  const share = 100 * budget.share;
  return [
    {
      name: "asked for",
      style: 2,
      points: [
        [0, share],
        [started.epochs, share],
      ],
    },
  ];
}

/** Charts of a run; those that have nothing to show (no factors, no epoch yet) are left out. */
export function chartsOf(history: History): Markup[] {
  const { started, epochs, steps } = history;
  const stepsPerEpoch = Math.max(1, started.stepsPerEpoch);
  const bySteps = (value: (step: History["steps"][number]) => number): readonly Point[] =>
    thinned(steps.map((step): Point => [step.step / stepsPerEpoch, value(step)]));
  const byEpochs = (value: (epoch: History["epochs"][number]) => number): readonly Point[] =>
    epochs.map((epoch): Point => [epoch.epoch, value(epoch)]);

  const lastEpoch = epochs.at(-1);
  const macs: Point[] = [
    [0, 100],
    ...bySteps(({ macs: left }) => percentOf(left, started.cost.macs)),
    ...(lastEpoch === undefined
      ? []
      : [[lastEpoch.epoch, percentOf(lastEpoch.cost.macs, started.cost.macs)] satisfies Point]),
  ];
  const alive = aliveSeries(history);
  const gammas = gammaSeries(history);
  const common = { epochs: started.epochs };
  const charts = [
    lineChart({
      ...common,
      title: "Accuracy",
      series: [
        { name: "test", style: 1, points: byEpochs((epoch) => epoch.testAccuracy), dots: true },
        { name: "training batches", style: 2, points: byEpochs((epoch) => epoch.trainAccuracy), dots: true },
      ],
      include: [100, 100],
      format: formatPercent,
      unit: " %",
    }),
    lineChart({
      ...common,
      title: "MACs left if cut then",
      series: [{ name: "of the whole network", style: 1, points: macs }, ...askedSeries(history)],
      include: [0, 100],
      format: formatPercent,
      unit: " %",
    }),
    lineChart({
      ...common,
      title: "Structures alive",
      series: alive,
      include: [0, 100],
      format: formatPercent,
      unit: " %",
    }),
    ...(gammas.length === 0
      ? []
      : [
          lineChart({
            ...common,
            title: "Sparsity strength γ",
            series: gammas,
            include: [0, 0],
            format: formatSmall,
          }),
        ]),
    lineChart({
      ...common,
      title: "Loss",
      series: [{ name: "mean of the epoch so far", style: 1, points: bySteps(({ loss }) => loss) }],
      include: [0, 0],
      format: formatSmall,
    }),
    lineChart({
      ...common,
      title: "Learning rate",
      series: [{ name: "η", style: 1, points: bySteps(({ learningRate }) => learningRate) }],
      include: [0, 0],
      format: formatSmall,
    }),
    lineChart({
      ...common,
      title: "Speed",
      series: [{ name: "images/s", style: 1, points: bySteps(({ imagesPerSecond }) => imagesPerSecond) }],
      include: [0, 0],
      format: formatQuantity,
    }),
  ];
  const shown = alive.length > 0 ? charts : charts.toSpliced(2, 1);
  return history.communications.length === 0 ? shown : [...shown, ranksChart(history)];
}

/** Of several ranks: what of the time they only waited, by epoch. */
function ranksChart({ started, communications }: History): Markup {
  const byEpochs = (of: (epoch: History["communications"][number]) => number): readonly Point[] =>
    communications.map((epoch): Point => [epoch.epoch, of(epoch)]);
  return lineChart({
    epochs: started.epochs,
    title: "Waiting of the ranks",
    series: [
      { name: "for sums", style: 1, points: byEpochs(exposedPercent), dots: true },
      { name: "for the slowest rank", style: 2, points: byEpochs(slowPercent), dots: true },
    ],
    include: [0, 5],
    format: formatPercent,
    unit: " %",
  });
}
