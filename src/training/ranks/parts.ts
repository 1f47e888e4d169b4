/** The part of a batch, or of the images to score, that each of several ranks computes. */
import { UserError } from "../../core/errors.ts";
import { imagesBetween, type Split } from "../../data/dataset.ts";
import type { BatchPart } from "../../data/training-batches.ts";
import type { Cluster } from "../../distributed/cluster.ts";

/**
 * Number of images of a batch for each of `ranks`.
 * @throws UserError "bad-option" if they cannot be divided evenly, with the nearest batches that can.
 */
export function imagesPerRank(batch: number, ranks: number): number {
  if (batch % ranks === 0) return batch / ranks;
  const below = batch - (batch % ranks);
  const nearest = below === 0 ? `${ranks}` : `${below} or ${below + ranks}`;
  throw new UserError("bad-option", `a batch of ${batch} images cannot be divided evenly among ${ranks} ranks`, {
    about: "batch",
    expected: `a multiple of ${ranks}`,
    received: `${batch}`,
    hint: `Use --batch ${nearest}`,
  });
}

/** The part of each batch that this rank loads and computes. */
export function partOfBatch(batch: number, cluster: Cluster): BatchPart {
  const count = imagesPerRank(batch, cluster.size);
  return { first: cluster.rank * count, count };
}

/** The images of `split` that this rank scores. */
export function partOfSplit(split: Split, { rank, size }: Pick<Cluster, "rank" | "size">): Split {
  const bound = (index: number): number => Math.floor((index * split.count) / size);
  return imagesBetween(split, bound(rank), bound(rank + 1));
}
