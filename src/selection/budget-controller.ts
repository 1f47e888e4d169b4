/**
 * Sets γ of each structure during the one training pass, so that the network costs what its budget says at the end.
 *
 * The controller looks at the factors every few steps. It estimates how important each structure is to the loss,
 * chooses the least important ones for pruning (see `pruning-choice.ts`), as many as the plan has room for, and
 * penalizes those alone:
 *
 *     chosen, λ > 0      γ = what the gradient holds λ up with, and as much more as takes λ from 1 to 0 in time
 *     chosen, λ = 0      γ = HOLDING: λ stays at zero
 *     others             γ = 0: they train as if there were no budget
 *     others, λ near 0   γ < 0: noise does not prune what was not chosen
 *
 * Time is measured in learning rate: a factor moves by η, so a share of Ση is worth the same wherever the schedule
 * spends it. The controller is a pure function of its state and of what it sees. `docs/budget.md` explains it with a
 * picture.
 */
import { required } from "../core/errors.ts";
import { tensor } from "../core/tensor.ts";
import type { Weights } from "../graph/graph.ts";
import { guarded } from "./budget.ts";
import { type CostModel, type RemainingCost, zerosOf } from "./cost-model.ts";
import type { Factor, FactorKind } from "./factors.ts";
import { chooseForPruning, chooseForRestoring, type Group, nearestShare } from "./pruning-choice.ts";
import { meanCosts } from "./structure-costs.ts";

/** The shares of Ση between which the cost falls. What comes after is for the structures that stay. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

/** Unless a run says otherwise. */
export const usualWindow: Window = { start: 0.08, end: 0.55 };

/** The share of Ση that a chosen structure takes to go from λ = 1 to 0, where the window is the usual one. */
const WAY = 0.08;
/** How far from its budget a run may end, as a share of the full cost. */
const TOLERANCE = 0.005;
/** A γ that no gradient overcomes. */
const HOLDING = 100;
/** The furthest that γ may move a factor until the next look, and how far it moves one away from zero. */
const FURTHEST = 0.5;
const RESCUE = 0.1;
/** The importance is a mean over about so many of the last looks. */
const MEMORY = 20;

export interface BudgetControllerOptions {
  readonly factors: readonly Factor[];
  readonly model: CostModel;
  /** What is to be left of the full cost, 0 … 1. */
  readonly share: number;
  /** μ of the factors. */
  readonly momentum: number;
  /** Ση of the whole run. */
  readonly totalRate: number;
  /** Default `usualWindow`. */
  readonly window?: Window;
}

/** What the controller sees, always of the whole network: factors of what is cut are zero. */
export interface Observation {
  readonly factors: Weights;
  /** The factors' velocities. */
  readonly velocities: Weights;
  /** Ση so far, over that of the whole run, 0 … 1. */
  readonly progress: number;
  readonly learningRate: number;
  /** Steps until the next look. */
  readonly interval: number;
  /** Whether structure `index` of a factor was cut, and so cannot come back; default: none was. */
  readonly isCut?: (parameter: string, index: number) => boolean;
}

/**
 * What the controller remembers; a checkpoint keeps it. Arrays and strings have an entry for each structure of a
 * factor.
 */
export interface ControllerState {
  /** Looks so far. */
  readonly looks: number;
  /** By factor parameter: the running mean of (λ·∂loss/∂λ)². */
  readonly importance: Readonly<Record<string, readonly number[]>>;
  /** By factor parameter: "1" for what was chosen for pruning, "0" for what stays. */
  readonly chosen: Readonly<Record<string, string>>;
  /** By factor parameter: γ until the next look. */
  readonly gamma: Readonly<Record<string, readonly number[]>>;
  /** Whether all that was chosen is at zero, and nothing more has to be. */
  readonly isMet: boolean;
  /** What an exact count had more than the cost model, as a share of the full cost. */
  readonly correction: number;
}

interface Structure {
  /** Through all factors, as the cost model counts. */
  readonly number: number;
  readonly parameter: string;
  readonly index: number;
}

/** The share of the full cost that is to be left at `progress`: falls in a straight line through the window. */
export function plannedShare(progress: number, share: number, { start, end }: Window = usualWindow): number {
  const fallen = progress >= end ? 1 : Math.max(0, (progress - start) / (end - start));
  // Exactly `share` at the end, to the last bit: who asks whether the end is reached compares with it.
  return 1 - fallen + share * fallen;
}

export class BudgetController {
  readonly #options: BudgetControllerOptions;
  readonly #window: Window;
  /** Of the factors whose γ is above zero, which are those that can be pruned; and of the others. */
  readonly #structures: readonly (readonly Structure[])[];
  /** How readily structures of each kind are chosen: with γ in proportion to their mean cost, all kinds alike. */
  readonly #preference: ReadonlyMap<FactorKind, number>;

  constructor(options: BudgetControllerOptions) {
    this.#options = options;
    this.#window = options.window ?? usualWindow;
    let number = 0;
    this.#structures = options.factors.map(({ parameter, count }) =>
      Array.from({ length: count }, (_, index): Structure => ({ number: number++, parameter, index })),
    );
    this.#preference = this.#preferences();
  }

  /** Before the first look: nothing is chosen, and γ is 0. */
  initial(): ControllerState {
    const { factors } = this.#options;
    const zeros = factors.map(({ parameter, count }) => [parameter, Array<number>(count).fill(0)] as const);
    return {
      looks: 0,
      importance: Object.fromEntries(zeros),
      chosen: Object.fromEntries(factors.map(({ parameter, count }) => [parameter, "0".repeat(count)])),
      gamma: Object.fromEntries(zeros),
      isMet: false,
      correction: 0,
    };
  }

  /** What is left, as a share of the full cost, with these factors: by the model, corrected. */
  left(state: ControllerState, factors: Weights): number {
    return this.#shareOf(this.#options.model.remaining(zerosOf(this.#options.factors, factors)), state);
  }

  /** `state` corrected by an exact count of what is left with these factors. */
  corrected(state: ControllerState, factors: Weights, exact: number): ControllerState {
    const { model } = this.#options;
    const counted = this.#options.model.remaining(zerosOf(this.#options.factors, factors)).left;
    return { ...state, correction: (exact - counted) / model.whole };
  }

  /** The share of the full cost nearest to the budget that whole structures can leave. */
  get nearest(): number {
    const { model, share } = this.#options;
    const all = this.#groups(this.initial(), () => true);
    const numbers = all.flatMap(({ members }) => members.map((one) => one.number));
    return nearestShare(numbers, model.remaining(), model.whole, share);
  }

  /** γ of each structure until the next look, by factor parameter. */
  gammas({ gamma }: ControllerState): Weights {
    return new Map(
      this.#options.factors.map(({ parameter, count }) => [
        parameter,
        tensor([count], Float32Array.from(gamma[parameter] ?? [])),
      ]),
    );
  }

  /** The largest γ with which a structure of `kind` is on its way to zero now; 0 if none is. */
  gammaOf({ gamma }: ControllerState, kind: FactorKind): number {
    const own = this.#options.factors.filter((factor) => factor.kind === kind);
    const all = own.flatMap(({ parameter }) => gamma[parameter] ?? []);
    return all.reduce((most, one) => (one < HOLDING ? Math.max(most, one) : most), 0);
  }

  next(before: ControllerState, seen: Observation): ControllerState {
    const importance = this.#importance(before, seen);
    const state = { ...before, looks: before.looks + 1, importance };
    const chosen = this.#choose(state, seen);
    const isNew = this.#options.factors.some(({ parameter }) => chosen[parameter] !== before.chosen[parameter]);
    const isMoving = this.#structures.flat().some((one) => isChosen(one, chosen) && numberAt(one, seen.factors) !== 0);
    const isMet = !isNew && !isMoving && seen.progress >= this.#lastChoice(seen);
    return { ...state, chosen, isMet, gamma: this.#gamma({ ...state, chosen }, seen) };
  }

  /**
   * How long a chosen structure takes to zero, in shares of Ση: the part of the window that is usual, or what is safe.
   */
  #way(seen: Observation): number {
    const { start, end } = this.#window;
    const usual = (WAY * (end - start)) / (usualWindow.end - usualWindow.start);
    const safe = (this.#steps(seen) * seen.learningRate) / (FURTHEST * this.#options.totalRate);
    return Math.min(end - start, Math.max(Math.min(WAY, usual), safe));
  }

  /** From here on all is chosen that has to go, so that it is at zero by the end of the window. */
  #lastChoice(seen: Observation): number {
    return this.#window.end - this.#way(seen);
  }

  /**
   * How many steps a factor in motion goes on for, at its speed: to the next look, and for what momentum adds after it.
   */
  #steps({ interval }: Observation): number {
    return interval + this.#options.momentum / (1 - this.#options.momentum);
  }

  #preferences(): ReadonlyMap<FactorKind, number> {
    const { factors, model } = this.#options;
    const gammas = new Map(factors.map(({ kind, gamma }) => [kind, gamma] as const));
    return new Map(
      [...meanCosts(model, factors)].map(([kind, mean]) => [kind, (gammas.get(kind) ?? 0) / (mean || 1)] as const),
    );
  }

  /**
   * The running mean of (λ·∂loss/∂λ)², which estimates what the loss would change by if the structure went (the
   * first-order Taylor criterion; Molchanov et al., CVPR 2019). The gradient is what the velocity shows: under γ and a
   * mean gradient g, a factor comes to a velocity of −η(g + γ)/(1 − μ). Learnt only of what no γ moves: the others lose
   * λ because they were chosen.
   */
  #importance({ looks, importance, chosen, gamma }: ControllerState, seen: Observation): ControllerState["importance"] {
    const weight = Math.max(1 / (looks + 1), 1 / MEMORY);
    return this.#each((one) => {
      const { parameter, index } = one;
      const before = importance[parameter]?.[index] ?? 0;
      const value = numberAt(one, seen.factors);
      if (value === 0 || isChosen(one, chosen) || gamma[parameter]?.[index] !== 0) return before;
      const now = (value * this.#pull(one, 0, seen)) ** 2;
      return before + weight * (now - before);
    });
  }

  /** −∂loss/∂λ, as the velocity under `gamma` shows it: what holds the factor up. */
  #pull(one: Structure, gamma: number, { velocities, learningRate }: Observation): number {
    if (learningRate <= 0) return 0;
    return gamma + (numberAt(one, velocities) * (1 - this.#options.momentum)) / learningRate;
  }

  /**
   * Adds to what is chosen until the plan's share is left without it; or gives some back, if a correction left too
   * little.
   */
  #choose(state: ControllerState, seen: Observation): ControllerState["chosen"] {
    const { share } = this.#options;
    const { start } = this.#window;
    if (seen.progress < start) return state.chosen;
    const planned = plannedShare(seen.progress, share, { start, end: this.#lastChoice(seen) });
    const marks = Uint8Array.from(this.#structures.flat(), (one) => (isChosen(one, state.chosen) ? 1 : 0));
    const remaining = this.#options.model.remaining(marks);
    const goal = { now: planned, final: share, tolerance: TOLERANCE };
    const shareOf = (some: RemainingCost): number => this.#shareOf(some, state);
    const left = shareOf(remaining);
    if (left > planned + (state.isMet ? 3 : 0.5) * TOLERANCE) {
      const groups = this.#groups(state, (one) => !isChosen(one, state.chosen) && numberAt(one, seen.factors) !== 0);
      for (const number of chooseForPruning(groups, remaining, shareOf, goal)) marks[number] = 1;
    } else if (left < share - TOLERANCE) {
      const { isCut = () => false } = seen;
      const groups = this.#groups(state, (one) => isChosen(one, state.chosen) && !isCut(one.parameter, one.index));
      for (const number of chooseForRestoring(groups, remaining, shareOf, share)) marks[number] = 0;
    }
    const each = Object.entries(this.#each(({ number }) => marks[number] ?? 0));
    return Object.fromEntries(each.map(([parameter, own]) => [parameter, own.join("")]));
  }

  /** The structures that may be pruned and are `wanted`, factor by factor, the least important first. */
  #groups({ importance, chosen }: ControllerState, wanted: (one: Structure) => boolean): readonly Group[] {
    return this.#options.factors.flatMap((factor, at): Group[] => {
      if (factor.gamma <= 0) return [];
      const structures = this.#structures[at] ?? [];
      const importanceOf = ({ parameter, index }: Structure): number => importance[parameter]?.[index] ?? 0;
      const [first, end] = guarded(factor) ?? [0, 0];
      const isGuarded = ({ index }: Structure): boolean => index >= first && index < end;
      let spare = structures.filter((one) => isGuarded(one) && !isChosen(one, chosen)).length - 1;
      const members = structures
        .filter(wanted)
        .toSorted((a, b) => importanceOf(a) - importanceOf(b))
        .filter((one) => isChosen(one, chosen) || !isGuarded(one) || spare-- > 0)
        .map((one) => ({ number: one.number, importance: importanceOf(one) }));
      const preference = this.#preference.get(factor.kind) ?? 1;
      return members.length === 0 ? [] : [{ members, preference }];
    });
  }

  #gamma({ chosen, gamma }: ControllerState, seen: Observation): ControllerState["gamma"] {
    const { momentum, totalRate } = this.#options;
    const steps = this.#steps(seen);
    const safest = seen.learningRate > 0 ? (FURTHEST * (1 - momentum)) / (steps * seen.learningRate) : 0;
    const isLate = seen.progress >= this.#window.end;
    const push = isLate ? safest : Math.min(safest, (1 - momentum) / (this.#way(seen) * totalRate));
    const rescue = (safest * RESCUE) / FURTHEST;
    return this.#each((one) => {
      const value = numberAt(one, seen.factors);
      if (isChosen(one, chosen)) {
        if (value === 0) return HOLDING;
        const before = gamma[one.parameter]?.[one.index] ?? 0;
        return Math.min(HOLDING, Math.max(0, this.#pull(one, before, seen)) + push);
      }
      return value + steps * numberAt(one, seen.velocities) <= 0 ? -rescue : 0;
    });
  }

  #each(valueOfOne: (one: Structure) => number): Readonly<Record<string, readonly number[]>> {
    const { factors } = this.#options;
    return Object.fromEntries(
      factors.map(({ parameter }, at) => [parameter, (this.#structures[at] ?? []).map(valueOfOne)] as const),
    );
  }

  #shareOf(remaining: RemainingCost, { correction }: ControllerState): number {
    return remaining.left / this.#options.model.whole + correction;
  }
}

function isChosen({ parameter, index }: Structure, chosen: ControllerState["chosen"]): boolean {
  return chosen[parameter]?.[index] === "1";
}

function numberAt({ parameter, index }: Structure, values: Weights): number {
  return required(values.get(parameter)?.data[index], `structure ${index} of "${parameter}"`);
}
