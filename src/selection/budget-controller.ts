/**
 * Sets γ of each structure during training, so that the pruned network costs what the budget allows.
 *
 * The controller updates γ every few steps. It estimates how important each structure is to the loss. It chooses the
 * least important ones for pruning, as many as the plan allows (`pruning-choice.ts`). It penalizes only those:
 *
 *     chosen, λ > 0      γ = −∂loss/∂λ, plus what moves λ from 1 to 0 in the planned time
 *     chosen, λ = 0      γ = ZERO_GAMMA: λ stays at zero
 *     others             γ = 0: they train as if there were no budget
 *     others, λ near 0   γ < 0: noise does not prune a structure that was not chosen
 *
 * Time is a share of Ση, the sum of the learning rates. A factor moves in proportion to η, so this measure suits every
 * schedule. The controller is a pure function of its state and an observation. `docs/budget.md` has a picture.
 */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { required } from "../core/errors.ts";
import { tensor } from "../core/tensor.ts";
import type { Weights } from "../graph/graph.ts";
import { fieldsOf } from "../graph/node-arguments.ts";
import { guarded } from "./budget.ts";
import { type CostModel, type RemainingCost, zerosOf } from "./cost-model.ts";
import { type Factor, type FactorKind, factorKinds } from "./factors.ts";
import { nearestShare } from "./nearest-share.ts";
import { chooseForPruning, chooseForRestoring, type Group } from "./pruning-choice.ts";
import { meanCosts } from "./structure-costs.ts";

/** The shares of Ση between which the cost falls. The rest of the run trains the structures that stay. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

/** The default window. */
export const usualWindow: Window = { start: 0.08, end: 0.55 };

/** The share of Ση in which a chosen structure moves from λ = 1 to 0, with the default window. */
const PRUNING_TIME = 0.08;
/** How far from its budget a run may end, as a share of the full cost. */
const TOLERANCE = 0.005;
/** A γ that is larger than any gradient. */
const ZERO_GAMMA = 100;
/** How far γ may move a factor before the next update, and how far it moves a factor away from zero. */
const MAX_MOVE = 0.5;
const RESCUE_MOVE = 0.1;
/** The importance is a running mean over about this many updates. */
const AVERAGED_UPDATES = 20;

export interface BudgetControllerOptions {
  readonly factors: readonly Factor[];
  readonly model: CostModel;
  /** The share of the full cost that the budget allows, 0 … 1. */
  readonly share: number;
  /** Momentum μ of the factors. */
  readonly momentum: number;
  /** Ση of the whole run. */
  readonly totalRate: number;
  /** Default `usualWindow`. */
  readonly window?: Window;
}

/** The controller's input. It covers the whole network: the factor of a cut structure is zero. */
export interface Observation {
  readonly factors: Weights;
  /** The factors' velocities. */
  readonly velocities: Weights;
  /** Ση so far as a share of Ση of the whole run, 0 … 1. */
  readonly progress: number;
  readonly learningRate: number;
  /** Steps until the next update. */
  readonly interval: number;
  /** Whether structure `index` of a factor was cut, so that it cannot be restored; default: none was. */
  readonly isCut?: (parameter: string, index: number) => boolean;
}

/** The controller's state, which each checkpoint stores. Arrays and strings have one entry per structure. */
export interface ControllerState {
  /** Updates so far. */
  readonly updates: number;
  /** By factor parameter: the running mean of (λ·∂loss/∂λ)². */
  readonly importance: Readonly<Record<string, readonly number[]>>;
  /** By factor parameter: "1" for a structure that was chosen for pruning, "0" for one that stays. */
  readonly chosen: Readonly<Record<string, string>>;
  /** By factor parameter: γ until the next update. */
  readonly gamma: Readonly<Record<string, readonly number[]>>;
  /** Whether every chosen structure is at zero, and no other has to be chosen. */
  readonly isMet: boolean;
  /** The last exact cost minus the cost model's, as a share of the full cost. */
  readonly correction: number;
}

interface Structure {
  /** Its number in the cost model, which counts through all factors. */
  readonly number: number;
  readonly parameter: string;
  readonly index: number;
}

/** The planned share of the full cost at `progress`. It falls in a straight line through the window. */
export function plannedShare(progress: number, share: number, { start, end }: Window = usualWindow): number {
  const fallen = progress >= end ? 1 : Math.max(0, (progress - start) / (end - start));
  // This form gives exactly `share` at the end, because callers compare the plan with it.
  return 1 - fallen + share * fallen;
}

export class BudgetController {
  readonly #options: BudgetControllerOptions;
  readonly #window: Window;
  /** The structures of each factor, in the order of the factors. */
  readonly #structures: readonly (readonly Structure[])[];
  /** By kind: γ over the mean cost. A kind with a larger preference is pruned sooner. */
  readonly #preference: ReadonlyMap<FactorKind, number>;

  constructor(options: BudgetControllerOptions) {
    requireArguments("new BudgetController", { options: [options, "object"] });
    requireArguments("new BudgetController", { "options.factors": [options.factors, "factors"] });
    this.#options = options;
    this.#window = options.window ?? usualWindow;
    let number = 0;
    this.#structures = options.factors.map(({ parameter, count }) =>
      Array.from({ length: count }, (_, index): Structure => ({ number: number++, parameter, index })),
    );
    const gammas = new Map(options.factors.map(({ kind, gamma }) => [kind, gamma] as const));
    const means = [...meanCosts(options.model, options.factors)];
    this.#preference = new Map(means.map(([kind, mean]) => [kind, (gammas.get(kind) ?? 0) / (mean || 1)]));
  }

  /** The state before the first update: no structure is chosen, and γ is 0. */
  initial(): ControllerState {
    return {
      updates: 0,
      importance: this.#each(() => 0),
      chosen: Object.fromEntries(this.#options.factors.map(({ parameter, count }) => [parameter, "0".repeat(count)])),
      gamma: this.#each(() => 0),
      isMet: false,
      correction: 0,
    };
  }

  /** The corrected cost of the network with these factors, as a share of the full cost. */
  left(state: ControllerState, factors: Weights): number {
    const taken = { state: [state, "state of a controller"], factors: [factors, "tensors"] } as const;
    requireArguments("BudgetController.left", taken);
    return this.#shareOf(this.#options.model.remaining(zerosOf(this.#options.factors, factors)), state);
  }

  /** `state` with the correction that makes the model's cost of these factors equal to `exact`. */
  corrected(state: ControllerState, factors: Weights, exact: number): ControllerState {
    requireArguments("BudgetController.corrected", {
      ...{ state: [state, "state of a controller"], factors: [factors, "tensors"], exact: [exact, "number"] },
    });
    const { model } = this.#options;
    const counted = model.remaining(zerosOf(this.#options.factors, factors)).left;
    return { ...state, correction: (exact - counted) / model.whole };
  }

  /** The share of the full cost nearest to the budget that pruning whole structures can reach. */
  get nearest(): number {
    const { model, share } = this.#options;
    const groups = this.#groups(this.initial(), () => true).map(({ members }) => members.map(({ number }) => number));
    return nearestShare(groups, model.remaining(), model.whole, share);
  }

  /** By factor parameter: γ of each structure until the next update. */
  gammas(state: ControllerState): Weights {
    requireArguments("BudgetController.gammas", { state: [state, "state of a controller"] });
    const of = (parameter: string): Float32Array => Float32Array.from(state.gamma[parameter] ?? []);
    const { factors } = this.#options;
    return new Map(factors.map(({ parameter, count }) => [parameter, tensor([count], of(parameter))]));
  }

  /** The largest γ of the structures of `kind` that move to zero now; 0 if none does. */
  gammaOf(state: ControllerState, kind: FactorKind): number {
    requireArguments("BudgetController.gammaOf", { state: [state, "state of a controller"] });
    requireOneOf("BudgetController.gammaOf", "kind", kind, factorKinds);
    const own = this.#options.factors.filter((factor) => factor.kind === kind);
    const all = own.flatMap(({ parameter }) => state.gamma[parameter] ?? []);
    return all.reduce((most, one) => (one < ZERO_GAMMA ? Math.max(most, one) : most), 0);
  }

  next(before: ControllerState, seen: Observation): ControllerState {
    const numbers = { progress: "number", learningRate: "number", interval: "number" } as const;
    const fields = fieldsOf("seen", seen, { factors: "tensors", velocities: "tensors", ...numbers });
    requireArguments("BudgetController.next", { before: [before, "state of a controller"], ...fields });
    const importance = this.#importance(before, seen);
    const state = { ...before, updates: before.updates + 1, importance };
    const chosen = this.#choose(state, seen);
    const isNew = this.#options.factors.some(({ parameter }) => chosen[parameter] !== before.chosen[parameter]);
    const isMoving = this.#structures.flat().some((one) => isChosen(one, chosen) && numberAt(one, seen.factors) !== 0);
    const isMet = !isNew && !isMoving && seen.progress >= this.#lastChoice(seen);
    return { ...state, chosen, isMet, gamma: this.#gamma({ ...state, chosen }, seen) };
  }

  /** The share of Ση in which a chosen structure moves to zero: in proportion to the window, but never too fast. */
  #pruningTime(seen: Observation): number {
    const { start, end } = this.#window;
    const usual = (PRUNING_TIME * (end - start)) / (usualWindow.end - usualWindow.start);
    const safe = (this.#steps(seen) * seen.learningRate) / (MAX_MOVE * this.#options.totalRate);
    return Math.min(end - start, Math.max(Math.min(PRUNING_TIME, usual), safe));
  }

  /** The progress at which the last structure is chosen, so that all are at zero by the end of the window. */
  #lastChoice(seen: Observation): number {
    return this.#window.end - this.#pruningTime(seen);
  }

  /** How many steps a factor goes on at its present speed: until the next update, and then by momentum. */
  #steps({ interval }: Observation): number {
    return interval + this.#options.momentum / (1 - this.#options.momentum);
  }

  /**
   * The running mean of (λ·∂loss/∂λ)², a first-order estimate of how the loss changes without the structure (Molchanov
   * et al., CVPR 2019). The velocity gives the gradient: under γ and a mean gradient g, it settles at
   * −η(g + γ)/(1 − μ). Only structures with γ = 0 are updated: λ of the others falls because they were chosen.
   */
  #importance(last: ControllerState, seen: Observation): ControllerState["importance"] {
    const { updates, importance, chosen, gamma } = last;
    const weight = Math.max(1 / (updates + 1), 1 / AVERAGED_UPDATES);
    return this.#each((one) => {
      const { parameter, index } = one;
      const before = importance[parameter]?.[index] ?? 0;
      const value = numberAt(one, seen.factors);
      if (value === 0 || isChosen(one, chosen) || gamma[parameter]?.[index] !== 0) return before;
      const now = (value * this.#descent(one, 0, seen)) ** 2;
      return before + weight * (now - before);
    });
  }

  /** −∂loss/∂λ, computed from the velocity under `gamma`. */
  #descent(one: Structure, gamma: number, { velocities, learningRate }: Observation): number {
    if (learningRate <= 0) return 0;
    return gamma + (numberAt(one, velocities) * (1 - this.#options.momentum)) / learningRate;
  }

  /** Chooses structures until the cost falls to the plan; or restores some, if a correction put it below the budget. */
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

  /** By factor: the structures that may be pruned and that `isCandidate` accepts, the least important first. */
  #groups({ importance, chosen }: ControllerState, isCandidate: (one: Structure) => boolean): readonly Group[] {
    return this.#options.factors.flatMap((factor, at): Group[] => {
      if (factor.gamma <= 0) return [];
      const structures = this.#structures[at] ?? [];
      const importanceOf = ({ parameter, index }: Structure): number => importance[parameter]?.[index] ?? 0;
      const [first, end] = guarded(factor) ?? [0, 0];
      const isGuarded = ({ index }: Structure): boolean => index >= first && index < end;
      let spare = structures.filter((one) => isGuarded(one) && !isChosen(one, chosen)).length - 1;
      const members = structures
        .filter(isCandidate)
        .toSorted((a, b) => importanceOf(a) - importanceOf(b))
        .filter((one) => isChosen(one, chosen) || !isGuarded(one) || spare-- > 0)
        .map((one) => ({ number: one.number, importance: importanceOf(one) }));
      if (members.length === 0) return [];
      const rootOf = (one: Structure): number => (isChosen(one, chosen) ? Math.sqrt(importanceOf(one)) : 0);
      const chosenSum = structures.reduce((sum, one) => sum + rootOf(one), 0);
      // If neurons did not wait, the order would depend on how far the plan falls between two updates.
      const waits = factor.kind !== "block" || this.#options.model.hasSteps;
      return [{ members, preference: this.#preference.get(factor.kind) ?? 1, chosenSum, waits }];
    });
  }

  #gamma({ chosen, gamma }: ControllerState, seen: Observation): ControllerState["gamma"] {
    const { momentum, totalRate } = this.#options;
    const steps = this.#steps(seen);
    const most = seen.learningRate > 0 ? (MAX_MOVE * (1 - momentum)) / (steps * seen.learningRate) : 0;
    const isLate = seen.progress >= this.#window.end;
    const excess = isLate ? most : Math.min(most, (1 - momentum) / (this.#pruningTime(seen) * totalRate));
    const rescue = (most * RESCUE_MOVE) / MAX_MOVE;
    return this.#each((one) => {
      const value = numberAt(one, seen.factors);
      if (isChosen(one, chosen)) {
        if (value === 0) return ZERO_GAMMA;
        const before = gamma[one.parameter]?.[one.index] ?? 0;
        return Math.min(ZERO_GAMMA, Math.max(0, this.#descent(one, before, seen)) + excess);
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
