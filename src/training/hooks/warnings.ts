/**
 * What a run warns of while it is young enough to be started again: a γ that takes nothing, and a γ that takes the
 * network's accuracy with it. Judged by the accuracy on the training batches: that on test images lags behind in the
 * first epochs, while the running statistics move.
 */
import { z } from "zod";
import { type Factor, factorKinds, selectionKeys } from "../../selection/factors.ts";
import type { EventBody } from "../events.ts";
import { type EpochResult, type Json, type RunHook, readHookState, type TrainingRun } from "./run-hook.ts";

export type WarningBody = Extract<EventBody, { type: "warning" }>;

/** What of a run decides whether there is something to warn of. */
export interface WarnedRun {
  readonly classes: number;
  readonly epochs: number;
  readonly factors: readonly Factor[];
  /** Then γ finds its own way to zeros, and what can be asked for is another budget. */
  readonly hasBudget?: boolean;
}

/**
 * Skill is the accuracy above guessing, as a share of what there is above guessing. It collapsed if it falls below half
 * of the best there was, once that is worth speaking of, or is still next to nothing after half of the run.
 */
const COLLAPSED_SHARE = 0.5;
const LEARNT_SKILL = 0.2;
const NO_SKILL = 0.1;
/** Where no more than this part of the structures is gone and nothing was ever learnt, it is not for what is gone. */
const FEW_GONE = 0.1;

/** Epochs before which it is no surprise that nothing is at zero. */
const SETTLED_EPOCHS = 3;

/** What of an epoch decides whether there is something to warn of. */
type WarnedEpoch = Pick<EpochResult, "epoch" | "trainAccuracy" | "layers">;

const reasons = ["nothing-zero", "accuracy-collapsed", "budget-missed"] as const satisfies WarningBody["reason"][];

const stateSchema = z.strictObject({ given: z.array(z.enum(reasons)), best: z.number() });

export class RunWarnings implements RunHook {
  readonly name: string = "warnings";
  readonly #run: WarnedRun;
  readonly #given = new Set<WarningBody["reason"]>();
  #best = 0;

  constructor(run: WarnedRun) {
    this.#run = run;
  }

  begin(_: TrainingRun, state: Json | undefined): void {
    if (state === undefined) return;
    const { given, best } = readHookState(this.name, stateSchema, state);
    for (const reason of given) this.#given.add(reason);
    this.#best = best;
  }

  afterEpoch(run: TrainingRun, epoch: EpochResult): void {
    for (const warning of this.warningsAfter(epoch)) run.emit(warning);
  }

  state(): Json {
    return { given: [...this.#given], best: this.#best };
  }

  /** What there is to say after an epoch; each warning is given once. Epochs are to come in order. */
  warningsAfter(epoch: WarnedEpoch): readonly WarningBody[] {
    const found = [this.#nothingZero(epoch), this.#collapsed(epoch)].filter(
      (warning): warning is WarningBody => warning !== undefined && !this.#given.has(warning.reason),
    );
    for (const { reason } of found) this.#given.add(reason);
    this.#best = Math.max(this.#best, epoch.trainAccuracy);
    return found;
  }

  #nothingZero({ epoch, layers }: WarnedEpoch): WarningBody | undefined {
    const { epochs, factors, hasBudget = false } = this.#run;
    const isPenalised = !hasBudget && factors.some(({ gamma }) => gamma > 0);
    // The first epochs of a short run say little: factors start at 1.
    const isDue = 2 * epoch >= epochs && (epoch >= SETTLED_EPOCHS || epoch >= epochs);
    if (!isPenalised || !isDue || zeroed(layers) > 0) return undefined;
    return {
      type: "warning",
      reason: "nothing-zero",
      message: `After epoch ${epoch} of ${epochs} no structure has reached zero: as it goes, nothing will be cut`,
      hint: `γ has a threshold, and this one is below it: start again with four times as much (${this.#gammas(4)})`,
    };
  }

  #collapsed({ epoch, trainAccuracy, layers }: WarnedEpoch): WarningBody | undefined {
    const skill = this.#skill(trainAccuracy);
    const best = this.#skill(this.#best);
    const fell = best >= LEARNT_SKILL && skill < COLLAPSED_SHARE * best;
    const learnsNothing = best < LEARNT_SKILL && skill < NO_SKILL && 2 * epoch >= this.#run.epochs;
    const gone = zeroed(layers);
    if (gone === 0 || !(fell || learnsNothing)) return undefined;
    const count = layers.reduce((sum, layer) => sum + layer.count, 0);
    const now = `${trainAccuracy.toFixed(1)} %`;
    const course = fell ? `fell from ${this.#best.toFixed(1)} % to ${now}` : `is only ${now} after epoch ${epoch}`;
    const isForGone = fell || gone > FEW_GONE * count;
    const why = isForGone ? "more goes than the network can lose" : "it has not learnt anything";
    return {
      type: "warning",
      reason: "accuracy-collapsed",
      message: `Training accuracy ${course}, with ${gone} of ${count} structures at zero: ${why}`,
      hint: !isForGone
        ? "So few zeros do not explain it: try a lower learning rate, a larger batch or more epochs"
        : this.#run.hasBudget === true
          ? "Stop it, and start again with a larger budget or for more epochs"
          : `Stop it, and start again with half of the γ (${this.#gammas(0.5)})`,
    };
  }

  #skill(accuracy: number): number {
    const guessing = 100 / this.#run.classes;
    return (accuracy - guessing) / (100 - guessing);
  }

  /** `neurons=0.0064,blocks=0.08`: the run's γ times `times`, as `--gamma` takes it. */
  #gammas(times: number): string {
    return factorKinds
      .flatMap((kind) => {
        const own = this.#run.factors.find((factor) => factor.kind === kind);
        return own === undefined || own.gamma === 0
          ? []
          : [`${selectionKeys[kind]}=${Number((own.gamma * times).toPrecision(3))}`];
      })
      .join(",");
  }
}

function zeroed(layers: WarnedEpoch["layers"]): number {
  return layers.reduce((sum, { count, alive }) => sum + count - alive, 0);
}
