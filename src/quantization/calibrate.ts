/** Ranges of a network's values for training on simulated integers, from what training images show. */
import type { Dataset } from "../data/dataset.ts";
import type { Host } from "../evaluation/classifier.ts";
import type { Network } from "../graph/graph.ts";
import { calibrationImages } from "./calibration-images.ts";
import { integerReady } from "./integer-ready.ts";
import { observe } from "./observe.ts";
import { type Range, rangeOf } from "./ranges.ts";

/**
 * By value: all that was seen of it on the calibration images of `dataset`. Throws what `calibrationImages` throws.
 */
export async function calibratedRanges(
  host: Host,
  network: Network,
  dataset: Dataset,
): Promise<ReadonlyMap<string, Range>> {
  const { calibration } = calibrationImages(dataset, { heldOut: 0 });
  const observed = await observe(host, integerReady(network), calibration, dataset.normalization, () => {});
  return new Map([...observed].map(([value, seen]) => [value, rangeOf(seen, "min-max")] as const));
}
