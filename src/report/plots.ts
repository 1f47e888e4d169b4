/**
 * The curves of a run as data: which there are, and what each of them shows. The report and the page draw them, each in
 * its own way.
 */
import type { BudgetStanding, StructureKind } from "../training/events.ts";
import { formatPercent, formatQuantity, formatSmall } from "./format.ts";
import { type EpochOfRanks, exposedPercent, slowPercent } from "./ranks.ts";

/** (epoch, value). */
export type Point = readonly [number, number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Which of the page's four line styles: each has its own colour and its own dashes. */
  readonly style: 1 | 2 | 3 | 4;
  /** A dot on each point: for the few values of epochs, not for those of steps. */
  readonly dots?: boolean;
  /** Constant between points instead of a slope. */
  readonly stepped?: boolean;
}

/** Costs and structures in percent of the whole. */
export interface Progress {
  /** Of the whole run, trained or not. */
  readonly epochs: number;
  readonly test: readonly Point[];
  readonly train: readonly Point[];
  readonly macs: readonly Point[];
  /** Of the parameters, where the budget counts those. */
  readonly parameters: readonly Point[];
  readonly budget: Pick<BudgetStanding, "of" | "share"> | undefined;
  readonly loss: readonly Point[];
  readonly learningRate: readonly Point[];
  readonly speed: readonly Point[];
  /** A kind that the run has, with what is alive of it and its γ. */
  readonly kinds: readonly {
    readonly kind: StructureKind;
    readonly alive: readonly Point[];
    readonly gamma: readonly Point[];
  }[];
  /** Of several ranks, what of their time they only waited; empty for one. */
  readonly waiting: { readonly sums: readonly Point[]; readonly slowest: readonly Point[] };
}

export interface Plot {
  readonly title: string;
  readonly series: readonly Series[];
  /** Values that are always in view. */
  readonly include: readonly [number, number];
  readonly format: (value: number) => string;
  /** Follows the numbers on the axis. */
  readonly unit?: string;
}

const STYLES = [1, 2, 3, 4] as const;
const percent = { format: formatPercent, unit: " %" } as const;

/** What is left against what is to be left. */
function costPlot({ macs, parameters, budget, epochs }: Progress): Plot {
  const ofParameters = budget?.of === "parameters";
  const target = budget === undefined ? undefined : 100 * budget.share;
  return {
    title: "Cost left if cut then",
    series: [
      { name: "MACs", style: 1, points: macs },
      ...(ofParameters ? [{ name: "parameters", style: 3, points: parameters } satisfies Series] : []),
      ...(target === undefined
        ? []
        : [
            {
              name: ofParameters ? "budget of parameters" : "budget",
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

/** What of their time several ranks only waited. */
function waitingPlots({ waiting: { sums, slowest } }: Progress): readonly Plot[] {
  if (sums.length === 0) return [];
  return [
    {
      title: "Waiting of the ranks",
      series: [
        { name: "for sums", style: 1, points: sums, dots: true },
        { name: "for the slowest rank", style: 2, points: slowest, dots: true },
      ],
      include: [0, 5],
      ...percent,
    },
  ];
}

/** All curves of a run; those that have nothing to show (no factors, one rank) are left out. */
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

/** Lowest and highest value to show: `include` and every finite one of `values`. Values that are all alike get room. */
export function rangeOf(include: readonly [number, number], values: Iterable<number | null>): [number, number] {
  let [low, high] = include;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high > low) return [low, high];
  // What is all at 100 % cannot be above it.
  return high > 0 ? [0.9 * high, high] : [low, low + 1];
}
