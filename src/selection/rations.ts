/**
 * Who may go, and who has to come back: of structures in the order of their weakness, as many as there is room for. Where only a
 * few large ones are left, none goes without which the budget cannot be met as nearly as with it: of blocks it matters which
 * are taken, and one that was cut does not come back.
 */
import { required } from "../core/errors.ts";
import type { Tally } from "./tally.ts";

/** What is compared with what, in shares of the full cost. */
export interface Goal {
  /** What is to be left now, and what at the end. */
  readonly now: number;
  readonly final: number;
  /** What counts as met. */
  readonly tolerance: number;
}

/** A living structure that may go. */
export interface Candidate {
  readonly number: number;
  /** Whether it is the last one that a guard keeps, when asked; `take` counts it as gone. */
  readonly isLast: () => boolean;
  readonly take: () => void;
}

/** Up to so many structures it is worth while to see which of their sums come to the budget. */
const FEW = 64;
/** Of so many at zero it is tried which come back, up to so many at once. */
const TRIED = 12;
const TOGETHER = 4;
/** How much nearer to the goal, in shares of the full cost, others have to come for it. */
const WORTH = 0.0025;
/** Parts of the full cost that sums are told apart by. */
const PARTS = 2000;

/**
 * The candidates, the weakest first, that may go now. `tally`: what is left, which is left without them; `shareOf`: what it comes to,
 * as a share of the full cost.
 */
export function doomedOf(
  candidates: readonly Candidate[],
  tally: Tally,
  shareOf: (tally: Tally) => number,
  goal: Goal,
): ReadonlySet<number> {
  const doomed = new Set<number>();
  const isFew = candidates.length <= FEW;
  const costs = new Map<number, number>();
  const whole = shareOf(tally) === 0 ? 1 : tally.left / shareOf(tally);
  const gainOf = (number: number): number => tally.gain(number) / whole;
  if (isFew) for (const { number } of candidates) costs.set(number, gainOf(number));
  for (const candidate of candidates) {
    const { number } = candidate;
    const left = shareOf(tally);
    if (left <= goal.now + goal.tolerance / 2) break;
    if (candidate.isLast()) continue;
    const gained = gainOf(number);
    const isRoom = left - gained >= goal.now - goal.tolerance / 2;
    if (isFew && gained > 0) {
      const isEnd = goal.now <= goal.final;
      if (!isRoom && !isEnd) continue;
      costs.set(number, 0);
      const without = nearest(costs.values(), left - gained - goal.final);
      costs.set(number, gained);
      if (without > nearest(costs.values(), left - goal.final) + 1 / PARTS) continue;
      costs.delete(number);
    } else if (!isRoom) continue;
    tally.remove(number);
    candidate.take();
    doomed.add(number);
  }
  return doomed;
}

/** How near to `missing` sums of some of `costs` come. */
function nearest(costs: Iterable<number>, missing: number): number {
  return Math.abs(nearestSum(costs, missing) - missing);
}

/** The sum of some of `costs` that is nearest to `missing`, all in shares of the full cost; sums are of whole parts of it. */
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
 * What can be left at best of a `goal`, as a share of the full cost, by taking away whole structures of `numbers` from `tally`; the goal itself
 * where there are so many that they need not be tried.
 */
export function nearestShare(numbers: readonly number[], tally: Tally, whole: number, goal: number): number {
  if (numbers.length > FEW) return goal;
  const left = tally.left / whole;
  return (
    left -
    nearestSum(
      numbers.map((number) => tally.gain(number) / whole),
      left - goal,
    )
  );
}

/**
 * Of the structures at zero, in the order in which they would come back, those that have to, so that what is left is nearer to `goal`. Where
 * widths are rounded some bring nothing until others of their layer are back as well: they come with those, and a layer that fits comes
 * before one that is too much. If that leaves it further off than `tolerance`, some that are too much come back if others can take
 * their place: see `exchangedOf`.
 */
export function revivedOf(
  zeros: readonly number[],
  tally: Tally,
  shareOf: (tally: Tally) => number,
  { goal, tolerance }: { readonly goal: number; readonly tolerance: number },
  nearestWith: (tally: Tally) => number,
): ReadonlySet<number> {
  const revived = new Set<number>();
  // In the tally, and bringing nothing by themselves.
  const idle: number[] = [];
  const tooMuch: { readonly number: number; readonly excess: number }[] = [];
  for (const number of zeros) {
    const distance = goal - shareOf(tally);
    if (distance <= 0) break;
    tally.restore(number);
    const excess = shareOf(tally) - goal;
    if (excess === -distance) {
      idle.push(number);
      continue;
    }
    if (Math.abs(excess) < distance && (excess <= 0 || idle.length === 0)) {
      revived.add(number);
      continue;
    }
    tally.remove(number);
    if (excess > 0) tooMuch.push({ number, excess });
  }
  tooMuch.sort((a, b) => a.excess - b.excess);
  const [least] = tooMuch;
  if (idle.length > 0) {
    if (least !== undefined && isNearerWith(least.number, tally, shareOf, goal)) revived.add(least.number);
    for (const number of idle.toReversed()) if (isNeeded(number, tally, shareOf)) revived.add(number);
    return revived;
  }
  const distance = goal - shareOf(tally);
  const rest = tooMuch.map(({ number }) => number);
  const exchanged = distance <= tolerance ? [] : exchangedOf(rest, tally, distance, nearestWith);
  return new Set([...revived, ...exchanged]);
}

/**
 * Of the structures at zero as few as possible with which back others come nearer to the goal than the `distance` it is off without; none
 * if none do. `nearestWith` tells how near, in shares of the full cost, with them back in `tally`.
 */
export function exchangedOf(
  zeros: readonly number[],
  tally: Tally,
  distance: number,
  nearestWith: (tally: Tally) => number,
): readonly number[] {
  for (let count = 1; count <= TOGETHER; count++) {
    let [best, off]: [readonly number[], number] = [[], distance - WORTH];
    for (const numbers of combinations(count === 1 ? zeros.slice(0, FEW) : zeros.slice(0, TRIED), count)) {
      for (const number of numbers) tally.restore(number);
      const found = nearestWith(tally);
      for (const number of numbers) tally.remove(number);
      if (found < off) [best, off] = [numbers, found];
    }
    if (best.length > 0) return best;
  }
  return [];
}

/** All choices of `count` of `numbers`, each in their order. */
function combinations(numbers: readonly number[], count: number): readonly (readonly number[])[] {
  if (count === 0) return [[]];
  return numbers.flatMap((first, at) => combinations(numbers.slice(at + 1), count - 1).map((rest) => [first, ...rest]));
}

/** Whether what is left is nearer to `goal` with `number` back; then it is back in `tally`. */
function isNearerWith(number: number, tally: Tally, shareOf: (tally: Tally) => number, goal: number): boolean {
  const distance = Math.abs(goal - shareOf(tally));
  tally.restore(number);
  if (Math.abs(goal - shareOf(tally)) < distance) return true;
  tally.remove(number);
  return false;
}

/** Whether less is left without `number`, which is in `tally`; if not it is taken out. */
function isNeeded(number: number, tally: Tally, shareOf: (tally: Tally) => number): boolean {
  const share = shareOf(tally);
  tally.remove(number);
  if (shareOf(tally) === share) return false;
  tally.restore(number);
  return true;
}

/** Parameters on the only path, and how many of the guarded run of each are alive. */
export class Survivors {
  readonly #counts = new Map<string, number>();

  add(parameter: string): void {
    this.#counts.set(parameter, (this.#counts.get(parameter) ?? 0) + 1);
  }

  isLast(parameter: string): boolean {
    return required(this.#counts.get(parameter), parameter) <= 1;
  }

  take(parameter: string): void {
    this.#counts.set(parameter, required(this.#counts.get(parameter), parameter) - 1);
  }
}
