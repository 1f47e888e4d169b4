/**
 * How well two networks agree: for each output the explained part of the variance, the cosine, the PSNR and the share
 * of equal answers. The sums behind them can be added over the ranks that measure parts of the images.
 */
import { InternalError } from "../core/errors.ts";
import type { Normalization, Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import type { GraphOutput } from "../graph/taught-outputs.ts";
import type { Classifier } from "./classifier.ts";

export interface OutputAgreement {
  readonly name: string;
  readonly kind: GraphOutput["kind"];
  /** 1 − Σ(y − t)² / Σ(t − mean)², with a mean for each channel; null if t is constant. */
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
  rows: number;
  squares: number;
  cosines: number;
  same: number;
  largest: number;
  smallest: number;
  readonly sums: Float64Array;
  readonly squared: Float64Array;
}

export class AgreementSums {
  readonly #outputs: readonly GraphOutput[];
  readonly #sums: readonly Sums[];

  constructor(outputs: readonly GraphOutput[]) {
    this.#outputs = outputs;
    this.#sums = outputs.map(({ channels }) => ({
      ...{ rows: 0, squares: 0, cosines: 0, same: 0 },
      ...{ largest: Number.NEGATIVE_INFINITY, smallest: Number.POSITIVE_INFINITY },
      sums: new Float64Array(channels),
      squared: new Float64Array(channels),
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

  /** Mean of (t − mean of the channel)² of each output. */
  get variances(): readonly number[] {
    return this.#sums.map(
      (sums, index) => spread(sums, this.#outputs[index]) / Math.max(1, countOf(sums, this.#outputs[index])),
    );
  }

  /** The sums as numbers that may be added to those of other ranks. */
  get numbers(): readonly number[] {
    return this.#sums.flatMap(({ rows, squares, cosines, same, sums, squared }) => [
      ...[rows, squares, cosines, same],
      ...sums,
      ...squared,
    ]);
  }

  get ranges(): Ranges {
    return this.#sums.flatMap(({ rows, smallest, largest }) => (rows === 0 ? [] : [[smallest, largest] as const]));
  }

  /** The agreement by the sum of `numbers` and the `ranges` of all ranks, which default to the own ones. */
  result(numbers: readonly number[] = this.numbers, ranges: readonly Ranges[] = [this.ranges]): Agreement {
    let at = 0;
    const take = (): number => numbers[at++] ?? 0;
    const outputs = this.#outputs.map((output, index): OutputAgreement => {
      const [rows, squares, cosines, same] = [take(), take(), take(), take()];
      const sums = Float64Array.from({ length: output.channels }, take);
      const squared = Float64Array.from({ length: output.channels }, take);
      const own = ranges.flatMap((range) => range.slice(index, index + 1));
      const smallest = Math.min(...own.map(([least]) => least));
      const largest = Math.max(...own.map(([, most]) => most));
      return agreementOf(output, { rows, squares, cosines, same, largest, smallest, sums, squared });
    });
    return { images: numbers[0] ?? 0, outputs };
  }
}

function addRow(sums: Sums, { channels, columns, kind }: GraphOutput, own: Float32Array, taught: Float32Array): void {
  const positions = columns / channels;
  let [product, ours, theirs] = [0, 0, 0];
  for (let index = 0; index < columns; index++) {
    const [y, t] = [own[index] ?? 0, taught[index] ?? 0];
    const channel = Math.floor(index / positions);
    sums.squares += (y - t) ** 2;
    sums.sums[channel] = (sums.sums[channel] ?? 0) + t;
    sums.squared[channel] = (sums.squared[channel] ?? 0) + t * t;
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

function countOf({ rows }: Sums, output: GraphOutput | undefined): number {
  return rows * (output?.columns ?? 0);
}

/** Σ(t − mean of the channel)². */
function spread({ rows, sums, squared }: Sums, output: GraphOutput | undefined): number {
  const { columns, channels } = output ?? { columns: 0, channels: 1 };
  const each = Math.max(1, rows * (columns / channels));
  return squared.reduce((all, square, channel) => all + Math.max(0, square - (sums[channel] ?? 0) ** 2 / each), 0);
}

function agreementOf(output: GraphOutput, sums: Sums): OutputAgreement {
  const { rows, squares, cosines, same, largest, smallest } = sums;
  const whole = spread(sums, output);
  const mean = squares / Math.max(1, countOf(sums, output));
  return {
    name: output.name,
    kind: output.kind,
    explained: whole > 0 ? 1 - squares / whole : squares === 0 ? 1 : null,
    cosine: cosines / Math.max(1, rows),
    psnr: mean === 0 ? null : 10 * Math.log10((largest - smallest) ** 2 / mean),
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
  for await (const { images, count } of evaluationBatches(split, normalization, own.batch)) {
    const ours = await own.logits(images);
    const theirs = own === taught ? ours : await taught.logits(images);
    sums.add(ours.data, theirs.data, count);
  }
}
