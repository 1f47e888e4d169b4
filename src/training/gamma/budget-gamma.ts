/**
 * The budget of a run, between the loop and `selection/budget-controller.ts`: shows the controller the factors every
 * few steps, sets the γ it asks for, has the cost counted exactly when it matters, and reports how far the run has
 * come. All of it depends on the state and the settings alone, so a repeated or resumed run has the same γ.
 */
import { UserError } from "../../core/errors.ts";
import { cost } from "../../graph/cost.ts";
import type { Weights } from "../../graph/graph.ts";
import { budgetShare, describeBudget, smallestShare } from "../../selection/budget.ts";
import { BudgetController, type ControllerState, type Observation } from "../../selection/budget-controller.ts";
import { type CostKind, costModel, costNames } from "../../selection/cost-model.ts";
import { type Factor, factorKinds } from "../../selection/factors.ts";
import type { EventBody, NetworkCost } from "../events.ts";
import { type EpochResult, type Json, readHookState, type TrainingRun } from "../hooks/run-hook.ts";
import { learningRateAt } from "../schedules.ts";
import type { Session } from "../session.ts";
import type { Settings } from "../settings/settings.ts";
import type { StartingNetwork } from "../start/starting-network.ts";
import { controllerStateOf, controllerStateSchema } from "./controller-state.ts";
import type { GammaPolicy } from "./gamma-policy.ts";
import { budgetWindow } from "./gamma-schedule.ts";

/** Steps between two looks: so many looks a run, and none further apart than momentum remembers. */
const LOOKS = 250;
const LONGEST_INTERVAL = 10;

/** How far off the budget a run may end, as a share of the full cost. */
const PROMISED = 0.02;

/**
 * @throws UserError "bad-option" if `settings` ask for a budget that is above the full cost, below what guards leave of
 * the network, or that there is nothing to reach with.
 */
export function requireReachable({ budget, round }: Settings, { network, factors }: StartingNetwork): void {
  if (budget === undefined) return;
  const refuse = (message: string, expected: string, hint: string): never => {
    throw new UserError("bad-option", message, { about: "budget", expected, received: describeBudget(budget), hint });
  };
  const { graph } = network;
  const whole = cost(graph);
  const kinds = factorKinds.filter((kind) => factors.some((factor) => factor.kind === kind && factor.gamma > 0));
  if (kinds.length === 0)
    refuse("there is nothing to reach a budget with", "a kind with γ above 0", "Leave --gamma out");
  const full = `${whole[budget.of].toLocaleString("en")} ${costNames[budget.of]}`;
  if (budgetShare(budget, whole) > 1) refuse("the budget is more than the network", `at most ${full}`, "Ask for less");
  const least = smallestShare(graph, factors, budget.of, round);
  if (budgetShare(budget, whole) >= least) return;
  const smallest = (Math.ceil(1000 * least) / 10).toFixed(1);
  refuse(
    `the budget is below what is left of ${graph.name} if all goes that may`,
    `at least ${smallest} % of ${full}`,
    `Selected: ${kinds.map((kind) => `${kind}s`).join(", ")}; layers on the only path keep their last channel. ` +
      "Ask for more, or select more kinds",
  );
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
  /** Ση of the steps before each. */
  readonly #rates: Float64Array;
  #state: ControllerState;
  #gammas: Weights;
  #left: number;

  constructor(session: Session, budget: NonNullable<Settings["budget"]>) {
    const { settings, graph, factors, totalSteps } = session;
    this.#session = session;
    this.#of = budget.of;
    this.#share = budgetShare(budget, cost(graph));
    this.#rates = new Float64Array(totalSteps + 1);
    for (let step = 0; step < totalSteps; step++) {
      this.#rates[step + 1] = (this.#rates[step] ?? 0) + learningRateAt(settings.schedule, step, totalSteps);
    }
    this.#controller = new BudgetController({
      factors,
      model: costModel(graph, factors, budget.of, { round: settings.round }),
      share: this.#share,
      momentum: settings.momentum,
      totalRate: this.#rates[totalSteps] ?? 0,
      window: budgetWindow(settings, (epochs) => this.#progressAt(Math.round(epochs * session.stepsPerEpoch))),
    });
    this.#state = this.#controller.initial();
    [this.#gammas, this.#left] = this.#follow(session.checkpoint.network.weights);
  }

  /** Goes on as `state` says; in a new run, tells if the structures are too large for the budget to be met. */
  begin(run: TrainingRun, state: Json | undefined): void {
    if (state !== undefined) {
      this.#state = controllerStateOf(readHookState(this.name, controllerStateSchema, state));
      [this.#gammas, this.#left] = this.#follow(this.#session.checkpoint.network.weights);
    }
    const { nearest } = this.#controller;
    if (run.step > 0 || Math.abs(nearest - this.#share) <= PROMISED) return;
    const [share, least] = [percent(this.#share), percent(nearest)];
    const where = `Whole structures of these kinds come no nearer to ${share} than about ${least}`;
    const message = this.#hasNeurons ? where : `${where}; with neurons selected, too, they would`;
    run.emit({ type: "notice", message });
  }

  gammas(): Weights {
    return this.#gammas;
  }

  state(): Json {
    return { ...this.#state };
  }

  /** Looks, if it is time to. */
  async afterStep(run: TrainingRun): Promise<void> {
    const { step, totalSteps } = run;
    const interval = this.#interval;
    if (step % interval !== 0 || step >= totalSteps) return;
    const progress = this.#progressAt(step);
    const seen: Observation = {
      ...(await run.readFactors()),
      progress,
      learningRate: run.learningRateAt(step),
      interval,
      isCut: this.#isCut(),
    };
    let next = this.#controller.next(this.#state, seen);
    if (next.isMet && !this.#state.isMet) {
      // Nothing dies any more once the survivors are let go: so the model is not to be trusted with this alone.
      const { weights } = await this.#session.network.readWhole();
      next = this.#controller.next(
        this.#controller.corrected(this.#state, weights, (await this.#count(weights))[this.#of]),
        seen,
      );
    }
    const isNews = next.isMet !== this.#state.isMet;
    this.#state = next;
    [this.#gammas, this.#left] = this.#follow(seen.factors);
    if (isNews) run.emit(this.standing());
  }

  /** The cost has been counted: the model is corrected by it. */
  afterEpoch(_: TrainingRun, { state: { weights }, cost: exact }: EpochResult): void {
    this.#state = this.#controller.corrected(this.#state, weights, exact[this.#of]);
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

  /** Warns if the run is off the budget by more than is promised. */
  end(run: TrainingRun): void {
    run.emit(this.standing());
    if (Math.abs(this.#left - this.#share) <= PROMISED) return;
    const [left, share] = [percent(this.#left), percent(this.#share)];
    run.emit({ type: "warning", reason: "budget-missed", ...this.#whyMissed(left, share) });
  }

  /** γ of the state as it is now, and what is left with `factors`. */
  #follow(factors: Weights): [gammas: Weights, left: number] {
    return [this.#controller.gammas(this.#state), this.#controller.left(this.#state, factors)];
  }

  /** Steps between two looks. */
  get #interval(): number {
    return Math.min(LONGEST_INTERVAL, Math.max(1, Math.floor(this.#session.totalSteps / LOOKS)));
  }

  get #hasNeurons(): boolean {
    return this.#session.factors.some(({ kind }) => kind === "neuron");
  }

  /** Whether all that was chosen is at zero, and a cut would leave no more than the budget. */
  get #isMet(): boolean {
    return this.#state.isMet && this.#left <= this.#share + PROMISED;
  }

  #whyMissed(left: string, share: string): { readonly message: string; readonly hint: string } {
    const missed = `${left} is left, not the ${share} of the budget`;
    const inevitable = Math.abs(this.#controller.nearest - this.#share);
    const isAsNearAsCanBe = inevitable > PROMISED && Math.abs(this.#left - this.#share) <= inevitable + PROMISED;
    if (!isAsNearAsCanBe && !this.#state.isMet) {
      return { message: missed, hint: "Train for more epochs: structures had too few steps to reach zero" };
    }
    return {
      message: `${left} is left, the nearest to ${share} that whole structures of these kinds came to`,
      hint: this.#hasNeurons
        ? "Its layers are narrow: ask for a share that whole channels come to"
        : "Select neurons too: they fill what larger structures leave",
    };
  }

  /** The share of Ση that `step` steps have spent. */
  #progressAt(step: number): number {
    const { totalSteps } = this.#session;
    return (this.#rates[Math.min(totalSteps, Math.max(0, step))] ?? 0) / (this.#rates[totalSteps] ?? 1);
  }

  /** What was cut is at zero for good. */
  #isCut(): (parameter: string, index: number) => boolean {
    const { factors, network } = this.#session;
    if (network.cuts.length === 0) return () => false;
    const left = new Map(factors.map((factor) => [factor.parameter, new Set(network.numbersOf(factor))] as const));
    return (parameter, index) => left.get(parameter)?.has(index) === false;
  }

  async #count(weights: Weights): Promise<NetworkCost> {
    const { graph, background, settings } = this.#session;
    return background.call("count", { network: { graph, weights }, round: settings.round });
  }
}
