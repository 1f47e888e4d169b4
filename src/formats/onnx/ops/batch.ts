/** Recognises numbers of a file that stand for the batch size. */
import { isBatchSize, type Scalar } from "../folding/scalar.ts";
import type { ReadContext } from "../rules.ts";

/** Whether `size` is the batch size: as a symbol, or as the number that the file fixes. */
export function isBatch(size: Scalar | undefined, { fixedBatch }: ReadContext): boolean {
  return isBatchSize(size) || (fixedBatch !== undefined && size === fixedBatch);
}
