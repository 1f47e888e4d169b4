/**
 * Reports progress: a `step` event at most twice a second, the structures that reached zero or came back, and an
 * `epoch` event.
 */

import { optional } from "../../core/optional.ts";
import type { GammaPolicy } from "../gamma/gamma-policy.ts";
import { StructureTracker } from "../progress/alive-tracker.ts";
import { describeCommunication } from "../progress/communication.ts";
import { marginsOf } from "../progress/factor-margins.ts";
import { detailsOf } from "../progress/score.ts";
import type { Pace, Throughput } from "../progress/throughput.ts";
import type { Session } from "../session/session.ts";
import type { EpochResult, RunHook, StepResult, TrainingRun } from "./run-hook.ts";

export class ProgressReports implements RunHook {
  readonly name: string = "progress";
  readonly #session: Session;
  readonly #policy: GammaPolicy;
  readonly #throughput: Throughput;
  readonly #structures: StructureTracker;
  /** Longest time that the event loop was blocked since the last end of an epoch, in milliseconds. */
  #blocked = 0;

  constructor(session: Session, policy: GammaPolicy, throughput: Throughput) {
    this.#session = session;
    this.#policy = policy;
    this.#throughput = throughput;
    this.#structures = new StructureTracker(session.factors, session.checkpoint.network.weights);
  }

  /** Times of all steps so far in this session. */
  get pace(): Pace {
    return this.#throughput.session;
  }

  begin(): void {
    this.#session.eventLoop.start();
    this.#throughput.start();
  }

  async afterStep(run: TrainingRun, step: StepResult): Promise<void> {
    this.#throughput.add(step.milliseconds, step.waitedMilliseconds);
    if (run.isEpochEnd || this.#throughput.isReportDue()) await this.#report(run, step);
  }

  async #report(run: TrainingRun, { learningRate }: StepResult): Promise<void> {
    const { costs } = this.#session;
    const { factors } = await run.readFactors();
    for (const change of this.#structures.update(factors)) run.emit(change);
    const { macs } = await costs.estimate(factors);
    const { stepMilliseconds, ...speed } = this.#throughput.report();
    // Before the step event, so that readers of a step know its γ.
    const ofPolicy = this.#policy.progressEvent?.();
    if (ofPolicy !== undefined) run.emit(ofPolicy);
    run.emit({
      type: "step",
      loss: run.sums.loss / run.sums.steps,
      learningRate,
      ...speed,
      blockedMilliseconds: this.#takeBlocked(),
      etaSeconds: ((run.totalSteps - run.step) * stepMilliseconds) / 1000,
      structures: this.#structures.totals(),
      macs,
    });
  }

  async afterEpoch(run: TrainingRun, epoch: EpochResult): Promise<void> {
    const { settings, factors, network, cluster, host } = this.#session;
    const {
      trainLoss,
      trainAccuracy,
      testAccuracy,
      testImages,
      classes,
      outputs,
      labels,
      steps,
      milliseconds,
      layers,
      cost,
      state,
    } = epoch;
    this.#takeBlocked();
    run.emit({
      type: "epoch",
      ...{ trainLoss, trainAccuracy, testAccuracy, testImages },
      ...detailsOf({ classes, ...optional({ agreement: outputs && { outputs }, labels }) }),
      imagesPerSecond: (1000 * steps * settings.batch) / milliseconds,
      seconds: milliseconds / 1000,
      ...this.#throughput.endEpoch(),
      blockedMilliseconds: this.#blocked,
      learningRate: run.learningRateAt(run.step - 1),
      layers,
      factors: this.#structures.summaries(),
      levels: this.#structures.levels(),
      margins: marginsOf(factors, state, (factor) => network.remainingIndices(factor)),
      cost,
    });
    this.#blocked = 0;
    for (const event of await describeCommunication(cluster, host, steps, milliseconds)) run.emit(event);
  }

  /** Longest time that the event loop was blocked since the last call; also updates the epoch's longest. */
  #takeBlocked(): number {
    const blocked = this.#session.eventLoop.takeLongest();
    this.#blocked = Math.max(this.#blocked, blocked);
    return blocked;
  }
}
