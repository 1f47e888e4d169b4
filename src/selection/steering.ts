/**
 * Steers γ during the one pass, so that what is left at the end costs what the budget says. Pure: from what it remembers and
 * what it sees every few steps to what it remembers next. How far the run is, is measured in learning rate: factors move by η,
 * so a share of Ση is worth the same wherever the schedule spends it.
 *
 * The cost is to fall in a straight line from START to END of the run. An integral controller multiplies γ while the cost is
 * behind that line and divides it while it is ahead. γ has a threshold, though, past which structures die by the hundred; so deaths
 * are rationed: the weakest structures, as many as the line a little further on has room for, stay under pressure. Others that come
 * near zero are spared (γ = 0) until it is their turn. Once the budget is met the survivors are let go for good, and what is at
 * zero is held there. docs/decisions/0011-a-budget-is-rationed.md
 */
import { required } from "../core/errors.ts";
import { tensor } from "../core/tensor.ts";
import type { Weights } from "../graph/graph.ts";
import { guarded } from "./budget.ts";
import type { Factor } from "./factors.ts";
import { type CostMeasure, type CostModel, type Tally, zerosOf } from "./tally.ts";

/** Shares of Ση between which the cost falls; all later steps are for the survivors. */
const START = 0.08;
const END = 0.55;
/** How far ahead of the line, as a share of Ση, structures may die. */
const AHEAD = 0.08;
/** From here on the weakest are urged, whatever it takes. */
const LATE = 0.62;
/** What counts as met, of the full cost: the budget is promised to 2 %. */
const TOLERANCE = 0.005;
/** Overshoot, of the full cost, from which structures may come back. */
const OVERSHOOT = 0.01;
/** γ grows by up to e^RATE per unit of Ση/Ση_total, reached where the cost is BEHIND (of what is to go) off the line. */
const RATE = 30;
const BEHIND = 0.15;
/** No γ may move a factor that nothing holds by more than this until the next look. */
const LONGEST_WAY = 0.5;
/** γ that no gradient of a structure at zero comes up against. */
const HOLDING = 100;

/**
 * What is done to a structure: γ = 0; the γ of its kind; as much as is safe; kept at zero; or pushed the other way by the γ of its
 * kind, because it would die out of its turn.
 */
const modes = { spared: "0", pressed: "1", urged: "2", held: "3", lifted: "4" } as const;

export interface SteeringState {
  /** Times the γ of each kind: that of the structures which are pressed. */
  readonly gamma: number;
  /** The γ of those which are urged, and the most for those which are pressed. */
  readonly largest: number;
  readonly isMet: boolean;
  /** By factor parameter: a mode for each structure. */
  readonly modes: Readonly<Record<string, string>>;
  /** What an exact count had more than the model, as a share of the full cost. */
  readonly correction: number;
}

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
}

interface Structure {
  readonly number: number;
  readonly factor: Factor;
  readonly index: number;
  /** Of its kind and its cost, times the common γ. */
  readonly ratio: number;
}

/** The share of the full cost that is to be left at `progress`. */
export function plannedShare(progress: number, share: number): number {
  return 1 - (1 - share) * Math.min(1, Math.max(0, (progress - START) / (END - START)));
}

export class Steering {
  readonly #options: SteeringOptions;
  readonly #structures: readonly Structure[];

  constructor(options: SteeringOptions) {
    this.#options = options;
    let number = 0;
    this.#structures = options.factors.flatMap((factor) =>
      Array.from({ length: factor.count }, (_, index): Structure => {
        const { gammaScale: scale = [1], gamma } = factor;
        return { number: number++, factor, index, ratio: gamma * (scale[scale.length === 1 ? 0 : index] ?? 1) };
      }),
    );
  }

  /** γ at first: what takes a factor that nothing holds from 1 to 0 by the time the budget is to be met. */
  get initial(): SteeringState {
    const { factors, momentum, totalRate } = this.#options;
    return {
      gamma: (1 - momentum) / (totalRate * END) / this.#leastRatio,
      largest: HOLDING,
      isMet: false,
      modes: Object.fromEntries(factors.map(({ parameter, count }) => [parameter, modes.pressed.repeat(count)])),
      correction: 0,
    };
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

  next(state: SteeringState, sight: Sight): SteeringState {
    const { share } = this.#options;
    const left = this.#share(this.#tally(sight.factors), state);
    const behind = (left - plannedShare(sight.progress, share)) / (1 - share + TOLERANCE);
    const pace = RATE * Math.min(1, Math.max(-1, behind / BEHIND));
    const largest = this.#largest(sight);
    const wanted = state.isMet ? state.gamma : state.gamma * Math.exp(pace * sight.progressed);
    const gamma = Math.min(wanted, largest / this.#leastRatio);
    const moved = { ...state, gamma, largest };
    const doomed = this.#doomed(moved, sight);
    const isMet = state.isMet
      ? left <= share + 3 * TOLERANCE || doomed.size === 0
      : doomed.size === 0 && this.#isAtEnd(left, sight);
    return {
      ...moved,
      isMet,
      modes: isMet ? this.#letGo(moved, left, sight) : this.#pressure(moved, left, sight, doomed),
    };
  }

  /** γ of each structure, by factor parameter. */
  gammas({ gamma, largest, modes: chosen }: SteeringState): Weights {
    const data = new Map(
      this.#options.factors.map(({ parameter, count }) => [parameter, new Float32Array(count)] as const),
    );
    for (const { factor, index, ratio } of this.#structures) {
      const mode = chosen[factor.parameter]?.[index];
      const own =
        mode === modes.held
          ? HOLDING
          : mode === modes.urged
            ? largest
            : mode === modes.pressed
              ? Math.min(largest, gamma * ratio)
              : mode === modes.lifted
                ? -Math.min(largest, gamma * ratio)
                : 0;
      required(data.get(factor.parameter), factor.parameter)[index] = own;
    }
    return new Map([...data].map(([parameter, own]) => [parameter, tensor([own.length], own)] as const));
  }

  /** The γ of a kind while it is pressed; 0 once the budget is met. */
  gammaOf({ gamma, largest, isMet }: SteeringState, kind: Factor["kind"]): number {
    const ratios = this.#options.factors.filter((factor) => factor.kind === kind).map((factor) => factor.gamma);
    return isMet ? 0 : Math.min(largest, gamma * Math.max(0, ...ratios));
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
  #steps({ interval }: Sight): number {
    return interval + this.#options.momentum / (1 - this.#options.momentum);
  }

  #largest(sight: Sight): number {
    const speedOfOne = sight.learningRate / (1 - this.#options.momentum);
    return Math.min(HOLDING, LONGEST_WAY / (this.#steps(sight) * speedOfOne));
  }

  #isAtEnd(left: number, { progress }: Sight): boolean {
    return left <= this.#options.share + TOLERANCE || progress >= END;
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
  #doomed(state: SteeringState, sight: Sight): ReadonlySet<number> {
    const { share, model, of } = this.#options;
    const goal = plannedShare(sight.progress + AHEAD, share);
    const tally = this.#tally(sight.factors);
    const alive = this.#structures.filter(
      ({ factor, index }) => sight.factors.get(factor.parameter)?.data[index] !== 0,
    );
    const foreseen = new Map(alive.map((one) => [one.number, this.#foreseen(one, state, sight)] as const));
    const weakest = alive
      .filter(({ ratio }) => ratio > 0)
      .toSorted((a, b) => (foreseen.get(a.number) ?? 0) - (foreseen.get(b.number) ?? 0));
    const survivors = this.#survivors(alive);
    const doomed = new Set<number>();
    const whole = model.whole[of];
    let nearest: { readonly number: number; readonly distance: number } | undefined;
    for (const { number, factor, index } of weakest) {
      const left = this.#share(tally, state);
      if (left <= goal + TOLERANCE / 2) break;
      const run = survivors.get(factor.parameter);
      if (run?.isGuarded(index) === true && run.count <= 1) continue;
      const gained = tally.gain(number) / whole;
      if (gained <= 0) continue;
      if (left - gained < goal - TOLERANCE / 2) {
        const distance = Math.abs(left - gained - share);
        if (nearest === undefined || distance < nearest.distance) nearest = { number, distance };
        continue;
      }
      tally.remove(number);
      doomed.add(number);
      if (run?.isGuarded(index) === true) run.count--;
    }
    // Where only large structures are left, the last one may overshoot if that is nearer than not to go.
    const isLast = doomed.size === 0 && goal <= share && nearest !== undefined;
    const distanceNow = this.#share(tally, state) - share;
    if (isLast && nearest !== undefined && distanceNow > TOLERANCE && nearest.distance < distanceNow) {
      doomed.add(nearest.number);
    }
    return doomed;
  }

  /** By parameter on the only path: how many of the guarded run are alive. */
  #survivors(alive: readonly Structure[]): ReadonlyMap<string, { isGuarded(index: number): boolean; count: number }> {
    const runs = new Map<string, { isGuarded(index: number): boolean; count: number }>();
    for (const { factor, index } of alive) {
      const run = guarded(factor);
      if (run === undefined) continue;
      const [start, end] = run;
      const isGuarded = (at: number): boolean => at >= start && at < end;
      const own = runs.get(factor.parameter) ?? { isGuarded, count: 0 };
      runs.set(factor.parameter, own);
      if (isGuarded(index)) own.count++;
    }
    return runs;
  }

  #pressure(state: SteeringState, left: number, sight: Sight, doomed: ReadonlySet<number>): SteeringState["modes"] {
    const isLate = sight.progress >= LATE;
    const goal = plannedShare(sight.progress + AHEAD, this.#options.share);
    return this.#modes((structure) => {
      const { number, factor, index } = structure;
      if (sight.factors.get(factor.parameter)?.data[index] === 0) {
        const before = state.modes[factor.parameter]?.[index];
        const wasDoomed = before === modes.pressed || before === modes.urged || before === modes.held;
        // What noise has taken, and not the plan, may come back while there is too little left.
        if (!wasDoomed && left < goal - TOLERANCE) return modes.lifted;
        return isLate ? modes.held : modes.pressed;
      }
      if (doomed.has(number)) return isLate ? modes.urged : modes.pressed;
      if (this.#foreseen(structure, state, sight) <= 0) return modes.lifted;
      return isLate ? modes.spared : modes.pressed;
    });
  }

  /** Survivors are let go, zeros are held: but for some, where too much has gone. */
  #letGo(state: SteeringState, left: number, sight: Sight): SteeringState["modes"] {
    const { share, model, of } = this.#options;
    const missing = share - left;
    const freed = new Set<number>();
    if (missing > OVERSHOOT) {
      const tally = this.#tally(sight.factors);
      const before = tally.left;
      for (const { number, factor, index } of this.#structures) {
        if (sight.factors.get(factor.parameter)?.data[index] !== 0) continue;
        tally.restore(number);
        // Half of them will not come back: their gradient holds them.
        if ((tally.left - before) / model.whole[of] <= 2 * missing) freed.add(number);
        else tally.remove(number);
      }
    }
    return this.#modes((structure) => {
      const { number, factor, index } = structure;
      if (freed.has(number)) return modes.lifted;
      if (sight.factors.get(factor.parameter)?.data[index] === 0) return modes.held;
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
