/** A plan that the memory does not suffice for: said before anything is allocated, with a batch that would fit. */
import { performance } from "node:perf_hooks";
import { UserError } from "../core/errors.ts";

export interface Shortage {
  /** The graph's name. */
  readonly plan: string;
  readonly batch: number;
  /** Bytes the plan needs. */
  readonly needed: number;
  /** That is the least it could need; other kernels would need more. */
  readonly isLeast?: boolean;
  readonly available: number;
  /** Bytes the plan needs at most with another batch. */
  needAt(batch: number): number;
}

/** The error about `shortage`; finds out which batch would fit. */
export function outOfMemory(shortage: Shortage): UserError {
  const { plan, batch, needed, isLeast = false, available } = shortage;
  const found = largestBatch(shortage);
  // What a batch needs is an estimate: the layouts that are fastest together may need some percent more.
  const largest = found - Math.floor(found / 20);
  return new UserError(
    "out-of-memory",
    `the plan of "${plan}" for a batch of ${batch} needs ${isLeast ? "at least " : ""}${formatSize(needed)} of ` +
      "memory, " +
      `and ${formatSize(available)} are available`,
    {
      hint:
        largest === 0
          ? "Not even a batch of 1 fits: use a smaller network or smaller images, or free memory"
          : `The largest batch that fits is ${largest}; --accumulate works a larger one through in parts`,
    },
  );
}

/** A batch is good enough if one so many times as large does not fit … */
const CLOSE = 1.25;
/** … and so many milliseconds have gone by. */
const SEARCH_MILLISECONDS = 200;

/**
 * The largest batch whose plan fits, 0 if none does. A plan's need grows nearly in proportion to its batch, so a line
 * through the closest batches known to fit and not to fit finds it in a few steps; what is returned has been tried.
 */
export function largestBatch({ batch, needed, available, needAt }: Omit<Shortage, "plan">): number {
  const start = performance.now();
  let fits = { batch: 0, need: 0 };
  let fails = { batch, need: needed };
  while (fails.batch - fits.batch > 1) {
    const slope = (fails.need - fits.need) / (fails.batch - fits.batch);
    const onTheLine = fits.batch + Math.floor((available - fits.need) / slope);
    // Without a batch that fits, the line goes through nothing; parameters make it too steep, so halve at least.
    const guess = fits.batch === 0 && fails.batch < batch ? Math.min(onTheLine, fails.batch >> 1) : onTheLine;
    const probe = Math.min(fails.batch - 1, Math.max(fits.batch + 1, guess));
    const point = { batch: probe, need: needAt(probe) };
    if (point.need <= available) fits = point;
    else fails = point;
    if (fails.batch <= CLOSE * fits.batch && performance.now() - start > SEARCH_MILLISECONDS) break;
  }
  return fits.batch;
}

/** In units of 1000, as elsewhere: `1.2 GB`, `350 MB`. */
function formatSize(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.ceil(Math.max(0, bytes) / 1000)} kB`;
}
