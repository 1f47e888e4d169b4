/**
 * Which structures a budget takes: the least important for what they cost, as many as there is room for. Where only a
 * few large ones are left, none is taken without which the budget can be met more nearly than with it.
 */
import type { RemainingCost } from "./cost-model.ts";

/** Structures of one factor, the least important first. */
export interface Group {
  readonly members: readonly Member[];
  /** Of two groups with the same importance per cost, that with the larger preference is pruned first. */
  readonly preference: number;
}

export interface Member {
  readonly number: number;
  readonly importance: number;
}

/** Shares of the full cost: what is to be left now and at the end, and what counts as met. */
export interface Goal {
  readonly now: number;
  readonly final: number;
  readonly tolerance: number;
}

/** Up to so many structures it is worth while to see which sums of their costs come to the budget. */
const FEW = 64;
/** Parts of the full cost that sums are told apart by. */
const PARTS = 2000;

/** The fewest members of a group, taken in their order, that change the cost. */
interface Bundle {
  readonly group: Group;
  readonly numbers: readonly number[];
  /** What the cost changes by, as a share of the full one. */
  readonly gain: number;
  /** Importance per cost. */
  readonly price: number;
}

/** As a share of the full cost. */
type ShareOf = (remaining: RemainingCost) => number;

/**
 * Takes members of `groups` out of `remaining` until no more than `goal.now` is left, and returns their numbers. Where
 * widths are kept at multiples, one channel alone saves nothing: as many of a layer go at once as make it narrower.
 */
export function chooseForPruning(
  groups: readonly Group[],
  remaining: RemainingCost,
  shareOf: ShareOf,
  goal: Goal,
): readonly number[] {
  const chosen: number[] = [];
  const all = groups.flatMap(({ members }) => members.map(({ number }) => number));
  const whole = remaining.left / (shareOf(remaining) || 1);
  const others = all.length > FEW ? undefined : new Map(all.map((number) => [number, remaining.gain(number) / whole]));
  const isRoomFor = (numbers: readonly number[], left: number, gain: number): boolean => {
    const fits = left - gain >= goal.now - goal.tolerance / 2;
    if (others === undefined) return fits;
    if (!fits && goal.now > goal.final) return false;
    const rest = [...others].flatMap(([number, cost]) => (numbers.includes(number) ? [] : [cost]));
    const best = distanceToSum(others.values(), left - goal.final);
    return distanceToSum(rest, left - gain - goal.final) <= Math.max(best, goal.tolerance / 2) + 1 / PARTS;
  };
  const queue: Bundle[] = [];
  const add = (group: Group): void => {
    const bundle = bundleOf(group, remaining, shareOf);
    if (bundle !== undefined) insert(queue, bundle);
  };
  for (const group of groups) add(group);
  while (shareOf(remaining) > goal.now + goal.tolerance / 2) {
    const first = queue.shift();
    if (first === undefined) break;
    // What others took may have changed what this one saves.
    const bundle = bundleOf(first.group, remaining, shareOf);
    if (bundle === undefined) continue;
    const [second] = queue;
    if (second !== undefined && bundle.price > first.price && bundle.price > second.price) {
      insert(queue, bundle);
      continue;
    }
    const { numbers, gain, group } = bundle;
    if (!isRoomFor(numbers, shareOf(remaining), gain)) {
      add({ ...group, members: group.members.slice(1) });
      continue;
    }
    for (const number of numbers) {
      remaining.remove(number);
      others?.delete(number);
    }
    chosen.push(...numbers);
    add({ ...group, members: group.members.slice(numbers.length) });
  }
  return chosen;
}

/**
 * Puts members of `groups` back into `remaining`, the most important for their cost first, for as long as what is left
 * comes nearer to `goal`; returns their numbers.
 */
export function chooseForRestoring(
  groups: readonly Group[],
  remaining: RemainingCost,
  shareOf: ShareOf,
  goal: number,
): readonly number[] {
  const restored: number[] = [];
  let pending = groups.map((group) => ({ ...group, members: group.members.toReversed() }));
  while (pending.length > 0) {
    const missing = goal - shareOf(remaining);
    const bundles = pending.flatMap((group) => bundleOf(group, remaining, shareOf, "restore") ?? []);
    const fitting = bundles.filter(({ gain }) => Math.abs(missing - gain) < Math.abs(missing));
    const off = ({ gain }: Bundle): number => Math.abs(missing - gain);
    const [best] = fitting.toSorted((a, b) => b.price - a.price || off(a) - off(b));
    if (best === undefined) break;
    for (const number of best.numbers) remaining.restore(number);
    restored.push(...best.numbers);
    pending = pending
      .map((group) =>
        group.members === best.group.members ? { ...group, members: group.members.slice(best.numbers.length) } : group,
      )
      .filter(({ members }) => members.length > 0);
  }
  return restored;
}

/** Undefined if not even the whole group changes the cost. `remaining` is as before. */
function bundleOf(
  group: Group,
  remaining: RemainingCost,
  shareOf: ShareOf,
  way: "remove" | "restore" = "remove",
): Bundle | undefined {
  const before = shareOf(remaining);
  const numbers: number[] = [];
  let importance = 0;
  let gain = 0;
  for (const member of group.members) {
    remaining[way](member.number);
    numbers.push(member.number);
    importance += member.importance;
    gain = Math.abs(before - shareOf(remaining));
    if (gain > 0) break;
  }
  for (const number of numbers) remaining[way === "remove" ? "restore" : "remove"](number);
  return gain > 0 ? { group, numbers, gain, price: importance / (gain * group.preference) } : undefined;
}

/** Keeps `queue` in the order of prices. */
function insert(queue: Bundle[], bundle: Bundle): void {
  const at = queue.findIndex(({ price }) => price > bundle.price);
  queue.splice(at < 0 ? queue.length : at, 0, bundle);
}

/** How near to `missing` the sums of some of `costs` come. */
function distanceToSum(costs: Iterable<number>, missing: number): number {
  return Math.abs(nearestSum(costs, missing) - missing);
}

/**
 * The sum of some of `costs` that is nearest to `missing`, all in shares of the full cost; sums are of whole parts of
 * it.
 */
function nearestSum(costs: Iterable<number>, missing: number): number {
  const wanted = missing * PARTS;
  // Nothing beyond twice of what is missing is ever nearest.
  const reachable = new Uint8Array(Math.max(0, Math.ceil(2 * wanted)) + 1);
  reachable[0] = 1;
  for (const cost of costs) {
    const parts = Math.round(cost * PARTS);
    if (parts === 0) continue;
    for (let sum = reachable.length - 1; sum >= parts; sum--) {
      if (reachable[sum - parts] === 1) reachable[sum] = 1;
    }
  }
  let found = 0;
  reachable.forEach((is, sum) => {
    if (is === 1 && Math.abs(sum - wanted) < Math.abs(found - wanted)) found = sum;
  });
  return found / PARTS;
}

/**
 * The share of the full cost nearest to `goal` that whole structures of `numbers` can leave; with many of them any is
 * near.
 */
export function nearestShare(
  numbers: readonly number[],
  remaining: RemainingCost,
  whole: number,
  goal: number,
): number {
  if (numbers.length > FEW) return goal;
  const left = remaining.left / whole;
  const costs = numbers.map((number) => remaining.gain(number) / whole);
  return left - nearestSum(costs, left - goal);
}
