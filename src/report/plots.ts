/**
 * The curves of a run as data. The report and the dashboard draw them, each in its own way.
 */
import type { BudgetProgress, StructureKind } from "../training/events/events.ts";
import { formatPercent, formatQuantity, formatSmall } from "./format.ts";
import { type EpochOfRanks, exposedPercent, slowPercent } from "./ranks.ts";

/** (epoch, value). */
export type Point = readonly [number, number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** One of the four line styles of the style sheet, each with its own colour and dashes. */
  readonly style: 1 | 2 | 3 | 4;
  /** Whether each point has a dot: for values of epochs, which are few, not for those of steps. */
  readonly dots?: boolean;
  /** Whether the curve is constant between points. */
  readonly stepped?: boolean;
}

/** The data of the curves. Costs and structures are percents of the full network's. */
export interface Progress {
  /** Epochs of the whole run, including those not trained yet. */
  readonly epochs: number;
  readonly test: readonly Point[];
  readonly train: readonly Point[];
  readonly macs: readonly Point[];
  /** What is left of the cost that the budget counts. */
  readonly budgeted: readonly Point[];
  readonly budget: Pick<BudgetProgress, "of" | "share"> | undefined;
  readonly loss: readonly Point[];
  readonly learningRate: readonly Point[];
  readonly speed: readonly Point[];
  /** For each kind of structure: percentage alive, and γ. */
  readonly kinds: readonly {
    readonly kind: StructureKind;
    readonly alive: readonly Point[];
    readonly gamma: readonly Point[];
  }[];
  /** With several ranks: share of the time in which they only waited; empty with one. */
  readonly waiting: { readonly sums: readonly Point[]; readonly slowest: readonly Point[] };
}

export interface Plot {
  readonly title: string;
  readonly series: readonly Series[];
  /** Values that the axis always includes. */
  readonly include: readonly [number, number];
  readonly format: (value: number) => string;
  /** Unit after the numbers on the axis. */
  readonly unit?: string;
}

const STYLES = [1, 2, 3, 4] as const;
const percent = { format: formatPercent, unit: " %" } as const;

/** The cost left, and the budget. */
function costPlot({ macs, budgeted, budget, epochs }: Progress): Plot {
  const other = budget === undefined || budget.of === "macs" ? undefined : budget.of;
  const target = budget === undefined ? undefined : 100 * budget.share;
  return {
    title: "Cost left",
    series: [
      { name: "MACs", style: 1, points: macs },
      ...(other === undefined
        ? []
        : [
            {
              name: other === "latency" ? "predicted latency" : other,
              style: 3,
              points: budgeted,
            } satisfies Series,
          ]),
      ...(target === undefined
        ? []
        : [
            {
              name: other === undefined ? "budget" : `budget of ${other}`,
              style: 2,
              points: [
                [0, target],
                [epochs, target],
              ],
            } satisfies Series,
          ]),
    ],
    include: [0, 100],
    ...percent,
  };
}

export function waitingOf(epochs: readonly EpochOfRanks[]): Progress["waiting"] {
  const byEpochs = (of: (epoch: EpochOfRanks) => number): readonly Point[] =>
    epochs.map((epoch): Point => [epoch.epoch, of(epoch)]);
  return { sums: byEpochs(exposedPercent), slowest: byEpochs(slowPercent) };
}

/** Waiting times of several ranks. */
function waitingPlots({ waiting: { sums, slowest } }: Progress): readonly Plot[] {
  if (sums.length === 0) return [];
  return [
    {
      title: "Time that ranks wait",
      series: [
        { name: "for sums", style: 1, points: sums, dots: true },
        { name: "for the slowest rank", style: 2, points: slowest, dots: true },
      ],
      include: [0, 5],
      ...percent,
    },
  ];
}

/** All curves of a run that have data (for example, no γ without factors). */
export function plotsOf(progress: Progress): readonly Plot[] {
  const { test, train, loss, learningRate, speed, kinds } = progress;
  const one = (name: string, points: readonly Point[]): readonly Series[] => [{ name, style: 1, points }];
  const ofKinds = (key: "alive" | "gamma", dots: boolean): readonly Series[] =>
    kinds.map((each, index) => ({
      name: `${each.kind}s`,
      style: STYLES[index] ?? 1,
      points: each[key],
      ...(dots ? { dots } : {}),
    }));
  const structures: readonly Plot[] =
    kinds.length === 0
      ? []
      : [
          { title: "Structures alive", series: ofKinds("alive", true), include: [0, 100], ...percent },
          { title: "Sparsity strength γ", series: ofKinds("gamma", false), include: [0, 0], format: formatSmall },
        ];
  return [
    {
      title: "Accuracy",
      series: [
        { name: "test", style: 1, points: test, dots: true },
        { name: "training batches", style: 2, points: train, dots: true },
      ],
      include: [100, 100],
      ...percent,
    },
    costPlot(progress),
    ...structures,
    { title: "Loss", series: one("mean of the epoch so far", loss), include: [0, 0], format: formatSmall },
    { title: "Learning rate", series: one("η", learningRate), include: [0, 0], format: formatSmall },
    { title: "Speed", series: one("images/s", speed), include: [0, 0], format: formatQuantity },
    ...waitingPlots(progress),
  ];
}

/** Lowest and highest value of `include` and the finite `values`. If all are equal, the range is widened. */
export function rangeOf(include: readonly [number, number], values: Iterable<number | null>): [number, number] {
  let [low, high] = include;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high > low) return [low, high];
  // Widen downwards: values of 100 % cannot be higher.
  return high > 0 ? [0.9 * high, high] : [low, low + 1];
}
