/**
 * A model of the time of a data-parallel step. A rank computes for C seconds, of which the backward pass is the last
 * two thirds. Gradients of S bytes become available in `buckets` equal parts, evenly over the backward pass. An
 * all-reduce of s bytes takes latency + s / bandwidth, and all-reduces run one after the other:
 *
 *     f_i = max(r_i, f_{i−1}) + a + s / β        r_i = C·(1/3 + 2/3 · i / k),  i = 1 … k
 *
 * The time that is not hidden is f_k − C, because the last bucket is complete when the backward pass ends. If the
 * processors that compute also move the bytes (ranks of one machine), hidden time is not free: all of it is added.
 */

/** Parameters of one all-reduce: latency in seconds, and bandwidth in bytes of gradients per second. */
export interface SumCost {
  readonly latencySeconds: number;
  readonly bytesPerSecond: number;
}

export interface StepCost {
  /** Seconds for a rank's part of the batch, without all-reduces. */
  readonly computeMilliseconds: number;
  /** Bytes of a rank's gradients. */
  readonly bytes: number;
  readonly sums: SumCost;
  /** Whether the cores that compute also move the bytes. */
  readonly onProcessor: boolean;
  /** Number of buckets; default as in `autodiff/data-parallel.ts`: eight, or more of 4 MiB each. */
  readonly buckets?: number;
}

const LARGEST_BUCKET = 2 ** 22;
const FORWARD_SHARE = 1 / 3;

export function predictStep({ computeMilliseconds, bytes, sums, onProcessor, buckets }: StepCost): {
  readonly milliseconds: number;
  readonly exposedMilliseconds: number;
} {
  const count = buckets ?? Math.max(8, Math.ceil(bytes / LARGEST_BUCKET));
  const each = 1000 * (sums.latencySeconds + bytes / count / sums.bytesPerSecond);
  if (onProcessor) {
    return { milliseconds: computeMilliseconds + count * each, exposedMilliseconds: each };
  }
  let finished = 0;
  for (let bucket = 1; bucket <= count; bucket++) {
    const ready = computeMilliseconds * (FORWARD_SHARE + ((1 - FORWARD_SHARE) * bucket) / count);
    finished = Math.max(ready, finished) + each;
  }
  return { milliseconds: finished, exposedMilliseconds: finished - computeMilliseconds };
}

/**
 * A ring all-reduce over `machines`: every machine sends and receives 2·(n − 1)/n of the bytes, in 2·(n − 1) messages
 * one after the other.
 */
export function ringCost(machines: number, bytesPerSecond: number, latencySeconds: number): SumCost {
  return {
    latencySeconds: 2 * (machines - 1) * latencySeconds,
    bytesPerSecond: (bytesPerSecond * machines) / (2 * (machines - 1)),
  };
}
