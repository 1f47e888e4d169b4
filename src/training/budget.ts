/**
 * The budget of a run, between the loop and `selection/steering.ts`: looks at the factors every few steps, feeds the γ that comes of
 * it, has the cost counted exactly when it matters, and tells how it stands. All of it depends on state and settings alone, so a
 * run that is repeated or resumed is steered alike.
 */
import { UserError } from "../core/errors.ts";
import { cost } from "../graph/cost.ts";
import { budgetShare, describeBudget, smallestShare } from "../selection/budget.ts";
import { type Factor, factorKinds } from "../selection/factors.ts";
import type { SteeringState } from "../selection/pressure.ts";
import { type Sight, Steering } from "../selection/steering.ts";
import { CostModel } from "../selection/tally.ts";
import type { EventBody, NetworkCost } from "./events.ts";
import { budgetWindow } from "./gamma-window.ts";
import { learningRateAt } from "./schedules.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings/settings.ts";
import type { StartingNetwork } from "./starting-network.ts";
import type { TrainingState } from "./whole-state.ts";

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
  const full = `${whole[budget.of].toLocaleString("en")} ${budget.of === "macs" ? "MACs" : "parameters"}`;
  if (budgetShare(budget, whole) > 1) refuse("the budget is more than the network", `at most ${full}`, "Ask for less");
  const least = smallestShare(graph, factors, budget.of, round);
  if (budgetShare(budget, whole) >= least) return;
  const smallest = (Math.ceil(1000 * least) / 10).toFixed(1);
  refuse(
    `the budget is below what is left of ${graph.name} if all goes that may`,
    `at least ${smallest} % of ${full}`,
    `Selected: ${kinds.map((kind) => `${kind}s`).join(", ")}; layers on the only path keep their last channel. Ask for more, or select more kinds`,
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export class BudgetKeeper {
  readonly #session: Session;
  readonly #emit: (body: EventBody) => void;
  readonly #steering: Steering;
  readonly #share: number;
  readonly #of: "macs" | "parameters";
  /** Ση of the steps before each. */
  readonly #rates: Float64Array;
  #state: SteeringState;
  #left = 1;

  /** For a session whose settings have a budget; undefined for others. */
  static open(session: Session, emit: (body: EventBody) => void): BudgetKeeper | undefined {
    return session.settings.budget === undefined ? undefined : new BudgetKeeper(session, session.settings.budget, emit);
  }

  private constructor(session: Session, budget: NonNullable<Settings["budget"]>, emit: (body: EventBody) => void) {
    const { settings, graph, factors, totalSteps, checkpoint } = session;
    this.#session = session;
    this.#emit = emit;
    this.#of = budget.of;
    this.#share = budgetShare(budget, cost(graph));
    this.#rates = new Float64Array(totalSteps + 1);
    for (let step = 0; step < totalSteps; step++) {
      this.#rates[step + 1] = (this.#rates[step] ?? 0) + learningRateAt(settings.schedule, step, totalSteps);
    }
    this.#steering = new Steering({
      factors,
      model: new CostModel(graph, factors, settings.round),
      of: budget.of,
      share: this.#share,
      momentum: settings.momentum,
      totalRate: this.#rates[totalSteps] ?? 0,
      window: budgetWindow(settings, (epochs) => this.#progressAt(Math.round(epochs * session.stepsPerEpoch))),
      waits: (settings.gammaAfter ?? 0) > 0,
    });
    this.#state =
      checkpoint.progress.budget ?? this.#steering.initial({ learningRate: this.#rateAt(0), interval: this.#interval });
    this.#left = this.#steering.left(this.#state, checkpoint.network.weights);
    session.trainee.setGammas(this.#steering.gammas(this.#state));
  }

  /** Steps between two looks. */
  get #interval(): number {
    return Math.min(LONGEST_INTERVAL, Math.max(1, Math.floor(this.#session.totalSteps / LOOKS)));
  }

  #rateAt(step: number): number {
    const { settings, totalSteps } = this.#session;
    return learningRateAt(settings.schedule, step, totalSteps);
  }

  /** What a checkpoint holds. */
  get state(): SteeringState {
    return this.#state;
  }

  /** Before the first step: tells if the structures are too large for the budget to be met. */
  begin(): void {
    const { nearest } = this.#steering;
    if (Math.abs(nearest - this.#share) <= PROMISED) return;
    const where = `Whole structures of these kinds come no nearer to ${percent(this.#share)} than about ${percent(nearest)}`;
    const message = this.#hasNeurons ? where : `${where}; with neurons selected, too, they would`;
    this.#emit({ type: "notice", message });
  }

  get #hasNeurons(): boolean {
    return this.#session.factors.some(({ kind }) => kind === "neuron");
  }

  /** After `step` steps: looks, if it is time to. */
  async look(step: number): Promise<void> {
    const { trainee, totalSteps } = this.#session;
    const interval = this.#interval;
    if (step % interval !== 0 || step >= totalSteps) return;
    const progress = this.#progressAt(step);
    const sight: Sight = {
      ...(await trainee.readFactorState()),
      progress,
      progressed: progress - this.#progressAt(step - interval),
      learningRate: this.#rateAt(step),
      interval,
      isCut: this.#isCut(),
    };
    let next = this.#steering.next(this.#state, sight);
    if (next.isMet && !this.#state.isMet) {
      // Nothing dies any more once the survivors are let go: so the model is not to be trusted with this alone.
      const { weights } = await trainee.readWhole();
      next = this.#steering.next(
        this.#steering.corrected(this.#state, weights, (await this.#count(weights))[this.#of]),
        sight,
      );
    }
    const isNews = next.isMet !== this.#state.isMet;
    this.#state = next;
    this.#left = this.#steering.left(next, sight.factors);
    trainee.setGammas(this.#steering.gammas(next));
    if (isNews) this.tell();
  }

  /** At the end of an epoch, when the cost has been counted. */
  learn({ weights }: TrainingState, exact: NetworkCost): void {
    this.#state = this.#steering.corrected(this.#state, weights, exact[this.#of]);
    this.#left = this.#steering.left(this.#state, weights);
  }

  /** Whether the steering is done and no more is left than was asked for, as a cut would leave it: not what was planned to go. */
  get #isMet(): boolean {
    return this.#state.isMet && this.#left <= this.#share + PROMISED;
  }

  /** How it stands. */
  tell(): void {
    const { factors } = this.#session;
    const kinds = factorKinds.filter((kind) => factors.some((factor: Factor) => factor.kind === kind));
    this.#emit({
      type: "budget",
      of: this.#of,
      share: this.#share,
      left: this.#left,
      isMet: this.#isMet,
      gamma: Object.fromEntries(kinds.map((kind) => [kind, this.#steering.gammaOf(this.#state, kind)])),
    });
  }

  /** At the end of the run: warns if it is off the budget by more than is promised. */
  finish(): void {
    this.tell();
    if (Math.abs(this.#left - this.#share) <= PROMISED) return;
    const [left, share] = [percent(this.#left), percent(this.#share)];
    this.#emit({ type: "warning", reason: "budget-missed", ...this.#whyMissed(left, share) });
  }

  #whyMissed(left: string, share: string): { readonly message: string; readonly hint: string } {
    const { totalSteps } = this.#session;
    const missed = `${left} is left, not the ${share} of the budget`;
    const inevitable = Math.abs(this.#steering.nearest - this.#share);
    const isAsNearAsCanBe = inevitable > PROMISED && Math.abs(this.#left - this.#share) <= inevitable + PROMISED;
    if (!isAsNearAsCanBe && this.#left < this.#share && (this.#hasNeurons || !this.#state.isMet)) {
      return { message: missed, hint: `Train for more epochs: in ${totalSteps} steps γ could not be lowered in time` };
    }
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
    const { factors, trainee } = this.#session;
    if (trainee.cuts.length === 0) return () => false;
    const left = new Map(factors.map((factor) => [factor.parameter, new Set(trainee.numbersOf(factor))] as const));
    return (parameter, index) => left.get(parameter)?.has(index) === false;
  }

  async #count(weights: TrainingState["weights"]): Promise<NetworkCost> {
    const { graph, background, settings } = this.#session;
    return background.call("count", { network: { graph, weights }, round: settings.round });
  }
}
