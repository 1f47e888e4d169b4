/**
 * Batches for evaluation: every image once, in order, without augmentation. Image files that cannot be read are left
 * out and recorded. The images of a batch are decoded while the batch before it is evaluated.
 */
import { UserError } from "../core/errors.ts";
import { type Labels, type Tensor, tensor } from "../core/tensor.ts";
import { normalizationTable, writeNormalized } from "./augmentation.ts";
import { type FileSplit, type Normalization, type Split, type StoredSplit, sampleSize } from "./dataset.ts";
import { reasonOf } from "./images/decode.ts";
import { FORMATS } from "./images/formats.ts";
import { concurrently, writeImage } from "./images/prepare.ts";
import { type BatchInputs, batchInputs } from "./inputs.ts";
import { checkBatch } from "./shuffle.ts";

export interface EvaluationBatch {
  /** Normalised, [batch,C,H,W]; in the last batch the images from `count` on are zeros. */
  readonly images: Tensor;
  /** [batch]; zeros from `count` on. */
  readonly labels: Labels;
  /** Values for the network's inputs besides the images, if the split has any; zeros from `count` on. */
  readonly inputs?: BatchInputs;
  /** Index of the first image among the readable images. */
  readonly start: number;
  /** The number of images in the batch: `batch`, or fewer in the last one. */
  readonly count: number;
  /** Index in the split of each image in the batch. */
  readonly places: readonly number[];
}

/**
 * Returns the images of `split` in batches of `batch`, which may be larger than the split. Each batch owns its memory,
 * which is shared memory: it may be kept, and sent to a worker thread without a copy.
 * @throws UserError "bad-option" if `batch` is not a positive integer or `normalization` does not fit; "bad-file" while
 * iterating, if no image can be read.
 */
export function evaluationBatches(
  split: Split,
  normalization: Normalization,
  batch: number,
): AsyncGenerator<EvaluationBatch, void, undefined> {
  checkBatch(batch);
  const table = normalizationTable(normalization, split.sampleShape[0]);
  return "files" in split ? decode(split, normalization, batch) : generate(split, table, batch);
}

async function* generate(
  split: StoredSplit,
  table: Float32Array,
  batch: number,
): AsyncGenerator<EvaluationBatch, void, undefined> {
  const { sampleShape } = split;
  const size = sampleSize(sampleShape);
  for (let start = 0; start < split.count; start += batch) {
    const count = Math.min(batch, split.count - start);
    const { images, labels } = allocate(batch, size);
    for (let slot = 0; slot < count; slot++) {
      writeNormalized(split.images, (start + slot) * size, images, slot * size, sampleShape, table);
    }
    labels.set(split.labels.subarray(start, start + count));
    yield pack(
      split,
      batch,
      { images, labels, places: Array.from({ length: count }, (_, slot) => start + slot) },
      start,
    );
  }
}

async function* decode(
  split: FileSplit,
  normalization: Normalization,
  batch: number,
): AsyncGenerator<EvaluationBatch, void, undefined> {
  const at = (start: number): Promise<DecodedBatch> | undefined =>
    start < split.count ? decodeBatch(split, normalization, start, batch) : undefined;
  let given = 0;
  let ahead = at(0);
  for (let start = batch; ahead !== undefined; start += batch) {
    const decoded = await ahead;
    ahead = at(start);
    // A caller that stops here never awaits the next batch: its error must not become an unhandled rejection.
    ahead?.catch(() => {});
    if (decoded.places.length > 0) yield pack(split, batch, decoded, given);
    given += decoded.places.length;
  }
  if (given > 0 || split.count === 0) return;
  const [first] = split.unreadable.images;
  throw new UserError(
    "bad-file",
    `none of the ${split.count} images can be read; first, ${first?.path}: ${first?.reason}`,
    {
      about: split.folder,
      hint: `Check that these are complete ${FORMATS} files; \`espalier data\` lists those that cannot be read`,
    },
  );
}

interface DecodedBatch {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly places: readonly number[];
}

/** Decodes the images from `start` on. Readable images are moved together at the front. */
async function decodeBatch(
  split: FileSplit,
  normalization: Normalization,
  start: number,
  batch: number,
): Promise<DecodedBatch> {
  const size = sampleSize(split.sampleShape);
  const { images, labels } = allocate(batch, size);
  const wanted = Math.min(batch, split.count - start);
  const isReadable = Array<boolean>(wanted).fill(true);
  await concurrently(wanted, async (slot) => {
    try {
      await writeImage(split, start + slot, normalization, undefined, images, slot * size);
    } catch (error) {
      isReadable[slot] = false;
      split.unreadable.add({ path: split.files[start + slot]?.path ?? "", reason: reasonOf(error) });
    }
  });
  const places: number[] = [];
  for (const [slot, readable] of isReadable.entries()) {
    if (!readable) continue;
    if (slot !== places.length) images.copyWithin(places.length * size, slot * size, (slot + 1) * size);
    labels[places.length] = split.labels[start + slot] ?? 0;
    places.push(start + slot);
  }
  // Clear what is left behind the images that were moved. Memory that was never written is zero already.
  images.fill(0, places.length * size, wanted * size);
  return { images, labels, places };
}

function allocate(batch: number, size: number): { readonly images: Float32Array; readonly labels: Int32Array } {
  return {
    images: new Float32Array(new SharedArrayBuffer(batch * size * Float32Array.BYTES_PER_ELEMENT)),
    labels: new Int32Array(new SharedArrayBuffer(batch * Int32Array.BYTES_PER_ELEMENT)),
  };
}

function pack(
  { sampleShape, inputs }: Split,
  batch: number,
  { images, labels, places }: DecodedBatch,
  start: number,
): EvaluationBatch {
  return {
    images: tensor([batch, ...sampleShape], images),
    labels: { dtype: "i32", shape: [batch], data: labels },
    ...(inputs === undefined ? {} : { inputs: batchInputs(inputs, places, batch) }),
    start,
    count: places.length,
    places,
  };
}
