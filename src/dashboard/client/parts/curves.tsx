/** The curves of a run, or of two over each other, with one control over the stretch that all of them show. */
import { useState } from "preact/hooks";
import { formatPercent, formatQuantity, formatSmall, percentOf } from "../../../report/format.ts";
import { exposedPercent, slowPercent } from "../../../report/ranks.ts";
import type { CurveKey } from "../../curve.ts";
import { type Digest, structureCount } from "../../digest.ts";
import { Chart, type ChartProps, type ChartSeries, type Stretch } from "./chart.tsx";

const STYLES = [1, 2, 3, 4] as const;
const kinds = [
  ["neuron", "gammaNeuron", "neurons"],
  ["group", "gammaGroup", "groups"],
  ["block", "gammaBlock", "blocks"],
  ["stream", "gammaStream", "streams"],
] as const;

type Plot = Pick<ChartProps, "title" | "x" | "series" | "format" | "include">;

const stepsPerEpoch = ({ started }: Digest): number => Math.max(1, started?.stepsPerEpoch ?? 1);

function bySteps(digest: Digest, key: CurveKey, change = (value: number): number => value): readonly number[] {
  return digest.curve.columns[key].map(change);
}

function stepAxis(digest: Digest): readonly number[] {
  const steps = stepsPerEpoch(digest);
  return digest.curve.step.map((step) => step / steps);
}

/** γ of the kinds that the run has, or undefined for one without. */
function gammaPlot(digest: Digest): Plot | undefined {
  const own = kinds.filter(([kind]) => digest.started?.factors.some((factor) => factor.kind === kind));
  if (own.length === 0) return undefined;
  return {
    title: "Sparsity strength γ",
    x: stepAxis(digest),
    series: own.map(([, key, name], index) => ({ name, style: STYLES[index] ?? 1, values: bySteps(digest, key) })),
    format: formatSmall,
    include: [0, 0],
  };
}

/** What of their time several ranks only waited, by epoch; undefined for one. */
function ranksPlot({ communications }: Digest): Plot | undefined {
  if (communications.length === 0) return undefined;
  return {
    title: "Waiting of the ranks",
    x: communications.map(({ epoch }) => epoch),
    series: [
      { name: "for sums", style: 1, values: communications.map(exposedPercent), dots: true },
      { name: "for the slowest rank", style: 2, values: communications.map(slowPercent), dots: true },
    ],
    format: formatPercent,
    include: [0, 5],
  };
}

/** Values of several runs on one axis: each is null where only others have a point. */
function joined(
  parts: readonly { readonly name: string; readonly x: readonly number[]; readonly values: readonly number[] }[],
): {
  x: number[];
  series: ChartSeries[];
} {
  const x = [...new Set(parts.flatMap((part) => part.x))].sort((a, b) => a - b);
  return {
    x,
    series: parts.map((part, index) => {
      const at = new Map(part.x.map((place, point) => [place, part.values[point] ?? null] as const));
      return { name: part.name, style: STYLES[index] ?? 1, values: x.map((place) => at.get(place) ?? null) };
    }),
  };
}

const byEpoch = ({ epochs }: Digest, key: "testAccuracy" | "trainAccuracy"): number[] =>
  epochs.map((epoch) => epoch[key]);
const costLeft = (digest: Digest): readonly number[] =>
  bySteps(digest, "macs", (macs) => percentOf(macs, digest.started?.cost.macs ?? macs));
const aliveLeft = (digest: Digest): readonly number[] =>
  bySteps(digest, "alive", (alive) => percentOf(alive, structureCount(digest)));

function plotsOf(digest: Digest): readonly (Plot | undefined)[] {
  const x = stepAxis(digest);
  const epochs = digest.epochs.map(({ epoch }) => epoch);
  const one = (name: string, values: readonly number[]): readonly ChartSeries[] => [{ name, style: 1, values }];
  return [
    {
      title: "Accuracy",
      x: epochs,
      series: [
        { name: "test", style: 1, values: byEpoch(digest, "testAccuracy"), dots: true },
        { name: "training batches", style: 2, values: byEpoch(digest, "trainAccuracy"), dots: true },
      ],
      format: formatPercent,
      include: [100, 100],
    },
    {
      title: "MACs left if cut then",
      x,
      series: one("of the whole network", costLeft(digest)),
      format: formatPercent,
      include: [0, 100],
    },
    structureCount(digest) === 0
      ? undefined
      : {
          title: "Structures alive",
          x,
          series: one("of all", aliveLeft(digest)),
          format: formatPercent,
          include: [0, 100],
        },
    {
      title: "Loss",
      x,
      series: one("mean of the epoch so far", bySteps(digest, "loss")),
      format: formatSmall,
      include: [0, 0],
    },
    {
      title: "Learning rate",
      x,
      series: one("η", bySteps(digest, "learningRate")),
      format: formatSmall,
      include: [0, 0],
    },
    gammaPlot(digest),
    {
      title: "Speed",
      x,
      series: one("images/s", bySteps(digest, "imagesPerSecond")),
      format: formatQuantity,
      include: [0, 0],
    },
    ranksPlot(digest),
  ];
}

function comparedPlots(runs: readonly Named[]): readonly Plot[] {
  const bySamples = (values: (digest: Digest) => readonly number[]) =>
    joined(runs.map(({ name, digest }) => ({ name, x: stepAxis(digest), values: values(digest) })));
  const accuracy = joined(
    runs.map(({ name, digest }) => ({
      name,
      x: digest.epochs.map(({ epoch }) => epoch),
      values: byEpoch(digest, "testAccuracy"),
    })),
  );
  return [
    {
      title: "Test accuracy",
      x: accuracy.x,
      series: accuracy.series.map((series) => ({ ...series, dots: true })),
      format: formatPercent,
      include: [100, 100],
    },
    { title: "MACs left if cut then", ...bySamples(costLeft), format: formatPercent, include: [0, 100] },
    { title: "Structures alive", ...bySamples(aliveLeft), format: formatPercent, include: [0, 100] },
    { title: "Loss", ...bySamples((digest) => bySteps(digest, "loss")), format: formatSmall, include: [0, 0] },
    {
      title: "Learning rate",
      ...bySamples((digest) => bySteps(digest, "learningRate")),
      format: formatSmall,
      include: [0, 0],
    },
    {
      title: "Speed, images/s",
      ...bySamples((digest) => bySteps(digest, "imagesPerSecond")),
      format: formatQuantity,
      include: [0, 0],
    },
  ];
}

export interface Named {
  readonly name: string;
  readonly digest: Digest;
}

/** `mark`: an epoch to be pointed out. */
export function Curves({ runs, mark }: { readonly runs: readonly Named[]; readonly mark?: number }) {
  const end = Math.max(1, ...runs.map(({ digest }) => digest.started?.epochs ?? 1));
  const [stretch, setStretch] = useState<Stretch>();
  const [first] = runs;
  if (first === undefined) return null;
  const plots = runs.length === 1 ? plotsOf(first.digest) : comparedPlots(runs);
  const { from, to } = stretch ?? { from: 0, to: end };
  const least = end / 200;
  const slide = (part: Partial<Stretch>): void => {
    const next = { from, to, ...part };
    if (next.to - next.from >= least) setStretch(next);
  };
  return (
    <>
      <div class="zoom">
        <label>
          from epoch
          <input
            type="range"
            min="0"
            max={end}
            step="any"
            value={from}
            onInput={(event) => slide({ from: event.currentTarget.valueAsNumber })}
          />
        </label>
        <label>
          to
          <input
            type="range"
            min="0"
            max={end}
            step="any"
            value={to}
            onInput={(event) => slide({ to: event.currentTarget.valueAsNumber })}
          />
        </label>
        <button type="button" disabled={stretch === undefined} onClick={() => setStretch(undefined)}>
          whole run
        </button>
        <span class="soft">or drag over a chart</span>
      </div>
      <div class="charts">
        {plots.map(
          (plot) =>
            plot !== undefined && (
              <Chart
                key={plot.title}
                {...plot}
                stretch={{ from, to }}
                onStretch={setStretch}
                {...(mark === undefined ? {} : { mark })}
              />
            ),
        )}
      </div>
    </>
  );
}
