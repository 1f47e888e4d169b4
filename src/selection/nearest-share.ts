/**
 * The share of a network's cost nearest to a goal that pruning whole structures can leave. Structures of a residual
 * stream and of the layers beside it save less together than alone, so the cost is counted for sets of them.
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
 * of a group count as equal: only their number is searched, by coordinate descent over pairs of groups. With more than
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
  const search = new Search(groups, remaining, whole, goal);
  if (count <= ALL_SETS) search.tryAllSets(groups.flat());
  else for (const isFull of [true, false]) search.descend(isFull);
  return search.nearest;
}

class Search {
  readonly #groups: readonly (readonly number[])[];
  readonly #remaining: RemainingCost;
  readonly #whole: number;
  readonly #goal: number;
  /** By group: how many of its structures are removed. These are the first ones. */
  readonly #removed: number[];
  /** The nearest share so far. */
  nearest: number;

  constructor(groups: readonly (readonly number[])[], remaining: RemainingCost, whole: number, goal: number) {
    this.#groups = groups;
    this.#remaining = remaining;
    this.#whole = whole;
    this.#goal = goal;
    this.#removed = groups.map(() => 0);
    this.nearest = remaining.left / whole;
  }

  tryAllSets(structures: readonly number[]): void {
    this.#distance();
    for (const [at, structure] of structures.entries()) {
      this.#remaining.remove(structure);
      this.tryAllSets(structures.slice(at + 1));
      this.#remaining.restore(structure);
    }
  }

  /**
   * Starts with all structures if `isFull`, else with none. Brings two groups at a time to the numbers of structures
   * that come nearest to the goal, until no pair comes nearer. Restores all structures in the end.
   */
  descend(isFull: boolean): void {
    for (const [group, { length }] of this.#groups.entries()) this.#remove(group, isFull ? 0 : length);
    const pairs = this.#groups.flatMap((_, first) =>
      this.#groups.map((_, second) => [first, second] as const).slice(first + 1),
    );
    let best = this.#distance();
    for (let isBetter = true; isBetter; ) {
      const before = best;
      if (this.#groups.length === 1) best = this.#bestOfOne(0, best);
      else for (const [first, second] of pairs) best = this.#bestOfTwo(first, second, best);
      isBetter = best < before;
    }
    for (const group of this.#groups.keys()) this.#remove(group, 0);
  }

  /** Removes the number of structures of `group` that comes nearest, if it comes nearer than `best`. */
  #bestOfOne(group: number, best: number): number {
    let [nearest, chosen] = [best, this.#removed[group] ?? 0];
    for (const count of this.#countsOf(group)) {
      this.#remove(group, count);
      const distance = this.#distance();
      if (distance < nearest - LEAST_GAIN) [nearest, chosen] = [distance, count];
    }
    this.#remove(group, chosen);
    return nearest;
  }

  /** The same for the numbers of structures of two groups. */
  #bestOfTwo(first: number, second: number, best: number): number {
    let [nearest, chosen] = [best, [this.#removed[first] ?? 0, this.#removed[second] ?? 0] as const];
    for (const count of this.#countsOf(first)) {
      this.#remove(first, count);
      for (const other of this.#countsOf(second)) {
        this.#remove(second, other);
        const distance = this.#distance();
        if (distance < nearest - LEAST_GAIN) [nearest, chosen] = [distance, [count, other]];
      }
    }
    this.#remove(first, chosen[0]);
    this.#remove(second, chosen[1]);
    return nearest;
  }

  #countsOf(group: number): readonly number[] {
    return Array.from({ length: (this.#groups[group]?.length ?? 0) + 1 }, (_, count) => count);
  }

  /** Removes or restores structures of `group` until the first `count` of them are removed. */
  #remove(group: number, count: number): void {
    const structures = this.#groups[group] ?? [];
    let now = this.#removed[group] ?? 0;
    for (; now < count; now++) this.#remaining.remove(structures[now] ?? 0);
    for (; now > count; now--) this.#remaining.restore(structures[now - 1] ?? 0);
    this.#removed[group] = count;
  }

  /** The distance from the goal to the share that is left now. */
  #distance(): number {
    const left = this.#remaining.left / this.#whole;
    const distance = Math.abs(left - this.#goal);
    if (distance < Math.abs(this.nearest - this.#goal)) this.nearest = left;
    return distance;
  }
}
