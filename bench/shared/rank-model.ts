/**
 * What a data-parallel step costs. A rank computes for C seconds, of which the backward pass is the last two thirds.
 * Gradients of S bytes come in `buckets` equal parts, evenly over the backward pass; a sum of s bytes takes latency + s
 * / bandwidth, and sums go one after the other:
 *
 *     f_i = max(r_i, f_{i−1}) + a + s / β        r_i = C·(1/3 + 2/3 · i / k),  i = 1 … k
 *
 * What is not hidden is f_k − C, for the last bucket is full when the backward pass ends. Where the processor that
 * computes moves the bytes as well (ranks of one machine), what is hidden is not for nothing: all of it is added.
 */

/** Of one sum over all ranks: fixed part, and bytes of gradients a second. */
export interface SumCost {
  readonly latencySeconds: number;
  readonly bytesPerSecond: number;
}

export interface StepCost {
  /** Of a rank's part of the batch, without any sum. */
  readonly computeMilliseconds: number;
  /** Gradients of a rank. */
  readonly bytes: number;
  readonly sums: SumCost;
  /** Whether the cores that compute also move the bytes. */
  readonly onProcessor: boolean;
  /** Default as in `autodiff/data-parallel.ts`: eight, or more of 4 MiB. */
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
 * A sum over `machines` by a ring: every machine sends and receives 2·(n − 1)/n of the bytes, in 2·(n − 1) messages one
 * after the other.
 */
export function ringCost(machines: number, bytesPerSecond: number, latencySeconds: number): SumCost {
  return {
    latencySeconds: 2 * (machines - 1) * latencySeconds,
    bytesPerSecond: (bytesPerSecond * machines) / (2 * (machines - 1)),
  };
}
