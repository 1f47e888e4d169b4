/**
 * Gradient accumulation: divides a batch that does not fit into memory into micro-batches, makes the feeds of each, and
 * joins their results. `autodiff/accumulate.ts` makes the graph of such a step.
 */
import { inBatch } from "../../autodiff/accumulate.ts";
import { required, UserError } from "../../core/errors.ts";
import type { Labels, Tensor } from "../../core/tensor.ts";
import type { Feeds, Results } from "../../engine/engine.ts";

/**
 * Number of images in a micro-batch, if a rank's `images` of a batch are divided into `count` micro-batches.
 * @throws UserError "bad-option" if they cannot be divided evenly, with the nearest counts that can.
 */
export function imagesPerMicroBatch(images: number, count: number): number {
  if (images % count === 0) return images / count;
  const divisors = Array.from({ length: images }, (_, index) => index + 1).filter((one) => images % one === 0);
  const below = divisors.findLast((one) => one < count) ?? 1;
  const above = divisors.find((one) => one > count) ?? images;
  throw new UserError("bad-option", `${images} images in a step cannot be divided into ${count} equal parts`, {
    about: "accumulate",
    expected: `a divisor of ${images}`,
    received: `${count}`,
    hint: `Use --accumulate ${below === above ? below : `${below} or ${above}`}`,
  });
}

/**
 * The feeds of a step over `count` micro-batches of `images` each. Feeds with a row for each image are divided into
 * views of the same memory, with the graph's names for the parts; the others stay.
 */
export function divideFeeds(feeds: Feeds, images: number, count: number): Feeds {
  if (count === 1) return feeds;
  return Object.fromEntries(
    Object.entries(feeds).flatMap(([name, value]): [string, Tensor | Labels][] => {
      if (value.shape[0] !== images * count) return [[name, value]];
      return Array.from({ length: count }, (_, index) => [inBatch(name, index), rowsOf(value, index * images, images)]);
    }),
  );
}

/** The name of a feed in micro-batch `part` of `count`. */
export function nameInPart(name: string, part: number, count: number): string {
  return count === 1 ? name : inBatch(name, part);
}

/** The feeds `names` of micro-batch `part` of `count`, which were divided, by these names. */
export function feedsOfPart(
  feeds: Feeds,
  names: readonly string[],
  part: number,
  count: number,
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    names.map((name) => {
      const value = feeds[nameInPart(name, part, count)];
      return [name, required(value?.dtype === "f32" ? value : undefined, `input "${name}"`)];
    }),
  );
}

function rowsOf<T extends Tensor | Labels>(value: T, first: number, rows: number): T {
  const [all = 1, ...rest] = value.shape;
  const each = value.data.length / all;
  return { ...value, shape: [rows, ...rest], data: value.data.subarray(first * each, (first + rows) * each) };
}

/** The results of a step over `count` micro-batches; the outputs `names` are summed over them. */
export function joinResults(results: Results, names: readonly string[], count: number): Results {
  if (count === 1) return results;
  const sums = names.map((name): [string, Tensor] => {
    const parts = Array.from({ length: count }, (_, index) => results[inBatch(name, index)]?.data[0] ?? Number.NaN);
    return [name, { dtype: "f32", shape: [], data: Float32Array.of(parts.reduce((sum, part) => sum + part, 0)) }];
  });
  return { ...results, ...Object.fromEntries(sums) };
}
