/**
 * Steers γ during the one pass, so that what is left at the end costs what the budget says. Pure: from what it remembers and
 * what it sees every few steps to what it remembers next. How far the run is, is measured in learning rate: factors move by η,
 * so a share of Ση is worth the same wherever the schedule spends it.
 *
 * The cost is to fall in a straight line over a part of the run. An integral controller multiplies γ while the cost is
 * behind that line and divides it while it is ahead; no structure is pressed by much more than what holds it. γ has a threshold, though, past which structures die by the hundred; so deaths
 * are rationed: the weakest structures, as many as the line a little further on has room for, stay under pressure. Others that come
 * near zero are lifted until it is their turn, and what noise took out of its turn is lifted back. Soon after the end of the line the
 * weakest are urged, whatever holds them. Once the budget is met the survivors are let go, and what is at zero then, and no other, is
 * held there for good. So neither noise nor how strongly the structures are held decides where the run ends.
 * docs/decisions/0011-a-budget-is-rationed.md
 */
import { required } from "../core/errors.ts";
import { tensor } from "../core/tensor.ts";
import type { Weights } from "../graph/graph.ts";
import { guarded } from "./budget.ts";
import type { Factor } from "./factors.ts";
import {
  gammaAt,
  HOLDING,
  holdOf,
  LONGEST_WAY,
  modes,
  mostOf,
  pressed,
  type SteeringState,
  type Structure,
} from "./pressure.ts";
import { type Candidate, doomedOf, exchangedOf, nearestShare, revivedOf, Survivors } from "./rations.ts";
import { type CostMeasure, type CostModel, type Tally, zerosOf } from "./tally.ts";

/** The shares of Ση between which the cost falls; all later steps are for the survivors. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

/** Unless a run says otherwise. */
export const usualWindow: Window = { start: 0.08, end: 0.55 };

/** How far ahead of the line, as a share of Ση, structures may die. */
const AHEAD = 0.08;
/** After this part of what is left of Ση behind the line, the weakest are urged, whatever it takes. */
const GRACE = 0.15;
/** What counts as met, of the full cost: the budget is promised to 2 %. */
const TOLERANCE = 0.005;
/** γ grows by up to e^RATE per unit of Ση/Ση_total, reached where the cost is BEHIND (of what is to go) off the line. */
const RATE = 30;
const BEHIND = 0.15;

export interface SteeringOptions {
  readonly factors: readonly Factor[];
  readonly model: CostModel;
  readonly of: CostMeasure;
  /** What is to be left of the full cost, 0 … 1. */
  readonly share: number;
  /** μ of the factors. */
  readonly momentum: number;
  /** Ση of the whole run. */
  readonly totalRate: number;
  /** Default `usualWindow`. */
  readonly window?: Window;
  /** Whether there is no pressure before the window; default false. */
  readonly waits?: boolean;
}

/** What is seen, always of the whole network: what was cut is at zero. */
export interface Sight {
  readonly factors: Weights;
  /** The factors' velocities. */
  readonly velocities: Weights;
  /** Ση so far, over the whole run's, 0 … 1; and what of it came since the last look. */
  readonly progress: number;
  readonly progressed: number;
  readonly learningRate: number;
  /** Steps until the next look. */
  readonly interval: number;
  /** Whether structure `index` of a factor was cut, and so cannot come back; default: none was. */
  readonly isCut?: (parameter: string, index: number) => boolean;
}

/** The share of the full cost that is to be left at `progress`. */
export function plannedShare(progress: number, share: number, { start, end }: Window = usualWindow): number {
  const fallen = Math.min(1, Math.max(0, (progress - start) / (end - start)));
  // Exactly `share` at the end, to the last bit: who asks whether the end is reached compares with it.
  return 1 - fallen + share * fallen;
}

export class Steering {
  readonly #options: SteeringOptions;
  readonly #window: Window;
  readonly #structures: readonly Structure[];

  constructor(options: SteeringOptions) {
    this.#options = options;
    this.#window = options.window ?? usualWindow;
    let number = 0;
    this.#structures = options.factors.flatMap((factor) =>
      Array.from({ length: factor.count }, (_, index): Structure => {
        const { gammaScale: scale = [1], gamma } = factor;
        return { number: number++, factor, index, ratio: gamma * (scale[scale.length === 1 ? 0 : index] ?? 1) };
      }),
    );
  }

  /** γ until the first look: what takes a factor that nothing holds from 1 to 0 by the time the budget is to be met, as far as is safe. */
  initial(first: Pick<Sight, "learningRate" | "interval">): SteeringState {
    const { factors, momentum, totalRate, waits = false } = this.#options;
    const { start, end } = this.#window;
    const way = waits ? end - start : end;
    const mode = waits && start > 0 ? modes.spared : modes.pressed;
    return {
      gamma: (1 - momentum) / (totalRate * way) / this.#leastRatio,
      largest: this.#largest(first),
      holds: Object.fromEntries(factors.map(({ parameter, count }) => [parameter, Array<number>(count).fill(0)])),
      isMet: false,
      modes: Object.fromEntries(factors.map(({ parameter, count }) => [parameter, mode.repeat(count)])),
      correction: 0,
    };
  }

  /** How much shorter than usual the line is, at most 1: all that waits for something on the way waits for less then. */
  get #haste(): number {
    const { start, end } = this.#window;
    return Math.min(1, (end - start) / (usualWindow.end - usualWindow.start));
  }

  get #leastRatio(): number {
    return Math.min(...this.#options.factors.map(({ gamma }) => gamma).filter((gamma) => gamma > 0));
  }

  /** What is left, as a share of the full cost, with these factors: by the model, corrected. */
  left(state: SteeringState, factors: Weights): number {
    return this.#share(this.#tally(factors), state);
  }

  /** `state` corrected by an exact count of what is left with these factors. */
  corrected(state: SteeringState, factors: Weights, exact: number): SteeringState {
    const { model, of } = this.#options;
    return { ...state, correction: (exact - this.#tally(factors).left) / model.whole[of] };
  }

  /** The share of the full cost nearest to the budget that whole structures can leave. */
  get nearest(): number {
    const { model, of, share } = this.#options;
    const numbers = this.#structures.filter(({ ratio }) => ratio > 0).map(({ number }) => number);
    return nearestShare(numbers, model.tally(of), model.whole[of], share);
  }

  next(state: SteeringState, sight: Sight): SteeringState {
    const { share, waits = false } = this.#options;
    const largest = this.#largest(sight);
    const holds = this.#holds(state, sight);
    if (waits && sight.progress < this.#window.start) {
      return { ...state, largest, holds, modes: this.#modes(() => modes.spared) };
    }
    const tally = this.#tally(sight.factors);
    const left = this.#share(tally, state);
    const behind = (left - this.#planned(sight.progress)) / (1 - share + TOLERANCE);
    const pace = (RATE / this.#haste) * Math.min(1, Math.max(-1, behind / BEHIND));
    const wanted = state.isMet ? state.gamma : state.gamma * Math.exp(pace * sight.progressed);
    const gamma = Math.min(wanted, this.#most({ largest, holds }, sight));
    const moved = { ...state, gamma, largest, holds };
    const doomed = this.#doomed(moved, sight, tally.copy());
    const revived = doomed.size > 0 ? new Set<number>() : this.#revived(moved, sight, tally);
    const isSettled = doomed.size === 0 && revived.size === 0;
    const isMet = state.isMet ? left <= share + 3 * TOLERANCE || isSettled : isSettled && this.#isAtEnd(left, sight);
    return {
      ...moved,
      isMet,
      modes: isMet ? this.#letGo(moved, sight, revived) : this.#pressure(moved, sight, doomed, revived),
    };
  }

  /** γ of each structure, by factor parameter. */
  gammas(state: SteeringState): Weights {
    const data = new Map(
      this.#options.factors.map(({ parameter, count }) => [parameter, new Float32Array(count)] as const),
    );
    for (const structure of this.#structures) {
      const { factor, index } = structure;
      required(data.get(factor.parameter), factor.parameter)[index] = gammaAt(structure, state);
    }
    return new Map([...data].map(([parameter, own]) => [parameter, tensor([own.length], own)] as const));
  }

  /** The γ of a kind while it is pressed, the most of it; 0 once the budget is met. */
  gammaOf(state: SteeringState, kind: Factor["kind"]): number {
    const own = this.#structures.filter(({ factor }) => factor.kind === kind);
    return state.isMet ? 0 : Math.max(0, ...own.map((one) => pressed(one, state)));
  }

  #share(tally: Tally, { correction }: SteeringState): number {
    return tally.left / this.#options.model.whole[this.#options.of] + correction;
  }

  #tally(factors: Weights): Tally {
    const tally = this.#options.model.tally(this.#options.of);
    zerosOf(this.#options.factors, factors).forEach((isZero, number) => {
      if (isZero === 1) tally.remove(number);
    });
    return tally;
  }

  /** Steps that a factor in motion goes on for, at its speed: to the next look, and for what momentum adds after it. */
  #steps({ interval }: Pick<Sight, "interval">): number {
    return interval + this.#options.momentum / (1 - this.#options.momentum);
  }

  #largest(sight: Pick<Sight, "learningRate" | "interval">): number {
    const speedOfOne = sight.learningRate / (1 - this.#options.momentum);
    return Math.min(HOLDING, LONGEST_WAY / (this.#steps(sight) * speedOfOne));
  }

  /**
   * What holds each structure up: a factor whose gradient is −h and that is pressed by γ comes to a speed of η(h − γ)/(1 − μ), so
   * h is γ + v(1 − μ)/η. What is at zero does not move, so what held it last is kept.
   */
  #holds(state: SteeringState, sight: Sight): SteeringState["holds"] {
    const perSpeed = sight.learningRate > 0 ? (1 - this.#options.momentum) / sight.learningRate : 0;
    const holds = Object.fromEntries(this.#options.factors.map(({ parameter }) => [parameter, [] as number[]]));
    for (const one of this.#structures) {
      const { parameter } = one.factor;
      const velocity = sight.velocities.get(parameter)?.data[one.index] ?? 0;
      const shown = Math.min(HOLDING, Math.max(0, gammaAt(one, state) + velocity * perSpeed));
      holds[parameter]?.push(isZero(one, sight) ? holdOf(one, state) : shown);
    }
    return holds;
  }

  /** The most that the common γ is worth: more of it would press no living structure any harder. */
  #most(state: Pick<SteeringState, "largest" | "holds">, sight: Sight): number {
    const living = this.#structures.filter((one) => one.ratio > 0 && !isZero(one, sight));
    return Math.max(0, ...living.map((one) => mostOf(one, state) / one.ratio));
  }

  #isAtEnd(left: number, { progress }: Sight): boolean {
    return Math.abs(left - this.#options.share) <= TOLERANCE || progress >= this.#window.end;
  }

  #isLate({ progress }: Sight): boolean {
    const { end } = this.#window;
    return progress >= end + GRACE * this.#haste * (1 - end);
  }

  #planned(progress: number): number {
    return plannedShare(progress, this.#options.share, this.#window);
  }

  /** What may be gone at the next look. */
  #goal({ progress }: Sight): number {
    return this.#planned(progress + AHEAD * this.#haste);
  }

  /** Where a factor that is alive will be after the next look if it is pressed until then. */
  #foreseen({ factor, index, ratio }: Structure, { gamma, largest }: SteeringState, sight: Sight): number {
    const value = sight.factors.get(factor.parameter)?.data[index] ?? 0;
    const velocity = sight.velocities.get(factor.parameter)?.data[index] ?? 0;
    // A factor at rest takes about 1 / (1 − μ) steps to come up to its speed.
    const pressed = (0.5 * sight.learningRate * Math.min(largest, gamma * ratio)) / (1 - this.#options.momentum);
    return value - this.#steps(sight) * Math.max(-velocity, pressed);
  }

  /** Numbers of the living structures that may die now: the weakest that the plan has room for. */
  #doomed(state: SteeringState, sight: Sight, tally: Tally): ReadonlySet<number> {
    const goal = { now: this.#goal(sight), final: this.#options.share, tolerance: TOLERANCE };
    if (this.#share(tally, state) <= goal.now + TOLERANCE / 2) return new Set();
    const alive = this.#structures.filter((one) => !isZero(one, sight));
    const isLate = this.#isLate(sight);
    // What is urged already stays first: a choice that noise could turn at each look would come to nothing.
    const before = ({ factor, index }: Structure): number =>
      isLate && state.modes[factor.parameter]?.[index] === modes.urged ? LONGEST_WAY : 0;
    const order = new Map(alive.map((one) => [one.number, this.#foreseen(one, state, sight) - before(one)] as const));
    const survivors = new Survivors();
    const candidates = alive
      .filter(({ ratio }) => ratio > 0)
      .toSorted((a, b) => (order.get(a.number) ?? 0) - (order.get(b.number) ?? 0))
      .map(({ number, factor, index }): Candidate => {
        const [start, end] = guarded(factor) ?? [0, 0];
        if (index < start || index >= end) return { number, isLast: () => false, take: () => {} };
        const { parameter } = factor;
        return { number, isLast: () => survivors.isLast(parameter), take: () => survivors.take(parameter) };
      });
    for (const { factor, index } of alive) {
      const [start, end] = guarded(factor) ?? [0, 0];
      if (index >= start && index < end) survivors.add(factor.parameter);
    }
    return doomedOf(candidates, tally, (some) => this.#share(some, state), goal);
  }

  /**
   * Numbers of structures at zero that have to come back: because too many have gone, first those that went out of their turn; or for others
   * to go in their place.
   */
  #revived(state: SteeringState, sight: Sight, tally: Tally): ReadonlySet<number> {
    const goal = this.#goal(sight);
    const over = this.#share(tally, state) - goal;
    // Too much is left at the end of the line, and none more can go: the wrong ones went.
    const isStuck = over > TOLERANCE && !state.isMet && goal <= this.#options.share;
    if (over >= -TOLERANCE && !isStuck) return new Set();
    const { isCut = () => false } = sight;
    const claim = ({ factor: { parameter }, index }: Structure): number =>
      (state.modes[parameter]?.[index] === modes.lifted ? 1 : 0) + (sight.velocities.get(parameter)?.data[index] ?? 0);
    const zeros = this.#structures
      .filter((one) => one.ratio > 0 && isZero(one, sight) && !isCut(one.factor.parameter, one.index))
      .toSorted((a, b) => claim(b) - claim(a))
      .map(({ number }) => number);
    const living = this.#removable(sight);
    const { model, of } = this.#options;
    const nearestWith = (some: Tally): number =>
      Math.abs(nearestShare(living, some, model.whole[of], goal - state.correction) + state.correction - goal);
    if (isStuck) return new Set(exchangedOf(zeros, tally, over, nearestWith));
    const limits = { goal, tolerance: 2 * TOLERANCE };
    return revivedOf(zeros, tally, (some) => this.#share(some, state), limits, nearestWith);
  }

  /** Numbers of the living structures that could go: of those of which one has to stay, all but one. */
  #removable(sight: Sight): readonly number[] {
    const kept = new Set<string>();
    return this.#structures
      .filter((one) => {
        const { factor, index, ratio } = one;
        if (ratio === 0 || isZero(one, sight)) return false;
        const [start, end] = guarded(factor) ?? [0, 0];
        if (index < start || index >= end || kept.has(factor.parameter)) return true;
        kept.add(factor.parameter);
        return false;
      })
      .map(({ number }) => number);
  }

  #pressure(
    state: SteeringState,
    sight: Sight,
    doomed: ReadonlySet<number>,
    revived: ReadonlySet<number>,
  ): SteeringState["modes"] {
    const isLate = this.#isLate(sight);
    return this.#modes((structure) => {
      const { number } = structure;
      if (isZero(structure, sight)) {
        if (revived.has(number)) return modes.lifted;
        return isLate ? modes.held : modes.pressed;
      }
      if (doomed.has(number)) return isLate ? modes.urged : modes.pressed;
      if (this.#foreseen(structure, state, sight) <= 0) return modes.lifted;
      return isLate ? modes.spared : modes.pressed;
    });
  }

  /** Survivors are let go, what was at zero when the budget was met is held there, and what has come to zero since is lifted. */
  #letGo(state: SteeringState, sight: Sight, revived: ReadonlySet<number>): SteeringState["modes"] {
    return this.#modes((structure) => {
      const { number, factor, index } = structure;
      if (isZero(structure, sight)) {
        const isHeld = !state.isMet || state.modes[factor.parameter]?.[index] === modes.held;
        return isHeld && !revived.has(number) ? modes.held : modes.lifted;
      }
      return this.#foreseen({ ...structure, ratio: 0 }, state, sight) <= 0 ? modes.lifted : modes.spared;
    });
  }

  #modes(modeOf: (structure: Structure) => string): SteeringState["modes"] {
    const chosen: Record<string, string> = {};
    for (const structure of this.#structures) {
      const { parameter } = structure.factor;
      chosen[parameter] = (chosen[parameter] ?? "") + modeOf(structure);
    }
    return chosen;
  }
}

function isZero({ factor, index }: Structure, { factors }: Sight): boolean {
  return factors.get(factor.parameter)?.data[index] === 0;
}
