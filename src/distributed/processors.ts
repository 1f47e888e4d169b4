/** The number of threads of a rank: its share of the processors that it and other ranks on its host may use. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The processors that a rank may use. */
export interface RankProcessors {
  readonly host: string;
  /** Numbers of the processors that this process is allowed to use. */
  readonly processors: readonly number[];
}

/** Numbers of the processors that this process may use, from Linux; elsewhere one for each available processor. */
export function allowedProcessors(): readonly number[] {
  try {
    const [, list = ""] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
    const numbers = parseProcessorList(list);
    if (numbers.length > 0) return numbers;
  } catch {
    // This file exists on Linux only.
  }
  return Array.from({ length: availableParallelism() }, (_, index) => index);
}

/** "0-3,8" → 0, 1, 2, 3, 8. */
export function parseProcessorList(list: string): readonly number[] {
  return list.split(",").flatMap((part) => {
    const [first = Number.NaN, last = first] = part === "" ? [] : part.split("-").map(Number);
    return Number.isInteger(first) && last >= first
      ? Array.from({ length: last - first + 1 }, (_, i) => first + i)
      : [];
  });
}

/**
 * The number of threads for rank `rank`. Ranks that may use the same processor share it evenly; every rank gets at
 * least 1 thread.
 */
export function threadsFor(rank: number, ranks: readonly RankProcessors[]): number {
  const own = ranks[rank];
  if (own === undefined) return 1;
  const neighbours = ranks.filter(({ host }) => host === own.host);
  const share = own.processors.reduce(
    (sum, processor) => sum + 1 / neighbours.filter(({ processors }) => processors.includes(processor)).length,
    0,
  );
  // Fractions of a processor stay unused. The tolerance keeps rounding errors from removing a whole one.
  return Math.max(1, Math.floor(share + 1e-6));
}

/** The number of threads in OpenMP's own variable, if it is set. */
export function threadsInEnvironment(): number | undefined {
  return Number(process.env["OMP_NUM_THREADS"]) || undefined;
}
