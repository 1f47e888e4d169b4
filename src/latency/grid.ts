/** Makes the grids of a latency table from measurements of layers at some widths. */
import type { LayerTimes } from "./table.ts";

/** One measurement of a layer. */
export interface LayerSample {
  readonly key: string;
  readonly outputs: number;
  readonly inputs: number;
  readonly milliseconds: number;
}

/**
 * By layer, the median time at each pair of its widths. Pairs that were not measured follow from those that were. A
 * layer never gets slower with fewer channels: such differences between measurements are noise. `block`: the channels
 * that the runtime computes at once.
 */
export function gridTimes(samples: readonly LayerSample[], block = 1): readonly LayerTimes[] {
  const byLayer = grouped(samples, ({ key }) => key);
  return [...byLayer].map(([layer, own]) => {
    const outputs = ascending(own.map((sample) => sample.outputs));
    const inputs = ascending(own.map((sample) => sample.inputs));
    const cells = [...grouped(own, (sample) => `${sample.outputs} ${sample.inputs}`).values()].map((cell) => ({
      ...cell[0],
      milliseconds: median(cell.map(({ milliseconds }) => milliseconds)),
    }));
    const rows = outputs.map((output) => inputs.map((input) => timeAt(cells, output, input)));
    const times = { layer, outputs, inputs, milliseconds: monotone(rows) };
    return layer.startsWith("convolution") && block > 1 ? withRemainders(times, block) : times;
  });
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
  const distance = (cell: LayerSample): number =>
    Math.abs(Math.log(cell.outputs / output)) + Math.abs(Math.log(cell.inputs / input));
  const nearest = cells.reduce((best, cell) => (distance(cell) < distance(best) ? cell : best));
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

/**
 * The least squares fit of a + b·outputs + c·inputs + d·outputs·inputs, of relative errors: a is a node's fixed time, b
 * and c read and write channels, d multiplies.
 */
function expectation(cells: readonly LayerSample[]): (outputs: number, inputs: number) => number {
  const terms = (outputs: number, inputs: number): readonly number[] => [1, outputs, inputs, outputs * inputs];
  const matrix = Array.from({ length: 4 }, () => Array<number>(5).fill(0));
  for (const { outputs, inputs, milliseconds } of cells) {
    const own = terms(outputs, inputs);
    const weight = 1 / Math.max(milliseconds, 1e-4) ** 2;
    for (const [i, row] of matrix.entries()) {
      for (let j = 0; j < 4; j++) row[j] = (row[j] ?? 0) + weight * (own[i] ?? 0) * (own[j] ?? 0);
      row[4] = (row[4] ?? 0) + weight * (own[i] ?? 0) * milliseconds;
    }
  }
  // Few measurements leave the solution open; this picks a small one.
  for (const [i, row] of matrix.entries()) row[i] = (row[i] ?? 0) * (1 + 1e-6) + 1e-12;
  const solution = solve(matrix);
  return (outputs, inputs) =>
    terms(outputs, inputs).reduce((sum, term, index) => sum + term * (solution[index] ?? 0), 0);
}

/** Gaussian elimination with pivots; each row ends with its right side. */
function solve(matrix: number[][]): readonly number[] {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    const pivot = matrix.reduce(
      (best, row, index) =>
        index >= column && Math.abs(row[column] ?? 0) > Math.abs(matrix[best]?.[column] ?? 0) ? index : best,
      column,
    );
    const [upper, lower] = [matrix[column] ?? [], matrix[pivot] ?? []];
    [matrix[column], matrix[pivot]] = [lower, upper];
    const own = matrix[column] ?? [];
    for (const [index, row] of matrix.entries()) {
      if (index === column) continue;
      const factor = (row[column] ?? 0) / (own[column] || 1);
      for (let at = column; at <= size; at++) row[at] = (row[at] ?? 0) - factor * (own[at] ?? 0);
    }
  }
  return matrix.map((row, index) => (row[size] ?? 0) / (row[index] || 1));
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
