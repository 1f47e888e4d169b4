/** Times several things in turns, so that a machine that speeds up or slows down in between does so for all of them. */

export interface Subject {
  readonly name: string;
  /**
   * Untimed runs at the start of each round; default 1. Threads of the process before it still spin for a while, and
   * the caches are full of its data.
   */
  readonly settle?: number;
  /** Milliseconds of each of `runs` runs. */
  round(runs: number): Promise<readonly number[]>;
}

/** One round of `runs` runs to warm up, then `rounds` of them; the times of each subject, in the order given. */
export async function interleave(
  subjects: readonly Subject[],
  { rounds, runs }: { readonly rounds: number; readonly runs: number },
): Promise<readonly (readonly number[])[]> {
  const times = subjects.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const { settle = 1 } = subject;
      const measured = await subject.round(settle + runs);
      if (round > 0) times[index]?.push(...measured.slice(settle));
    }
  }
  return times;
}
