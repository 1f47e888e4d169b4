/** Updates the averaged weights every few steps, if the settings ask for them. */
import { averagingDecay } from "../network/weight-average.ts";
import type { Session } from "../session/session.ts";
import type { RunHook, TrainingRun } from "./run-hook.ts";

export class AveragedWeights implements RunHook {
  readonly name: string = "averaged-weights";
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async afterStep(run: TrainingRun): Promise<void> {
    const { settings, network } = this.#session;
    const { averageWeights: averaging } = settings;
    if (averaging === undefined) return;
    const { step, totalSteps } = run;
    if (step % averaging.every === 0) await network.average(averagingDecay(averaging, step, totalSteps));
    // The last epoch is scored with the average.
    if (step === totalSteps) await network.endOnAverage();
  }

  /** For runs that a hook has ended early. */
  async end(): Promise<void> {
    await this.#session.network.endOnAverage();
  }
}
