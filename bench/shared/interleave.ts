/** Times several subjects in turns, so that changes in the machine's speed affect all of them. */

export interface Subject {
  readonly name: string;
  /**
   * Untimed runs at the start of each round; default 1. Threads of the previous subject still spin for a while, and the
   * caches contain its data.
   */
  readonly settle?: number;
  /** Milliseconds of each of `runs` runs. */
  round(runs: number): Promise<readonly number[]>;
}

/** Runs one untimed round, then `rounds` rounds of `runs` runs. Returns the times of each subject, in their order. */
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
