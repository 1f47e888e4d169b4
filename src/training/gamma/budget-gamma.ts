/**
 * The γ policy of a run with a budget. Every few steps it gives the factors to the controller
 * (`selection/budget-controller.ts`) and sets the γ that the controller returns. It counts the exact cost when that
 * matters, and reports the progress. All decisions depend on the state and the settings alone, so a repeated or resumed
 * run has the same γ.
 */
import { required, UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { Graph, Weights } from "../../graph/graph.ts";
import { networkCost } from "../../latency/predict.ts";
import type { LatencyTable } from "../../latency/table.ts";
import { withoutFactors } from "../../latency/timed-layers.ts";
import {
  budgetShare,
  describeBudget,
  describeCost,
  nearestReachable,
  smallestShare,
  BUDGET_TOLERANCE as TOLERANCE,
} from "../../selection/budget.ts";
import { BudgetController, type ControllerState, type Observation } from "../../selection/budget-controller.ts";
import { type CostKind, costModel } from "../../selection/cost-model.ts";
import { type Factor, type FactorKind, factorKinds } from "../../selection/factors.ts";
import { refusedLayers, structureKinds } from "../../selection/place.ts";
import type { EventBody, NetworkCost } from "../events/events.ts";
import { type EpochResult, type Json, readHookState, type TrainingRun } from "../hooks/run-hook.ts";
import { learningRatesAt } from "../learning-rate/head-phase.ts";
import { roundingOf, type Session } from "../session/session.ts";
import type { Settings } from "../settings/settings.ts";
import type { StartingNetwork } from "../start/starting-network.ts";
import { controllerStateOf, controllerStateSchema } from "./controller-state.ts";
import type { GammaPolicy } from "./gamma-policy.ts";
import { budgetWindow } from "./gamma-schedule.ts";

/** Updates of γ in a run. */
const UPDATES = 250;
/** Most steps between two updates: about as many as momentum averages over. */
const LONGEST_INTERVAL = 10;

/** A budget from which whole structures stay further away than this share of the full cost is refused. */
const FARTHEST = 0.08;

/** A refusal names at most this many layers for one reason. */
const LISTED = 3;

const GAMMA_BY_IGNORED =
  "gammaBy (--gamma-by) has no effect in a run with a budget, which sets γ of each structure by itself";

/**
 * @throws UserError "bad-option" if the budget is above the full cost, below the smallest cost that pruning can reach,
 * or if no kind of structure has a γ above 0.
 */
export function requireReachable(
  settings: Settings,
  { network, factors }: StartingNetwork,
  latencyTable?: LatencyTable,
): void {
  const { budget } = settings;
  if (budget === undefined) return;
  const refuse = (message: string, expected: string, hint: string): never => {
    throw new UserError("bad-option", message, { about: "budget", expected, received: describeBudget(budget), hint });
  };
  const { graph } = network;
  const options = { round: roundingOf(settings, latencyTable), ...optional({ latencyTable }) };
  const whole = networkCost(graph, latencyTable);
  const kinds = factorKinds.filter((kind) => factors.some((factor) => factor.kind === kind && factor.gamma > 0));
  if (factors.length === 0) {
    throw new UserError("bad-option", `${graph.name} has no structures that can be pruned`, {
      about: "budget",
      hint: "Leave --budget out to train without pruning",
      list: refusedLayers(graph).map(({ layers, reason }) => `${layers.slice(0, LISTED).join(", ")}: ${reason}`),
    });
  }
  if (kinds.length === 0)
    refuse("no structures can be pruned to meet the budget", "a kind with γ above 0", "Leave --gamma out");
  const full = describeCost(budget.of, required(whole[budget.of], "the predicted latency"));
  if (budgetShare(budget, whole) > 1)
    refuse("the budget is larger than the network's cost", `at most ${full}`, "Ask for less");
  const least = smallestShare(graph, factors, budget.of, options);
  const share = budgetShare(budget, whole);
  const unused = otherKinds(graph, factors);
  const others = unused.length === 0 ? "" : `, or select ${listOf(unused)} too`;
  if (share >= least) {
    const nearest = nearestReachable(graph, factors, { of: budget.of, share }, options);
    if (Math.abs(nearest - share) <= FARTHEST) return;
    refuse(
      `whole structures of ${graph.name} cannot come near the budget`,
      `${percent(nearest)} of ${full}, the nearest that they can come to`,
      `Selected: ${listOf(kinds)}. Ask for ${percent(nearest)}${others}`,
    );
  }
  const smallest = (Math.ceil(1000 * least) / 10).toFixed(1);
  refuse(
    `the budget is below what is left of ${graph.name} if everything is pruned that can be`,
    `at least ${smallest} % of ${full}`,
    `Selected: ${listOf(kinds)}; layers on the only path keep their last channel. Ask for more${others}`,
  );
}

function listOf(kinds: readonly FactorKind[]): string {
  return kinds.map((kind) => `${kind}s`).join(" and ");
}

/** The kinds of structures that a network with these factors has besides those that are selected. */
function otherKinds(graph: Graph, factors: readonly Factor[]): readonly FactorKind[] {
  const selected = new Set(factors.filter(({ gamma }) => gamma > 0).map(({ kind }) => kind));
  return structureKinds(withoutFactors(graph)).filter((kind) => !selected.has(kind));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export class BudgetGamma implements GammaPolicy {
  readonly name: string = "budget";
  readonly #session: Session;
  readonly #controller: BudgetController;
  readonly #share: number;
  readonly #of: CostKind;
  /** For each step: Ση, the sum of the factors' learning rates, over the steps before it. */
  readonly #rates: Float64Array;
  /** The factors' multiple of the learning rate. */
  readonly #multiple: number;
  #state: ControllerState;
  #gammas: Weights;
  #left: number;

  constructor(session: Session, budget: NonNullable<Settings["budget"]>) {
    const { settings, graph, factors, totalSteps, latencyTable } = session;
    this.#session = session;
    this.#of = budget.of;
    this.#share = budgetShare(budget, networkCost(graph, latencyTable));
    this.#multiple = settings.learningRateOf?.factor ?? 1;
    this.#rates = new Float64Array(totalSteps + 1);
    for (let step = 0; step < totalSteps; step++) {
      const { body } = learningRatesAt(settings, step, totalSteps);
      this.#rates[step + 1] = (this.#rates[step] ?? 0) + this.#multiple * body;
    }
    this.#controller = new BudgetController({
      factors,
      model: costModel(graph, factors, budget.of, {
        round: session.rounding,
        ...optional({ latencyTable }),
      }),
      share: this.#share,
      momentum: settings.momentum,
      totalRate: this.#rates[totalSteps] ?? 0,
      window: budgetWindow(settings, (epochs) => this.#progressAt(Math.round(epochs * session.stepsPerEpoch))),
    });
    this.#state = this.#controller.initial();
    [this.#gammas, this.#left] = this.#follow(session.checkpoint.network.weights);
  }

  /**
   * Restores `state`. A new run gets a notice if `gammaBy` is set, which has no effect here, and if the structures are
   * too large to meet the budget.
   */
  begin(run: TrainingRun, state: Json | undefined): void {
    if (state !== undefined) {
      this.#state = controllerStateOf(readHookState(this.name, controllerStateSchema, state));
      [this.#gammas, this.#left] = this.#follow(this.#session.checkpoint.network.weights);
    }
    if (run.step > 0) return;
    if (this.#session.settings.gammaBy !== "none") run.emit({ type: "notice", message: GAMMA_BY_IGNORED });
    const { nearest } = this.#controller;
    if (Math.abs(nearest - this.#share) <= TOLERANCE) return;
    const [share, least] = [percent(this.#share), percent(nearest)];
    const where = `With whole structures of these kinds the nearest cost to ${share} is about ${least}`;
    const others = this.#otherKinds;
    run.emit({ type: "notice", message: others === "" ? where : `${where}; select ${others} too to come nearer` });
  }

  gammas(): Weights {
    return this.#gammas;
  }

  state(): Json {
    return { ...this.#state };
  }

  /** Updates γ every `#interval` steps. */
  async afterStep(run: TrainingRun): Promise<void> {
    const { step, totalSteps } = run;
    const interval = this.#interval;
    if (step % interval !== 0 || step >= totalSteps) return;
    const { body: learningRate } = learningRatesAt(this.#session.settings, step, totalSteps);
    // The factors do not move while the head is trained alone.
    if (learningRate === 0 && step < totalSteps - 1) return;
    const progress = this.#progressAt(step);
    const seen: Observation = {
      ...(await run.readFactors()),
      progress,
      learningRate: this.#multiple * learningRate,
      interval,
      isCut: this.#isCut(),
    };
    let next = this.#controller.next(this.#state, seen);
    if (next.isMet && !this.#state.isMet) {
      // Once the budget is met no further structure reaches zero. The cost model is inexact, so check with an exact
      // count.
      const { weights } = await this.#session.network.readWhole();
      next = this.#controller.next(this.#corrected(weights, await this.#count(weights)), seen);
    }
    const hasChanged = next.isMet !== this.#state.isMet;
    this.#state = next;
    [this.#gammas, this.#left] = this.#follow(seen.factors);
    if (hasChanged) run.emit(this.standing());
  }

  /** Corrects the cost model by the exact cost of the epoch. */
  afterEpoch(_: TrainingRun, { state: { weights }, cost: exact }: EpochResult): void {
    this.#state = this.#corrected(weights, exact);
    this.#left = this.#controller.left(this.#state, weights);
  }

  standing(): EventBody {
    const { factors } = this.#session;
    const kinds = factorKinds.filter((kind) => factors.some((factor: Factor) => factor.kind === kind));
    return {
      type: "budget",
      of: this.#of,
      share: this.#share,
      left: this.#left,
      isMet: this.#isMet,
      gamma: Object.fromEntries(kinds.map((kind) => [kind, this.#controller.gammaOf(this.#state, kind)])),
    };
  }

  isReached(factors: Weights): boolean {
    return this.#state.isMet && this.#controller.left(this.#state, factors) <= this.#share + TOLERANCE;
  }

  /** Warns if the run has missed the budget by more than the tolerance. */
  end(run: TrainingRun): void {
    run.emit(this.standing());
    if (Math.abs(this.#left - this.#share) <= TOLERANCE) return;
    const [left, share] = [percent(this.#left), percent(this.#share)];
    run.emit({ type: "warning", reason: "budget-missed", ...this.#whyMissed(left, share) });
  }

  /** The state after the exact cost of the network with `weights` was counted. */
  #corrected(weights: Weights, exact: NetworkCost): ControllerState {
    return this.#controller.corrected(this.#state, weights, required(exact[this.#of], "the predicted latency"));
  }

  /** γ for the current state, and the share of the cost that is left with `factors`. */
  #follow(factors: Weights): [gammas: Weights, left: number] {
    return [this.#controller.gammas(this.#state), this.#controller.left(this.#state, factors)];
  }

  /** Steps between two updates. */
  get #interval(): number {
    return Math.min(LONGEST_INTERVAL, Math.max(1, Math.floor(this.#session.totalSteps / UPDATES)));
  }

  /** The kinds of structures that the network has and the run does not prune, as words; empty if there are none. */
  get #otherKinds(): string {
    const { graph, factors } = this.#session;
    return listOf(otherKinds(graph, factors));
  }

  /** Whether all chosen structures are at zero, and a cut would leave no more than the budget. */
  get #isMet(): boolean {
    return this.#state.isMet && this.#left <= this.#share + TOLERANCE;
  }

  #whyMissed(left: string, share: string): { readonly message: string; readonly hint: string } {
    const missed = `${left} is left, not the ${share} of the budget`;
    const inevitable = Math.abs(this.#controller.nearest - this.#share);
    const isAsNearAsCanBe = inevitable > TOLERANCE && Math.abs(this.#left - this.#share) <= inevitable + TOLERANCE;
    if (!isAsNearAsCanBe && !this.#state.isMet) {
      return { message: missed, hint: "Train for more epochs: the structures had too few steps to reach zero" };
    }
    return {
      message: `${left} is left: the nearest to ${share} that whole structures of these kinds can come`,
      hint:
        this.#otherKinds === ""
          ? "Its structures are large: ask for a share that whole ones can meet"
          : `Select ${this.#otherKinds} too, or ask for a share that whole structures can meet`,
    };
  }

  /** The share of the run's Ση in the first `step` steps. */
  #progressAt(step: number): number {
    const { totalSteps } = this.#session;
    return (this.#rates[Math.min(totalSteps, Math.max(0, step))] ?? 0) / (this.#rates[totalSteps] ?? 1);
  }

  /** Whether a structure has been cut from the network. */
  #isCut(): (parameter: string, index: number) => boolean {
    const { factors, network } = this.#session;
    if (network.cuts.length === 0) return () => false;
    const left = new Map(factors.map((factor) => [factor.parameter, new Set(network.numbersOf(factor))] as const));
    return (parameter, index) => left.get(parameter)?.has(index) === false;
  }

  async #count(weights: Weights): Promise<NetworkCost> {
    const { graph, costs } = this.#session;
    return costs.countOnce({ graph, weights });
  }
}
