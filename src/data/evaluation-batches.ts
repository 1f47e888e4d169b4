/** Batches for measuring: in order, not augmented, every image once. */
import { type Labels, type Tensor, tensor } from "../core/tensor.ts";
import { normalizationTable, writeNormalized } from "./augmentation.ts";
import { type Normalization, type Split, sampleSize } from "./dataset.ts";
import { checkBatch } from "./order.ts";

export interface EvaluationBatch {
  /** Normalised, [batch,C,H,W]; in the last batch the images from `count` on are zeros. */
  readonly images: Tensor;
  /** [batch]; zeros from `count` on. */
  readonly labels: Labels;
  /** Index in the split of the first image. */
  readonly start: number;
  /** How many images count: `batch`, or fewer in the last one. */
  readonly count: number;
}

/**
 * The images of `split` in batches of `batch`, which may be larger than the split. Each batch owns its memory, which is
 * shared memory, so it may be kept and may be handed to a worker thread without a copy.
 * @throws UserError "bad-option" if `batch` is no positive whole number or `normalization` does not fit.
 */
export function evaluationBatches(
  split: Split,
  normalization: Normalization,
  batch: number,
): Generator<EvaluationBatch, void, undefined> {
  checkBatch(batch);
  return generate(split, normalizationTable(normalization, split.sampleShape[0]), batch);
}

function* generate(split: Split, table: Float32Array, batch: number): Generator<EvaluationBatch, void, undefined> {
  const { sampleShape } = split;
  const size = sampleSize(sampleShape);
  for (let start = 0; start < split.count; start += batch) {
    const count = Math.min(batch, split.count - start);
    const images = new Float32Array(new SharedArrayBuffer(batch * size * Float32Array.BYTES_PER_ELEMENT));
    const labels = new Int32Array(new SharedArrayBuffer(batch * Int32Array.BYTES_PER_ELEMENT));
    for (let slot = 0; slot < count; slot++) {
      writeNormalized(split.images, (start + slot) * size, images, slot * size, sampleShape, table);
    }
    labels.set(split.labels.subarray(start, start + count));
    yield {
      images: tensor([batch, ...sampleShape], images),
      labels: { dtype: "i32", shape: [batch], data: labels },
      start,
      count,
    };
  }
}
