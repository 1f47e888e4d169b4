/** Makes the grids of a latency table from measurements of layers at some widths. */
import { type Blocks, isAligned } from "./alignment.ts";
import { expectation, type WidthTime } from "./expectation.ts";
import type { LayerTimes, TimeGrid } from "./table.ts";

/**
 * What a measurement counts for. "grid": the grid. "even": the grid too, and instead of others at the same widths,
 * because all layers of its network were as thin. "unaligned": only widths that the fast kernels do not compute.
 */
export type SampleUse = "grid" | "even" | "unaligned";

/** One measurement of a layer. */
export interface LayerSample extends WidthTime {
  readonly key: string;
  /** Default "grid". */
  readonly use?: SampleUse;
}

/**
 * By layer, the time at each pair of its widths. Pairs that were not measured follow from those that were. A layer
 * never gets slower with fewer channels: such differences between measurements are noise. Widths that the fast kernels
 * of the runtime do not compute have a grid of their own. `blocks`: those of the runtime; default: it has none.
 */
export function gridTimes(
  samples: readonly LayerSample[],
  blocks: Blocks = { channelBlock: 1 },
): readonly LayerTimes[] {
  return [...grouped(samples, ({ key }) => key)].map(([layer, all]) => {
    const aligned = all.filter(({ outputs, inputs }) => isAligned(layer, outputs, inputs, blocks));
    const others = all.filter((sample) => !aligned.includes(sample));
    const fast = aligned.filter(({ use }) => use !== "unaligned");
    const known = fast.length > 0 ? [...fast, ...narrower(layer, aligned, blocks)] : all;
    const grid = gridOf(layer, known, blocks.channelBlock);
    return others.length === 0 || fast.length === 0 ? grid : { ...grid, unaligned: unalignedGrid(others) };
  });
}

/**
 * Those of the samples for unaligned widths alone that have fewer blocks of outputs than all others. Thinning
 * alone makes a layer narrow whose outputs are joined with others.
 */
function narrower(layer: string, aligned: readonly LayerSample[], { channelBlock }: Blocks): readonly LayerSample[] {
  if (!layer.startsWith("convolution")) return [];
  const usual = aligned.filter(({ use }) => use !== "unaligned");
  const narrowest = Math.min(...usual.map(({ outputs }) => outputs));
  return aligned
    .filter(({ inputs, use }) => use === "unaligned" && inputs % channelBlock === 0)
    .map((sample) => ({ ...sample, outputs: Math.ceil(sample.outputs / channelBlock) * channelBlock }))
    .filter(({ outputs }) => outputs < narrowest);
}

function gridOf(layer: string, samples: readonly LayerSample[], block: number): LayerTimes {
  const outputs = ascending(samples.map((sample) => sample.outputs));
  const inputs = ascending(samples.map((sample) => sample.inputs));
  const cells = [...grouped(samples, (sample) => `${sample.outputs} ${sample.inputs}`).values()].map((cell) => ({
    ...cell[0],
    milliseconds: timeOf(cell),
  }));
  const rows = outputs.map((output) => inputs.map((input) => timeAt(cells, output, input)));
  const times = { layer, outputs, inputs, milliseconds: monotone(rows) };
  return layer.startsWith("convolution") && block > 1 ? withRemainders(times, block) : times;
}

/**
 * The time of a layer from `samples` at its widths: the mean in even networks, so that the times of all layers add up
 * to the network's; without such samples, the median.
 */
function timeOf(samples: readonly LayerSample[]): number {
  const even = samples.filter(({ use }) => use === "even").map(({ milliseconds }) => milliseconds);
  if (even.length > 0) return even.reduce((sum, value) => sum + value, 0) / even.length;
  return median(samples.map(({ milliseconds }) => milliseconds));
}

/** Widths of a grid of times at widths that are not aligned. Measured ones are many, and their times nearly linear. */
const UNALIGNED_WIDTHS = 8;
/** Measurements whose median counts at a pair of its widths. */
const NEIGHBOURS = 5;

/**
 * Times at some of the widths of `samples`: what all of them let expect, times the median ratio of those nearest by to
 * that.
 */
function unalignedGrid(samples: readonly LayerSample[]): TimeGrid {
  const fitted = expectation(samples);
  // The fit of few and noisy times can fall below zero between them.
  const least = Math.max(Number.EPSILON, Math.min(...samples.map(({ milliseconds }) => milliseconds)) / 2);
  const expected = (output: number, input: number): number => Math.max(least, fitted(output, input));
  const outputs = some(ascending(samples.map((sample) => sample.outputs)));
  const inputs = some(ascending(samples.map((sample) => sample.inputs)));
  const ratios = samples.map((sample) => ({
    sample,
    ratio: sample.milliseconds / expected(sample.outputs, sample.inputs),
  }));
  const at = (output: number, input: number): number => {
    const near = ratios
      .toSorted((a, b) => distance(a.sample, output, input) - distance(b.sample, output, input))
      .slice(0, NEIGHBOURS);
    return expected(output, input) * median(near.map(({ ratio }) => ratio));
  };
  return { outputs, inputs, milliseconds: monotone(outputs.map((output) => inputs.map((input) => at(output, input)))) };
}

/** At most `UNALIGNED_WIDTHS` of `widths`, evenly among them, with the first and the last. */
function some(widths: number[]): number[] {
  const last = widths.length - 1;
  if (last < UNALIGNED_WIDTHS) return widths;
  const step = last / (UNALIGNED_WIDTHS - 1);
  return Array.from({ length: UNALIGNED_WIDTHS }, (_, index) => widths[Math.round(index * step)] ?? 0);
}

function distance(cell: WidthTime, output: number, input: number): number {
  return Math.abs(Math.log(cell.outputs / output)) + Math.abs(Math.log(cell.inputs / input));
}

/** Blocks of output channels that a convolution computes in one pass over its input. */
const BLOCKS = 4;

/**
 * `times` with rows for every number of blocks. A convolution of 4n + r blocks of outputs makes n passes over its input
 * with four blocks, and one with r, which takes nearly as long as with four.
 */
function withRemainders({ layer, outputs, inputs, milliseconds }: LayerTimes, block: number): LayerTimes {
  const widest = outputs.at(-1) ?? 0;
  const rowOf = (width: number): readonly number[] | undefined => milliseconds[outputs.indexOf(width)];
  const group = BLOCKS * block;
  if (widest <= group || [1, 2, 3, BLOCKS].some((blocks) => rowOf(blocks * block) === undefined)) {
    return { layer, outputs, inputs, milliseconds };
  }
  const wholePasses = outputs.filter((width) => width % group === 0 || width === widest);
  const atPasses = (width: number, column: number): number => {
    const above = wholePasses.findIndex((known) => known >= width);
    const [low = 0, high = widest] = above <= 0 ? [0, wholePasses[0]] : [wholePasses[above - 1], wholePasses[above]];
    const [below, over] = [low === 0 ? 0 : (rowOf(low)?.[column] ?? 0), rowOf(high)?.[column] ?? 0];
    return below + ((over - below) * (width - low)) / (high - low);
  };
  const grid = outputs.filter((width) => width < block);
  for (let width = block; width < widest; width += block) grid.push(width);
  grid.push(widest);
  const rows = grid.map((width) => {
    const known = rowOf(width);
    if (known !== undefined) return [...known];
    const rest = width % group;
    return inputs.map((_, column) => {
      if (rest === 0) return atPasses(width, column);
      return atPasses(width - rest, column) + (rowOf(Math.ceil(rest / block) * block)?.[column] ?? 0);
    });
  });
  return { layer, outputs: grid, inputs, milliseconds: monotone(rows) };
}

function grouped(
  samples: readonly LayerSample[],
  nameOf: (sample: LayerSample) => string,
): ReadonlyMap<string, readonly [LayerSample, ...LayerSample[]]> {
  const groups = new Map<string, [LayerSample, ...LayerSample[]]>();
  for (const sample of samples) {
    const name = nameOf(sample);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [sample]);
    else group.push(sample);
  }
  return groups;
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].toSorted((a, b) => a - b);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/** The measured time, or that of the nearest measurement times the ratio that a layer's work and memory let expect. */
function timeAt(cells: readonly LayerSample[], output: number, input: number): number {
  const nearest = cells.reduce((best, cell) =>
    distance(cell, output, input) < distance(best, output, input) ? cell : best,
  );
  if (nearest.outputs === output && nearest.inputs === input) return nearest.milliseconds;
  const between = betweenInputs(cells, output, input);
  if (between !== undefined) return between;
  const expected = expectation(cells);
  const ratio = expected(output, input) / expected(nearest.outputs, nearest.inputs);
  return nearest.milliseconds * (Number.isFinite(ratio) && ratio > 0 ? ratio : 1);
}

/** The time between those of the next inputs on both sides, at the same outputs; undefined without these. */
function betweenInputs(cells: readonly LayerSample[], output: number, input: number): number | undefined {
  const row = cells.filter(({ outputs }) => outputs === output).toSorted((a, b) => a.inputs - b.inputs);
  const low = row.findLast(({ inputs }) => inputs < input);
  const high = row.find(({ inputs }) => inputs > input);
  if (low === undefined || high === undefined) return undefined;
  const share = (input - low.inputs) / (high.inputs - low.inputs);
  return low.milliseconds * (1 - share) + high.milliseconds * share;
}

/** Halfway between the smallest table above `rows` that never falls, and the largest one below. */
function monotone(rows: readonly (readonly number[])[]): number[][] {
  const above = rows.map((row) => [...row]);
  for (const [i, row] of above.entries()) {
    for (const j of row.keys()) row[j] = Math.max(row[j] ?? 0, above[i - 1]?.[j] ?? 0, row[j - 1] ?? 0);
  }
  const below = rows.map((row) => [...row]);
  for (let i = below.length - 1; i >= 0; i--) {
    const row = below[i] ?? [];
    for (let j = row.length - 1; j >= 0; j--) {
      row[j] = Math.min(
        row[j] ?? 0,
        below[i + 1]?.[j] ?? Number.POSITIVE_INFINITY,
        row[j + 1] ?? Number.POSITIVE_INFINITY,
      );
    }
  }
  return above.map((row, i) => row.map((value, j) => (value + (below[i]?.[j] ?? value)) / 2));
}
