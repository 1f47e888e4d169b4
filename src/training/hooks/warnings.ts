/**
 * Warnings early enough to start the run again: γ is so small that no structure reaches zero, or so large that the
 * network loses its accuracy. They use the accuracy on the training batches: in the first epochs, while the running
 * statistics still change, the accuracy on test images lags behind.
 */
import { z } from "zod";
import { balancedAccuracy, isUnbalanced } from "../../evaluation/class-tally.ts";
import { type Factor, factorKinds, selectionKeys } from "../../selection/factors.ts";
import type { EventBody } from "../events/events.ts";
import { type EpochResult, type Json, type RunHook, readHookState, type TrainingRun } from "./run-hook.ts";

export type WarningBody = Extract<EventBody, { type: "warning" }>;

/** The facts about a run that warnings depend on. */
export interface WarnedRun {
  readonly classes: readonly string[];
  readonly epochs: number;
  readonly factors: readonly Factor[];
  /** Then the budget decides γ, and a warning advises another budget. */
  readonly hasBudget?: boolean;
  /** Whether classes are weighted already. */
  readonly isWeighted?: boolean;
  /** Whether the accuracy is the agreement with taught outputs, which guessing cannot reach. */
  readonly isTaught?: boolean;
  /** Whether images may have several labels: no class then is the answer to an image. */
  readonly isMultiLabel?: boolean;
}

/**
 * Skill = (accuracy − chance) / (100 − chance), with the accuracy of guessing as chance. Accuracy has collapsed if the
 * skill falls below COLLAPSED_SHARE of its best value, once that is at least LEARNT_SKILL, or if it is still below
 * NO_SKILL after half of the run.
 */
const COLLAPSED_SHARE = 0.5;
const LEARNT_SKILL = 0.2;
const NO_SKILL = 0.1;
/** If at most this share of the structures is at zero and accuracy never rose, the zeros are not the cause. */
const FEW_ZEROS = 0.1;

/** From this share of the answers on, they count as one class, if other classes have at most this recall in percent. */
const ONE_CLASS_SHARE = 0.95;
const FORGOTTEN_RECALL = 10;

/** In fewer epochs than this, factors have no time to reach zero. */
const SETTLED_EPOCHS = 3;

/** The facts about an epoch that warnings depend on. */
type WarnedEpoch = Pick<EpochResult, "epoch" | "trainAccuracy" | "layers" | "classes">;

const reasons = [
  "nothing-zero",
  "accuracy-collapsed",
  "budget-missed",
  "one-class",
] as const satisfies WarningBody["reason"][];

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

  /** The warnings after an epoch; each is given once. Epochs must come in order. */
  warningsAfter(epoch: WarnedEpoch): readonly WarningBody[] {
    const found = [this.#nothingZero(epoch), this.#collapsed(epoch), this.#oneClass(epoch)].filter(
      (warning): warning is WarningBody => warning !== undefined && !this.#given.has(warning.reason),
    );
    for (const { reason } of found) this.#given.add(reason);
    this.#best = Math.max(this.#best, epoch.trainAccuracy);
    return found;
  }

  #nothingZero({ epoch, layers }: WarnedEpoch): WarningBody | undefined {
    const { epochs, factors, hasBudget = false } = this.#run;
    const isPenalised = !hasBudget && factors.some(({ gamma }) => gamma > 0);
    // Factors start at 1, so the first epochs of a short run show little.
    const isDue = 2 * epoch >= epochs && (epoch >= SETTLED_EPOCHS || epoch >= epochs);
    if (!isPenalised || !isDue || zeroCount(layers) > 0) return undefined;
    return {
      type: "warning",
      reason: "nothing-zero",
      message: `After epoch ${epoch} of ${epochs} no structure is at zero. If this continues, nothing will be cut`,
      hint: `This γ is too small: start again with a γ four times as large (${this.#gammas(4)})`,
    };
  }

  #collapsed({ epoch, trainAccuracy, layers }: WarnedEpoch): WarningBody | undefined {
    const skill = this.#skill(trainAccuracy);
    const best = this.#skill(this.#best);
    const fell = best >= LEARNT_SKILL && skill < COLLAPSED_SHARE * best;
    const neverRose = best < LEARNT_SKILL && skill < NO_SKILL && 2 * epoch >= this.#run.epochs;
    const zeros = zeroCount(layers);
    if (zeros === 0 || !(fell || neverRose)) return undefined;
    const count = layers.reduce((sum, layer) => sum + layer.count, 0);
    const now = `${trainAccuracy.toFixed(1)} %`;
    const course = fell ? `fell from ${this.#best.toFixed(1)} % to ${now}` : `is only ${now} after epoch ${epoch}`;
    const isPruningTheCause = fell || zeros > FEW_ZEROS * count;
    const why = isPruningTheCause ? "too much is pruned" : "the network has learnt nothing so far";
    return {
      type: "warning",
      reason: "accuracy-collapsed",
      message: `Training accuracy ${course}, with ${zeros} of ${count} structures at zero: ${why}`,
      hint: !isPruningTheCause
        ? "Too few structures are at zero to cause this: try a lower learning rate, a larger batch or more epochs"
        : this.#run.hasBudget === true
          ? "Stop the run, and start again with a larger budget or for more epochs"
          : `Stop the run, and start again with half of the γ (${this.#gammas(0.5)})`,
    };
  }

  /** Whether almost every answer is the same class, and images of the others are hardly ever recognised. */
  #oneClass({ epoch, classes }: WarnedEpoch): WarningBody | undefined {
    const images = classes.reduce((sum, tally) => sum + tally.images, 0);
    const most = classes.reduce(
      (best, { answers }, label) => (answers > (classes[best]?.answers ?? 0) ? label : best),
      0,
    );
    const others = classes.filter((tally, label) => label !== most && tally.images > 0);
    const answers = classes[most]?.answers ?? 0;
    // In the first epochs, running statistics may lag so far behind that all answers are the same.
    if (this.#run.isMultiLabel === true) return undefined;
    if (2 * epoch < this.#run.epochs || others.length === 0) return undefined;
    if (answers < ONE_CLASS_SHARE * images || balancedAccuracy(others) > FORGOTTEN_RECALL) return undefined;
    const { isWeighted = false, classes: names } = this.#run;
    const isMajority =
      isUnbalanced(classes.map((tally) => tally.images)) &&
      others.every((tally) => tally.images < (classes[most]?.images ?? 0));
    return {
      type: "warning",
      reason: "one-class",
      message:
        `After epoch ${epoch} the network answers "${names[most] ?? most}" for ${answers} of ${images} test images, ` +
        `and recognises ${balancedAccuracy(others).toFixed(1)} % of the images of other classes`,
      hint:
        isMajority && !isWeighted
          ? "Its images are the most frequent: start again with --class-weights balanced"
          : "Start again with a lower learning rate or for more epochs; check that the labels are right",
    };
  }

  #skill(accuracy: number): number {
    const guessing =
      this.#run.isTaught === true || this.#run.isMultiLabel === true ? 0 : 100 / this.#run.classes.length;
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

function zeroCount(layers: WarnedEpoch["layers"]): number {
  return layers.reduce((sum, { count, alive }) => sum + count - alive, 0);
}
