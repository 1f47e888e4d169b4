/**
 * The share of a network's cost nearest to a goal that pruning whole structures can leave. Structures of a residual
 * stream and of the layers beside it save less together than alone, so sets of them are counted, not added up.
 */
import type { RemainingCost } from "./cost-model.ts";

/** Up to this many structures, every set of them is counted. */
const ALL_SETS = 12;
/** More structures than this come near to any share. */
const MANY = 64;
/** Smaller gains are rounding errors of sums. */
const LEAST_GAIN = 1e-9;

/**
 * `groups`: the structures of each factor that may be pruned; `whole`: the full cost. With more than 12 structures, all
 * of a group count as equal, and two groups at a time are brought to their best numbers of structures. With more than
 * 64 it returns the goal.
 */
export function nearestShare(
  groups: readonly (readonly number[])[],
  remaining: RemainingCost,
  whole: number,
  goal: number,
): number {
  const count = groups.reduce((sum, { length }) => sum + length, 0);
  if (count > MANY) return goal;
  const search = new Search(remaining, whole, goal);
  if (count <= ALL_SETS) search.countSets(groups.flat());
  else for (const isFull of [true, false]) search.improve(groups, isFull);
  return search.nearest;
}

class Search {
  readonly #remaining: RemainingCost;
  readonly #whole: number;
  readonly #goal: number;
  nearest: number;

  constructor(remaining: RemainingCost, whole: number, goal: number) {
    this.#remaining = remaining;
    this.#whole = whole;
    this.#goal = goal;
    this.nearest = remaining.left / whole;
  }

  /** How far what is left is from the goal. */
  #measure(): number {
    const left = this.#remaining.left / this.#whole;
    const off = Math.abs(left - this.#goal);
    if (off < Math.abs(this.nearest - this.#goal)) this.nearest = left;
    return off;
  }

  countSets(structures: readonly number[]): void {
    this.#measure();
    for (const [at, structure] of structures.entries()) {
      this.#remaining.remove(structure);
      this.countSets(structures.slice(at + 1));
      this.#remaining.restore(structure);
    }
  }

  /** Starts with all structures, or with none, and restores all in the end. */
  improve(groups: readonly (readonly number[])[], isFull: boolean): void {
    const gone = groups.map(() => 0);
    const set = (group: number, count: number): void => {
      const structures = groups[group] ?? [];
      let now = gone[group] ?? 0;
      for (; now < count; now++) this.#remaining.remove(structures[now] ?? 0);
      for (; now > count; now--) this.#remaining.restore(structures[now - 1] ?? 0);
      gone[group] = count;
    };
    for (const [group, { length }] of groups.entries()) set(group, isFull ? 0 : length);
    let best = this.#measure();
    const pairs = groups.flatMap((_, first) => groups.map((_, second) => [first, second] as const).slice(first + 1));
    for (let isBetter = true; isBetter; ) {
      isBetter = false;
      for (const [first, second] of groups.length > 1 ? pairs : [[0, 0] as const]) {
        let counts = [gone[first] ?? 0, gone[second] ?? 0] as const;
        for (let one = 0; one <= (groups[first]?.length ?? 0); one++) {
          set(first, one);
          for (let other = first === second ? one : 0; other <= (groups[second]?.length ?? 0); other++) {
            set(second, other);
            const off = this.#measure();
            if (off >= best - LEAST_GAIN) continue;
            best = off;
            counts = first === second ? [other, other] : [one, other];
            isBetter = true;
          }
        }
        set(first, counts[0]);
        set(second, counts[1]);
      }
    }
    for (const group of groups.keys()) set(group, 0);
  }
}
