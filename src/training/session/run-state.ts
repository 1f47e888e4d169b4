/** The progress of a run: what hooks and the γ policy get as `run`. */
import { UserError } from "../../core/errors.ts";
import { failTogether } from "../../distributed/cluster.ts";
import type { Weights } from "../../graph/graph.ts";
import type { Factor } from "../../selection/factors.ts";
import type { EventBody } from "../events/events.ts";
import type { EpochSums, StepResult, TrainingRun } from "../hooks/run-hook.ts";
import { type LearningRates, learningRatesAt } from "../learning-rate/head-phase.ts";
import type { TrainingState } from "../network/full-size-state.ts";
import type { Score } from "../progress/score.ts";
import { checkpointPath } from "../run-folder/checkpoint-files.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import { epochOf, type Session } from "./session.ts";

const NO_SUMS: EpochSums = { steps: 0, loss: 0, correct: 0, milliseconds: 0 };

export class RunState implements TrainingRun {
  readonly #session: Session;
  readonly #writer: RunWriter;
  #step: number;
  #sums: EpochSums;
  #isEnded: boolean;
  #isRequested = false;
  /** Path of the last checkpoint with the run's kernel choices, relative to the run's folder. */
  lastCheckpoint: string | undefined;
  /** Accuracy of the trained network on the whole test split; undefined until it is measured. */
  accuracy: Score | undefined;

  constructor(session: Session, writer: RunWriter) {
    const { step, sums, isEnded = false } = session.checkpoint.progress;
    this.#session = session;
    this.#writer = writer;
    this.#step = step;
    this.#sums = sums;
    this.#isEnded = isEnded;
    if (step > 0) this.lastCheckpoint = checkpointPath(step);
  }

  get step(): number {
    return this.#step;
  }

  get totalSteps(): number {
    return this.#session.totalSteps;
  }

  get stepsPerEpoch(): number {
    return this.#session.stepsPerEpoch;
  }

  get epoch(): number {
    return epochOf(Math.max(0, this.#step - 1), this.#session);
  }

  get isEpochEnd(): boolean {
    return this.#step % this.stepsPerEpoch === 0;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether training has ended: no step follows. */
  get isOver(): boolean {
    return this.#isEnded || this.#step >= this.totalSteps;
  }

  get sums(): EpochSums {
    return this.#sums;
  }

  get factors(): readonly Factor[] {
    return this.#session.factors;
  }

  learningRateAt(step: number): number {
    return this.learningRatesAt(step).head;
  }

  /** The learning rates of the last layer and of all other parameters. */
  learningRatesAt(step: number): LearningRates {
    return learningRatesAt(this.#session.settings, step, this.totalSteps);
  }

  readFactors(): Promise<{ readonly factors: Weights; readonly velocities: Weights }> {
    return this.#session.network.readFactorState();
  }

  emit(event: EventBody): void {
    this.#writer.emitter.emit(event);
  }

  requestCheckpoint(): void {
    this.#isRequested = true;
  }

  /** Whether a checkpoint was asked for since the last call. */
  takeRequest(): boolean {
    const isRequested = this.#isRequested;
    this.#isRequested = false;
    return isRequested;
  }

  endTraining(): void {
    this.#isEnded = true;
    this.requestCheckpoint();
  }

  /** Whether this rank was asked to stop. */
  get isAborted(): boolean {
    return this.#writer.isAborted;
  }

  /** Whether the run must stop before the next step; the same on all ranks. */
  get mustStop(): boolean {
    return this.#session.network.mustStop(this.isAborted);
  }

  /** Adds one step to the progress; ends the run if its loss is not finite. */
  async advance({ loss, correct, milliseconds }: StepResult): Promise<void> {
    this.#writer.emitter.moveTo(this.#step + 1, epochOf(this.#step, this.#session));
    if (!Number.isFinite(loss)) await this.#diverged(this.#step + 1, String(loss), `the loss is ${loss}`);
    this.#step++;
    const sums = this.#sums;
    this.#sums = {
      steps: sums.steps + 1,
      loss: sums.loss + loss,
      correct: sums.correct + correct,
      milliseconds: sums.milliseconds + milliseconds,
    };
  }

  /** Returns the sums of the epoch that has ended, and starts those of the next one. */
  closeEpoch(): EpochSums {
    const sums = this.#sums;
    this.#sums = NO_SUMS;
    return sums;
  }

  /**
   * Reads the state. Ends the run if a value is not finite: a step can break the weights although its loss is finite.
   */
  async readState(): Promise<TrainingState> {
    const { network, background } = this.#session;
    const state = await network.readWhole();
    const found = await background.call("firstNonFinite", state);
    if (found === undefined) return state;
    const { name, value } = found;
    return this.#diverged(this.#step, String(value), `"${name}" contains ${value}`);
  }

  /** Ends the run on all ranks as interrupted. */
  async interrupt(): Promise<never> {
    return failTogether(this.#session.cluster, this.#writer.interrupted(this.#step));
  }

  async #diverged(step: number, loss: string, what: string): Promise<never> {
    const { cluster, settings } = this.#session;
    const { peak } = settings.schedule;
    const checkpoint = this.lastCheckpoint ?? null;
    const hint =
      `Start again with a lower learning rate (its peak was ${peak}; try ${peak / 4})` +
      `${checkpoint === null ? "" : `; the last good state is ${checkpoint}`}`;
    this.emit({ type: "diverged", loss, checkpoint, hint });
    const about = this.#writer.folder;
    return failTogether(
      cluster,
      new UserError("diverged", `training diverged at step ${step}: ${what}`, { about, hint }),
    );
  }
}
