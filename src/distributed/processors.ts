/** How many threads a rank computes with: its part of the processors that it and other ranks of its host may run on. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** What a rank may run on. */
export interface Seat {
  readonly host: string;
  /** Numbers of the processors that this process is allowed to use. */
  readonly processors: readonly number[];
}

/** Of the calling process, by Linux; elsewhere as many as there are. */
export function allowedProcessors(): readonly number[] {
  try {
    const [, list = ""] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
    const numbers = parseProcessorList(list);
    if (numbers.length > 0) return numbers;
  } catch {
    // No Linux, no such file.
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

/** Threads for `seats[rank]`: each processor is shared evenly by the ranks that may use it; at least 1. */
export function threadsFor(rank: number, seats: readonly Seat[]): number {
  const own = seats[rank];
  if (own === undefined) return 1;
  const neighbours = seats.filter(({ host }) => host === own.host);
  const share = own.processors.reduce(
    (sum, processor) => sum + 1 / neighbours.filter(({ processors }) => processors.includes(processor)).length,
    0,
  );
  // What remains of a processor is nobody's; rounding errors are not to take one away.
  return Math.max(1, Math.floor(share + 1e-6));
}

/** What OpenMP's own variable asks for, if it is set. */
export function threadsInEnvironment(): number | undefined {
  return Number(process.env["OMP_NUM_THREADS"]) || undefined;
}
