/**
 * How well two networks agree: for each output the explained part of the variance, the cosine, the PSNR and the share
 * of equal answers. The sums behind them can be added over the ranks that measure parts of the images.
 */
import { InternalError, required } from "../core/errors.ts";
import type { Normalization, Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import type { GraphOutput } from "../graph/taught-outputs.ts";
import type { Classifier } from "./classifier.ts";

export interface OutputAgreement {
  readonly name: string;
  readonly kind: GraphOutput["kind"];
  /**
   * 1 − Σ(y − t)² / Σ(t − mean)², with a mean for each channel; null if t is constant. Of channels the mean of theirs,
   * in which each number of an image has a mean of its own: that of a box depends on its place.
   */
  readonly explained: number | null;
  /** Mean cosine of the two outputs of an image. */
  readonly cosine: number;
  /** 10·log₁₀(range² / mean of (y − t)²), with the range of t; null if both are equal. */
  readonly psnr: number | null;
  /** Of logits: positions with the same largest class, in percent. */
  readonly sameAnswers?: number;
}

export interface Agreement {
  readonly images: number;
  readonly outputs: readonly OutputAgreement[];
}

/** Smallest and largest value of each of the teacher's outputs; empty where no image was measured. */
type Ranges = readonly (readonly [smallest: number, largest: number])[];

/** Sums of one output, in a list that can be added to another. */
interface Sums {
  readonly rows: number;
  readonly cosines: number;
  readonly same: number;
  /** Σ(y − t)²: of each channel of `channels`, else of all numbers. */
  readonly squares: Float64Array;
  /** Σt and Σt² of whatever has a mean of its own: each number of `channels`, else each channel. */
  readonly sums: Float64Array;
  readonly squared: Float64Array;
}

interface GrowingSums extends Sums {
  rows: number;
  cosines: number;
  same: number;
  largest: number;
  smallest: number;
}

/** Numbers of an output with an error of their own, and with a mean of their own. */
function extents({ kind, channels, columns }: GraphOutput): { readonly errors: number; readonly means: number } {
  return kind === "channels" ? { errors: channels, means: columns } : { errors: 1, means: channels };
}

function channelOf({ channels, columns, hasChannelsLast }: GraphOutput, index: number): number {
  return hasChannelsLast === true ? index % channels : Math.floor(index / (columns / channels));
}

export class AgreementSums {
  readonly #outputs: readonly GraphOutput[];
  readonly #sums: readonly GrowingSums[];

  constructor(outputs: readonly GraphOutput[]) {
    this.#outputs = outputs;
    this.#sums = outputs.map((output) => ({
      ...{ rows: 0, cosines: 0, same: 0 },
      ...{ largest: Number.NEGATIVE_INFINITY, smallest: Number.POSITIVE_INFINITY },
      squares: new Float64Array(extents(output).errors),
      sums: new Float64Array(extents(output).means),
      squared: new Float64Array(extents(output).means),
    }));
  }

  /** Adds the first `count` rows of the outputs `own` and of the teacher's, each a row of all outputs for an image. */
  add(own: Float32Array, taught: Float32Array, count: number): void {
    const width = this.#outputs.reduce((sum, { columns }) => sum + columns, 0);
    for (let row = 0; row < count; row++) {
      let from = row * width;
      for (const [index, output] of this.#outputs.entries()) {
        const end = from + output.columns;
        const sums = this.#sums[index];
        if (sums === undefined) throw new InternalError("an output without sums");
        addRow(sums, output, own.subarray(from, end), taught.subarray(from, end));
        from = end;
      }
    }
  }

  /** Mean of (t − mean)² of output `index`; of channels one for each. */
  variancesOf(index: number): readonly number[] {
    const { sums, output } = this.#at(index);
    const { errors } = extents(output);
    return Array.from(spreads(sums, output), (spread) => spread / Math.max(1, countOf(sums, output) / errors));
  }

  #at(index: number): { readonly sums: GrowingSums; readonly output: GraphOutput } {
    return { sums: required(this.#sums[index], "sums"), output: required(this.#outputs[index], "an output") };
  }

  /** The sums as numbers that may be added to those of other ranks. */
  get numbers(): readonly number[] {
    return this.#sums.flatMap(({ rows, cosines, same, squares, sums, squared }) =>
      [[rows, cosines, same], Array.from(squares), Array.from(sums), Array.from(squared)].flat(),
    );
  }

  get ranges(): Ranges {
    return this.#sums.flatMap(({ rows, smallest, largest }) => (rows === 0 ? [] : [[smallest, largest] as const]));
  }

  /** The agreement by the sum of `numbers` and the `ranges` of all ranks, which default to the own ones. */
  result(numbers: readonly number[] = this.numbers, ranges: readonly Ranges[] = [this.ranges]): Agreement {
    let at = 0;
    const take = (): number => numbers[at++] ?? 0;
    const outputs = this.#outputs.map((output, index): OutputAgreement => {
      const { errors, means } = extents(output);
      const [rows, cosines, same] = [take(), take(), take()];
      const squares = Float64Array.from({ length: errors }, take);
      const sums = Float64Array.from({ length: means }, take);
      const squared = Float64Array.from({ length: means }, take);
      const own = ranges.flatMap((range) => range.slice(index, index + 1));
      const smallest = Math.min(...own.map(([least]) => least));
      const largest = Math.max(...own.map(([, most]) => most));
      return agreementOf(output, { rows, squares, cosines, same, sums, squared }, largest - smallest);
    });
    return { images: numbers[0] ?? 0, outputs };
  }
}

function addRow(sums: GrowingSums, output: GraphOutput, own: Float32Array, taught: Float32Array): void {
  const { channels, columns, kind } = output;
  const positions = columns / channels;
  const hasParts = kind === "channels";
  let [product, ours, theirs] = [0, 0, 0];
  for (let index = 0; index < columns; index++) {
    const [y, t] = [own[index] ?? 0, taught[index] ?? 0];
    const channel = channelOf(output, index);
    const [part, place] = hasParts ? [channel, index] : [0, channel];
    sums.squares[part] = (sums.squares[part] ?? 0) + (y - t) ** 2;
    sums.sums[place] = (sums.sums[place] ?? 0) + t;
    sums.squared[place] = (sums.squared[place] ?? 0) + t * t;
    sums.largest = Math.max(sums.largest, t);
    sums.smallest = Math.min(sums.smallest, t);
    product += y * t;
    ours += y * y;
    theirs += t * t;
  }
  sums.rows++;
  sums.cosines += ours * theirs > 0 ? product / Math.sqrt(ours * theirs) : Number(ours === theirs);
  if (kind !== "logits") return;
  for (let position = 0; position < positions; position++) {
    const same =
      largestClass(own, position, positions, channels) === largestClass(taught, position, positions, channels);
    if (same) sums.same++;
  }
}

function largestClass(values: Float32Array, position: number, positions: number, channels: number): number {
  let best = 0;
  for (let channel = 1; channel < channels; channel++) {
    if ((values[channel * positions + position] ?? 0) > (values[best * positions + position] ?? 0)) best = channel;
  }
  return best;
}

function countOf({ rows }: Pick<Sums, "rows">, output: GraphOutput): number {
  return rows * output.columns;
}

/**
 * A smaller share of Σt² is what rounding leaves of a constant. As a variance it would make the error of a constant
 * channel outweigh all others.
 */
const ROUNDING = 1e-11;

/** Σ(t − mean)² of whatever has an error of its own. */
function spreads({ rows, sums, squared }: Pick<Sums, "rows" | "sums" | "squared">, output: GraphOutput): Float64Array {
  const { errors, means } = extents(output);
  const result = new Float64Array(errors);
  const each = Math.max(1, countOf({ rows }, output) / means);
  // The mean of few images fits them too well.
  const correction = output.kind === "channels" && each > 1 ? each / (each - 1) : 1;
  for (let place = 0; place < means; place++) {
    const part = output.kind === "channels" ? channelOf(output, place) : 0;
    const whole = squared[place] ?? 0;
    const square = whole - (sums[place] ?? 0) ** 2 / each;
    if (square > ROUNDING * whole) result[part] = (result[part] ?? 0) + correction * square;
  }
  return result;
}

/** The mean of the explained parts; null if everything is constant. */
function explainedBy(squares: Float64Array, wholes: Float64Array): number | null {
  const parts = [...wholes].flatMap((whole, part) => (whole > 0 ? [1 - (squares[part] ?? 0) / whole] : []));
  if (parts.length > 0) return parts.reduce((sum, part) => sum + part, 0) / parts.length;
  return squares.every((square) => square === 0) ? 1 : null;
}

function agreementOf(output: GraphOutput, sums: Sums, range: number): OutputAgreement {
  const { rows, squares, cosines, same } = sums;
  const mean = squares.reduce((sum, one) => sum + one, 0) / Math.max(1, countOf(sums, output));
  return {
    name: output.name,
    kind: output.kind,
    explained: explainedBy(squares, spreads(sums, output)),
    cosine: cosines / Math.max(1, rows),
    psnr: mean === 0 ? null : 10 * Math.log10(range ** 2 / mean),
    ...(output.kind === "logits"
      ? { sameAnswers: (100 * same) / Math.max(1, (rows * output.columns) / output.channels) }
      : {}),
  };
}

/** One number for all outputs, in percent: the mean of equal answers of logits and of the explained part of values. */
export function meanAgreement({ outputs }: Agreement): number {
  const parts = outputs.map(({ sameAnswers, explained }) => sameAnswers ?? 100 * Math.max(0, explained ?? 0));
  return parts.reduce((sum, part) => sum + part, 0) / Math.max(1, parts.length);
}

/** Adds the agreement of `own` with `taught` on the images of `split`. */
export async function addAgreement(
  sums: AgreementSums,
  { own, taught }: { readonly own: Classifier; readonly taught: Classifier },
  split: Split,
  normalization: Normalization,
): Promise<void> {
  for await (const { images, inputs, count } of evaluationBatches(split, normalization, own.batch)) {
    const ours = await own.logits(images, inputs);
    const theirs = own === taught ? ours : await taught.logits(images, inputs);
    sums.add(ours.data, theirs.data, count);
  }
}
