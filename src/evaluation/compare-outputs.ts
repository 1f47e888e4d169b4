/** Compares all outputs of two networks for the same images, each against its own range. */
import { type Tensor, tensor } from "../core/tensor.ts";
import type { GraphOutput } from "../graph/taught-outputs.ts";
import { type Comparison, compareLogits, largestGap, rangeOf, relativeTo } from "./comparison.ts";

/** At most this many numbers of a network's outputs are held at once. */
const MOST_NUMBERS = 2 ** 25;

/** The number of images whose `outputs` may be compared. */
export function comparableImages(outputs: readonly GraphOutput[]): number {
  return Math.max(1, Math.floor(MOST_NUMBERS / outputs.reduce((sum, { columns }) => sum + columns, 0)));
}

/**
 * Compares outputs `[images, numbers]`, with all `outputs` of an image in a row. The difference is that of the output
 * where it is largest, relative to the output's range. An answer is the same if the logits of all outputs that are
 * vectors of logits give the same class.
 */
export function compareOutputs(original: Tensor, other: Tensor, outputs: readonly GraphOutput[]): Comparison {
  let from = 0;
  const parts = outputs.map((output) => {
    const [a, b] = [columnsOf(original, from, output.columns), columnsOf(other, from, output.columns)];
    from += output.columns;
    return output.kind === "logits" && output.columns === output.channels ? compareLogits(a, b) : compareValues(a, b);
  });
  const images = original.shape[0] ?? 0;
  const worst = parts.reduce((most, part) => (part.relativeDifference > most.relativeDifference ? part : most));
  const disagreeing = parts.reduce((most, part) => (part.otherAnswers > most.otherAnswers ? part : most));
  return {
    ...worst,
    images,
    sameAnswers: Math.min(...parts.map((part) => part.sameAnswers)),
    ties: images - Math.min(...parts.map((part) => part.sameAnswers)) - disagreeing.otherAnswers,
    otherAnswers: disagreeing.otherAnswers,
    worstImage: disagreeing.otherAnswers > 0 ? disagreeing.worstImage : worst.worstImage,
  };
}

/** The difference of values, which are no answers: those of every image count as the same. */
function compareValues(original: Tensor, other: Tensor): Comparison {
  const [images = 0, columns = 0] = original.shape;
  let [largestDifference, worstImage] = [0, 0];
  for (let image = 0; image < images; image++) {
    const [start, end] = [image * columns, (image + 1) * columns];
    const gap = largestGap(original.data.subarray(start, end), other.data.subarray(start, end));
    if (gap > largestDifference) [largestDifference, worstImage] = [gap, image];
  }
  const relativeDifference = relativeTo(largestDifference, rangeOf(original.data));
  return { images, largestDifference, relativeDifference, sameAnswers: images, ties: 0, otherAnswers: 0, worstImage };
}

function columnsOf({ shape, data }: Tensor, from: number, columns: number): Tensor {
  const [rows = 0, width = 0] = shape;
  if (columns === width) return { dtype: "f32", shape: [rows, width], data };
  const part = tensor([rows, columns]);
  for (let row = 0; row < rows; row++) {
    part.data.set(data.subarray(row * width + from, row * width + from + columns), row * columns);
  }
  return part;
}
