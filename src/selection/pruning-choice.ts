/**
 * Chooses the structures that a budget prunes: those with the least importance per cost, as many as the plan allows. If
 * only a few large structures are left, it skips one where the others come nearer to the budget without it.
 *
 * Structures of one factor do the same work, so those that stay have more of it to do. The importance of a set of them
 * is therefore (Σ √importance)², the square of the sum of what each changes. So a structure counts for more, the more
 * of its factor was chosen before.
 */
import { nearestSum } from "../core/subset-sum.ts";
import type { RemainingCost } from "./cost-model.ts";

/** Structures of one factor, the least important first. */
export interface Group {
  readonly members: readonly Member[];
  /** Importance per cost is divided by it: a larger preference prunes the group sooner. */
  readonly preference: number;
  /** The sum of √importance of the structures of the factor that were chosen before. */
  readonly chosenSum: number;
  /** Whether its next structure waits until the plan has room. Otherwise a smaller structure goes in its place. */
  readonly waits: boolean;
}

export interface Member {
  readonly number: number;
  readonly importance: number;
}

/** Shares of the full cost: the plan now, the budget at the end, and the tolerance of both. */
export interface Goal {
  readonly now: number;
  readonly final: number;
  readonly tolerance: number;
}

/** With at most this many structures, the choice considers every sum of their costs. */
const FEW = 64;
/** Sums of costs are rounded to this fraction of the full cost: 1 / PARTS. */
const PARTS = 2000;

/** Smaller structures go in the place of a large one only if together they save this share of the full cost. */
const NEGLIGIBLE = 0.00125;

/** The shortest run of members from the start of a group that changes the cost. */
interface Bundle {
  readonly group: Group;
  readonly numbers: readonly number[];
  /** The change of the cost, as a share of the full cost. */
  readonly gain: number;
  /** The sum of √importance. */
  readonly sum: number;
  /** What it adds to the importance of the chosen structures, per cost, divided by the group's preference. */
  readonly price: number;
}

/** The remaining cost as a share of the full cost. */
type ShareOf = (remaining: RemainingCost) => number;

/**
 * Removes members of `groups` from `remaining` until at most `goal.now` is left, and returns their numbers. If widths
 * are kept at multiples, one channel alone saves nothing: it removes as many of a layer as make the layer narrower.
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
  const gains = all.length > FEW ? [] : all.map((number) => [number, remaining.gain(number) / whole] as const);
  const others = gains.length > 0 && gains.every(([, gain]) => gain > 0) ? new Map(gains) : undefined;
  const isRoomFor = (numbers: readonly number[], left: number, gain: number): boolean => {
    const fits = left - gain >= goal.now - goal.tolerance / 2;
    if (others === undefined) return fits;
    if (!fits && goal.now > goal.final) return false;
    const rest = [...others].flatMap(([number, cost]) => (numbers.includes(number) ? [] : [cost]));
    const off = (costs: Iterable<number>, gap: number): number => Math.abs(nearestSum(costs, gap, PARTS) - gap);
    const best = off(others.values(), left - goal.final);
    return off(rest, left - gain - goal.final) <= Math.max(best, goal.tolerance / 2) + 1 / PARTS;
  };
  /** What all structures save together that have room alone. */
  const savedByFitting = (): number => {
    const left = shareOf(remaining);
    const fitting = all.filter(
      (number) => !chosen.includes(number) && isRoomFor([number], left, remaining.gain(number) / whole),
    );
    for (const number of fitting) remaining.remove(number);
    const saved = left - shareOf(remaining);
    for (const number of fitting) remaining.restore(number);
    return saved;
  };
  let mayPassOver: boolean | undefined;
  const queue: Bundle[] = [];
  const add = (bundle: Bundle | undefined): void => {
    if (bundle !== undefined) queue.push(bundle);
    queue.sort((a, b) => a.price - b.price);
  };
  for (const group of groups) add(bundleOf(group, remaining, shareOf));
  while (shareOf(remaining) > goal.now + goal.tolerance / 2) {
    const first = queue.shift();
    if (first === undefined) break;
    // The structures chosen since may have changed what this one saves.
    const bundle = bundleOf(first.group, remaining, shareOf);
    if (bundle === undefined) continue;
    const [second] = queue;
    if (second !== undefined && bundle.price > first.price && bundle.price > second.price) {
      add(bundle);
      continue;
    }
    const { numbers, gain, group } = bundle;
    const fits = (room: number): boolean => shareOf(remaining) - gain >= room - goal.tolerance / 2;
    // The budget has room for it, the plan not yet.
    if (group.waits && !fits(goal.now) && fits(goal.final)) break;
    if (!isRoomFor(numbers, shareOf(remaining), gain)) {
      mayPassOver ??= savedByFitting() >= NEGLIGIBLE;
      if (!mayPassOver) break;
      add(bundleOf({ ...group, members: group.members.slice(1) }, remaining, shareOf));
      continue;
    }
    for (const number of numbers) {
      remaining.remove(number);
      others?.delete(number);
    }
    chosen.push(...numbers);
    mayPassOver = undefined;
    const rest = { members: group.members.slice(numbers.length), chosenSum: group.chosenSum + bundle.sum };
    add(bundleOf({ ...group, ...rest }, remaining, shareOf));
  }
  return chosen;
}

/**
 * Restores members of `groups` to `remaining` while that brings its share nearer to `goal`, and returns their numbers.
 * The members with the highest importance per cost come first.
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
    const { group: from, numbers, sum } = best;
    const rest = { ...from, members: from.members.slice(numbers.length), chosenSum: from.chosenSum - sum };
    pending = pending.flatMap((group) => (group !== from ? [group] : rest.members.length > 0 ? [rest] : []));
  }
  return restored;
}

/** The first bundle of `group`; undefined if none saves: a width can cost more than a larger one. Keeps `remaining`. */
function bundleOf(
  group: Group,
  remaining: RemainingCost,
  shareOf: ShareOf,
  way: "remove" | "restore" = "remove",
): Bundle | undefined {
  const before = shareOf(remaining);
  const numbers: number[] = [];
  let sum = 0;
  let gain = 0;
  for (const member of group.members) {
    remaining[way](member.number);
    numbers.push(member.number);
    sum += Math.sqrt(member.importance);
    gain = (way === "remove" ? 1 : -1) * (before - shareOf(remaining));
    if (gain > 0) break;
  }
  for (const number of numbers) remaining[way === "remove" ? "restore" : "remove"](number);
  if (!(gain > 0)) return undefined;
  const change = Math.abs((group.chosenSum + (way === "remove" ? sum : -sum)) ** 2 - group.chosenSum ** 2);
  return { group, numbers, gain, sum, price: change / (gain * group.preference) };
}
