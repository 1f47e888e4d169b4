/**
 * The γ policy of a run with a budget. Every few steps it gives the factors to the controller
 * (`selection/budget-controller.ts`) and sets the γ that the controller returns. It counts the exact cost when that
 * matters, and reports the progress. All decisions depend on the state and the settings alone, so a repeated or resumed
 * run has the same γ.
 */
import { optional } from "../../core/optional.ts";
import type { Weights } from "../../graph/graph.ts";
import { networkCost } from "../../latency/predict.ts";
import { budgetShare, costOf, BUDGET_TOLERANCE as TOLERANCE } from "../../selection/budget.ts";
import { BudgetController, type ControllerState, type Observation } from "../../selection/budget-controller.ts";
import { type CostKind, costModel } from "../../selection/cost-model.ts";
import { type Factor, factorKinds } from "../../selection/factors.ts";
import type { EventBody, NetworkCost } from "../events/events.ts";
import { type EpochResult, type Json, readHookState, type TrainingRun } from "../hooks/run-hook.ts";
import { learningRatesAt } from "../learning-rate/head-phase.ts";
import type { Session } from "../session/session.ts";
import type { Settings } from "../settings/settings.ts";
import { controllerStateOf, controllerStateSchema } from "./controller-state.ts";
import type { GammaPolicy } from "./gamma-policy.ts";
import { budgetWindow } from "./gamma-schedule.ts";
import { listOf, otherKinds, percent } from "./reachable-budget.ts";

/** Updates of γ in a run. */
const UPDATES = 250;
/** Most steps between two updates: about as many as momentum averages over. */
const LONGEST_INTERVAL = 10;

const GAMMA_BY_IGNORED =
  "gammaBy (--gamma-by) has no effect in a run with a budget, which sets γ of each structure by itself";

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
    [this.#gammas, this.#left] = this.#gammasAndLeft(session.checkpoint.network.weights);
  }

  /**
   * Restores `state`. A new run gets a notice if `gammaBy` is set, which has no effect here, and if the structures are
   * too large to meet the budget.
   */
  begin(run: TrainingRun, state: Json | undefined): void {
    if (state !== undefined) {
      this.#state = controllerStateOf(readHookState(this.name, controllerStateSchema, state));
      [this.#gammas, this.#left] = this.#gammasAndLeft(this.#session.checkpoint.network.weights);
    }
    if (run.step > 0) return;
    if (this.#session.settings.gammaBy !== "none") run.emit({ type: "notice", message: GAMMA_BY_IGNORED });
    const { nearest } = this.#controller;
    if (Math.abs(nearest - this.#share) <= TOLERANCE) return;
    const where =
      `With whole structures of these kinds the nearest cost to ${percent(this.#share)} ` +
      `is about ${percent(nearest)}`;
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
    [this.#gammas, this.#left] = this.#gammasAndLeft(seen.factors);
    if (hasChanged) run.emit(this.progressEvent());
  }

  /** Corrects the cost model by the exact cost of the epoch. */
  afterEpoch(_: TrainingRun, { state: { weights }, cost: exact }: EpochResult): void {
    this.#state = this.#corrected(weights, exact);
    this.#left = this.#controller.left(this.#state, weights);
  }

  progressEvent(): EventBody {
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
    run.emit(this.progressEvent());
    if (Math.abs(this.#left - this.#share) <= TOLERANCE) return;
    const [left, share] = [percent(this.#left), percent(this.#share)];
    run.emit({ type: "warning", reason: "budget-missed", ...this.#whyMissed(left, share) });
  }

  /** The state after the exact cost of the network with `weights` was counted. */
  #corrected(weights: Weights, exact: NetworkCost): ControllerState {
    return this.#controller.corrected(this.#state, weights, costOf(exact, this.#of));
  }

  /** γ for the current state, and the share of the cost that is left with `factors`. */
  #gammasAndLeft(factors: Weights): [gammas: Weights, left: number] {
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
    const left = new Map(
      factors.map((factor) => [factor.parameter, new Set(network.remainingIndices(factor))] as const),
    );
    return (parameter, index) => left.get(parameter)?.has(index) === false;
  }

  async #count(weights: Weights): Promise<NetworkCost> {
    const { graph, costs } = this.#session;
    return costs.countOnce({ graph, weights });
  }
}
