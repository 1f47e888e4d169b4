import { expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { model } from "../../src/models/zoo.ts";
import { costModel, type RemainingCost } from "../../src/selection/cost-model.ts";
import { place } from "../../src/selection/place.ts";
import { chooseForPruning, chooseForRestoring, type Group } from "../../src/selection/pruning-choice.ts";

const EACH = 8;

/** Structures that cost 1 each. */
function counted(count: number): RemainingCost {
  const gone = new Set<number>();
  return {
    get left() {
      return count - gone.size;
    },
    remove: (structure) => void gone.add(structure),
    restore: (structure) => void gone.delete(structure),
    gain: () => 1,
    layer: () => ({ outputs: 0, inputs: 0, cost: 0 }),
  };
}

/** One factor for each importance, with `EACH` structures of it. */
function factors(...importances: readonly number[]): readonly Group[] {
  return importances.map((importance, at) => ({
    members: Array.from({ length: EACH }, (_, index) => ({ number: at * EACH + index, importance })),
    preference: 1,
    chosenSum: 0,
    waits: false,
  }));
}

/** How many of each factor are among `numbers`. */
function perFactor(numbers: readonly number[], count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => numbers.filter((one) => Math.floor(one / EACH) === at).length);
}

/** Chooses `count` structures. */
function choose(groups: readonly Group[], count: number): readonly number[] {
  const whole = groups.length * EACH;
  const share = 1 - count / whole;
  const goal = { now: share, final: share, tolerance: 0.001 };
  return chooseForPruning(groups, counted(whole), ({ left }) => left / whole, goal);
}

test("factors of equal importance lose equally many structures", () => {
  expect(perFactor(choose(factors(1, 1, 1, 1), 16), 4)).toEqual([4, 4, 4, 4]);
});

test("a factor with four times the importance loses a quarter as many: a² + 4 b² is least for a + b = 5", () => {
  expect(perFactor(choose(factors(1, 4), 5), 2)).toEqual([4, 1]);
});

test("what was chosen before counts: the others of its factor come later", () => {
  const [first, second] = factors(1, 1);
  if (first === undefined || second === undefined) throw new Error("two factors");
  expect(perFactor(choose([{ ...first, chosenSum: 3 }, second], 5), 2)).toEqual([1, 4]);
});

test("a large structure waits for room in the plan, and no smaller one goes in its place", () => {
  const cost = (structure: number): number => (structure === 0 ? 10 : 1);
  const gone = new Set<number>();
  const remaining: RemainingCost = {
    get left() {
      return 30 - [...gone].reduce((sum, one) => sum + cost(one), 0);
    },
    remove: (structure) => void gone.add(structure),
    restore: (structure) => void gone.delete(structure),
    gain: cost,
    layer: () => ({ outputs: 0, inputs: 0, cost: 0 }),
  };
  const large: Group = { members: [{ number: 0, importance: 1 }], preference: 1, chosenSum: 0, waits: false };
  const small: Group = {
    members: Array.from({ length: 20 }, (_, index) => ({ number: index + 1, importance: 1 })),
    preference: 1,
    chosenSum: 0,
    waits: false,
  };
  const chosenAt = (now: number, waits: boolean): readonly number[] => {
    const goal = { now, final: 0.5, tolerance: 0.01 };
    return chooseForPruning([{ ...large, waits }, small], remaining, ({ left }) => left / 30, goal);
  };
  expect(chosenAt(0.9, true)).toEqual([]);
  expect(chosenAt(0.6, true)).toEqual([0, 1, 2]);
  gone.clear();
  expect(chosenAt(0.9, false)).toEqual([1, 2, 3]);
});

test("a branch that saves next to nothing is not pruned in place of structures that are too large", () => {
  const costs = [10, 10, 10, 0.005, 0.005];
  const gone = new Set<number>();
  const remaining: RemainingCost = {
    get left() {
      return costs.reduce((sum, cost, at) => sum + (gone.has(at) ? 0 : cost), 0);
    },
    remove: (structure) => void gone.add(structure),
    restore: (structure) => void gone.delete(structure),
    gain: (structure) => costs[structure] ?? 0,
    layer: () => ({ outputs: 0, inputs: 0, cost: 0 }),
  };
  const large = [0, 1, 2].map((number) => ({ number, importance: 1 }));
  const small = [3, 4].map((number) => ({ number, importance: 1 }));
  const groups = [large, small].map((members): Group => ({ members, preference: 1, chosenSum: 0, waits: true }));
  const goal = { now: 0.6, final: 0.6, tolerance: 0.005 };
  expect(chooseForPruning(groups, remaining, ({ left }) => left / 30.01, goal)).toEqual([0]);
});

test("neurons are chosen alike in coarse and in fine steps of the plan, though those of early layers cost more", () => {
  const { graph, factors } = place(model("resnet-20", { classes: 10 }), { neurons: 1 });
  const random = new RandomStream(1, "importance", 0);
  const importance = factors.map(({ count }) => Array.from({ length: count }, () => random.uniform()));
  const chosenPerLayer = (steps: number): readonly number[] => {
    const cost = costModel(graph, factors, "macs");
    const remaining = cost.remaining();
    const chosen = new Set<number>();
    for (let step = 1; step <= steps; step++) {
      let next = 0;
      const groups = importance.map((own): Group => {
        const all = own.map((one) => ({ number: next++, importance: one }));
        const members = all.filter(({ number }) => !chosen.has(number)).toSorted((a, b) => a.importance - b.importance);
        const gone = all.filter(({ number }) => chosen.has(number));
        const chosenSum = gone.reduce((sum, one) => sum + Math.sqrt(one.importance), 0);
        return { members, preference: 1, chosenSum, waits: true };
      });
      const goal = { now: 1 - (0.5 * step) / steps, final: 0.5, tolerance: 0.005 };
      for (const one of chooseForPruning(groups, remaining, ({ left }) => left / cost.whole, goal)) chosen.add(one);
    }
    const starts = importance.map((_, at) => importance.slice(0, at).flat().length);
    return importance.map((own, at) => own.filter((_, index) => chosen.has((starts[at] ?? 0) + index)).length);
  };
  const [coarse, fine] = [chosenPerLayer(20), chosenPerLayer(1000)];
  for (const [at, count] of coarse.entries())
    expect(Math.abs(count - (fine[at] ?? 0)), `${coarse} ${fine}`).toBeLessThan(2);
});

test("restoring begins where the loss shrinks most", () => {
  const whole = 3 * EACH;
  const groups = factors(1, 1).map((group, at) => ({ ...group, chosenSum: at === 0 ? 4 : 8 }));
  const pruned = groups.map((group, at) => ({ ...group, members: group.members.slice(0, at === 0 ? 4 : 8) }));
  const remaining = counted(whole);
  for (const { members } of pruned) for (const { number } of members) remaining.remove(number);
  const restored = chooseForRestoring(pruned, remaining, ({ left }) => left / whole, 16 / whole);
  expect(perFactor(restored, 2)).toEqual([0, 4]);
});

test("structures that make a layer slower alone are pruned together with those that make it faster", () => {
  // Of five widths, those that are no multiple of 2 take longer.
  const costs = [0, 3, 2, 5, 4];
  const gone = new Set<number>();
  const remaining: RemainingCost = {
    get left() {
      return costs[4 - gone.size] ?? 0;
    },
    remove: (structure) => void gone.add(structure),
    restore: (structure) => void gone.delete(structure),
    gain: () => -1,
    layer: () => ({ outputs: 0, inputs: 0, cost: 0 }),
  };
  const members = [0, 1, 2, 3].map((number) => ({ number, importance: 1 }));
  const group: Group = { members, preference: 1, chosenSum: 0, waits: false };
  const goal = { now: 0.5, final: 0.5, tolerance: 0.01 };
  expect(chooseForPruning([group], remaining, ({ left }) => left / 4, goal)).toEqual([0, 1]);
});
