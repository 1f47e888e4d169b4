/**
 * The loop: batch in, step, look. One call of the engine a step; while the engine works, the loader's thread prepares
 * the batches after it. Everything that lasts longer than a step happens between steps, on this side of the thread.
 */
import { performance } from "node:perf_hooks";
import { required, UserError } from "../core/errors.ts";
import { tensor } from "../core/tensor.ts";
import { firstImages } from "../data/dataset.ts";
import { measureAccuracy } from "../evaluation/accuracy.ts";
import { checkpointPath, type EpochSums, writeCheckpoint } from "./checkpoints.ts";
import { CostMeter } from "./cost-meter.ts";
import { readEvents } from "./event-log.ts";
import type { EventBody } from "./events.ts";
import type { Journal } from "./journal.ts";
import { learningRateAt } from "./schedules.ts";
import { epochOf, type Session } from "./session.ts";
import { Shrinker } from "./shrinker.ts";
import { StructureTracker } from "./structures.ts";
import { Tempo } from "./tempo.ts";
import type { TrainingState } from "./trainee.ts";
import { RunWarnings } from "./warnings.ts";

const NO_SUMS: EpochSums = { steps: 0, loss: 0, correct: 0, milliseconds: 0 };

/** Trains from the session's checkpoint to the last step, and leaves the last state in the training plan. */
export class TrainingLoop {
  readonly #session: Session;
  readonly #journal: Journal;
  readonly #structures: StructureTracker;
  readonly #costs: CostMeter;
  readonly #tempo: Tempo;
  readonly #warnings: RunWarnings;
  readonly #shrinker: Shrinker;
  #step: number;
  #sums: EpochSums;
  /** Step of the last checkpoint that is on disk. */
  #savedStep: number;

  /** `savedStep`: of the checkpoint on disk that the session started from; −1 if it is not written yet. */
  constructor(session: Session, journal: Journal, savedStep: number) {
    const { checkpoint, factors, graph, dataset, settings } = session;
    this.#session = session;
    this.#journal = journal;
    this.#structures = new StructureTracker(factors, checkpoint.network.weights);
    this.#costs = new CostMeter(graph, checkpoint.network.weights, undefined, settings.round);
    this.#step = checkpoint.progress.step;
    this.#sums = checkpoint.progress.sums;
    this.#savedStep = savedStep;
    this.#tempo = new Tempo(settings.batch);
    this.#warnings = new RunWarnings({ classes: dataset.classes.length, epochs: settings.epochs, factors });
    this.#shrinker = new Shrinker(session, (body) => journal.emitter.emit(body));
  }

  /**
   * Trains to the end.
   * @throws UserError "diverged" if the loss is no number any more, "interrupted" once the signal is aborted; a
   * checkpoint to go on from is on disk in either case.
   */
  async run(): Promise<void> {
    const { totalSteps, stepsPerEpoch, graph } = this.#session;
    if (this.#savedStep < this.#step) await this.#save();
    if (this.#step > 0) await this.#recall();
    const imagesInput = required(graph.inputs[0], "the network's input").name;
    this.#tempo.start();
    while (this.#step < totalSteps) {
      await this.#stopIfAborted();
      await this.#trainStep(imagesInput);
      const isEpochEnd = this.#step % stepsPerEpoch === 0;
      if (isEpochEnd || this.#tempo.isReportDue()) await this.#report();
      if (isEpochEnd) await this.#finishEpoch();
    }
  }

  /** Shows the warnings the epochs before the checkpoint, so that they compare with those and repeat nothing. */
  async #recall(): Promise<void> {
    for (const event of await readEvents(this.#journal.folder)) {
      if (event.type === "epoch" && event.step <= this.#step) this.#warnings.look(event);
    }
  }

  async #trainStep(imagesInput: string): Promise<void> {
    const { loader, trainee, settings, totalSteps } = this.#session;
    const start = performance.now();
    const batch = await loader.next();
    const waited = performance.now() - start;
    const learningRate = learningRateAt(settings.schedule, this.#step, totalSteps);
    const results = await trainee.run({
      [imagesInput]: batch.images,
      ...(batch.targets === undefined ? { labels: batch.labels } : { targets: batch.targets }),
      learning_rate: tensor([], Float32Array.of(learningRate)),
    });
    batch.release();
    const loss = required(results["loss"]?.data[0], "the loss");
    const correct = required(results["correct"]?.data[0], "the count of right answers");
    this.#journal.emitter.moveTo(this.#step + 1, epochOf(this.#step, this.#session));
    if (!Number.isFinite(loss)) throw this.#diverged(String(loss));
    this.#step++;
    const elapsed = performance.now() - start;
    this.#tempo.add(elapsed, waited);
    this.#shrinker.add(elapsed);
    this.#sums = {
      steps: this.#sums.steps + 1,
      loss: this.#sums.loss + loss,
      correct: this.#sums.correct + correct,
      milliseconds: this.#sums.milliseconds + elapsed,
    };
  }

  /** Looks at the factors, tells what changed, and how the run gets on. */
  async #report(): Promise<void> {
    const { trainee, settings, totalSteps } = this.#session;
    const { emitter } = this.#journal;
    const factors = await trainee.readFactors();
    for (const change of this.#structures.look(factors)) emitter.emit(change);
    const { imagesPerSecond, waitMilliseconds, stepMilliseconds } = this.#tempo.report();
    emitter.emit({
      type: "step",
      loss: this.#sums.loss / this.#sums.steps,
      learningRate: learningRateAt(settings.schedule, this.#step - 1, totalSteps),
      imagesPerSecond,
      waitMilliseconds,
      etaSeconds: ((totalSteps - this.#step) * stepMilliseconds) / 1000,
      structures: this.#structures.totals(),
      macs: this.#costs.glance(factors).macs,
    });
  }

  /** Scores, counts what is left, and writes a checkpoint. */
  async #finishEpoch(): Promise<void> {
    const { trainee, dataset, settings, totalSteps } = this.#session;
    const state = await this.#finiteState();
    const classifier = await trainee.classifier();
    const scored = firstImages(dataset.test, settings.evaluationImages);
    const { accuracy, images } = await measureAccuracy(classifier, scored, dataset.normalization);
    const { steps, loss, correct, milliseconds } = this.#sums;
    const trained = steps * settings.batch;
    const report: EventBody = {
      type: "epoch",
      trainLoss: loss / steps,
      trainAccuracy: (100 * correct) / trained,
      testAccuracy: accuracy,
      testImages: images,
      imagesPerSecond: (1000 * trained) / milliseconds,
      seconds: milliseconds / 1000,
      learningRate: learningRateAt(settings.schedule, this.#step - 1, totalSteps),
      layers: this.#structures.layers(),
      factors: this.#structures.summaries(),
      cost: this.#costs.count(state.weights),
    };
    const { emitter } = this.#journal;
    emitter.emit(report);
    for (const warning of this.#warnings.look({ ...report, epoch: this.#step / this.#session.stepsPerEpoch })) {
      emitter.emit(warning);
    }
    this.#sums = NO_SUMS;
    // The checkpoint holds the decision: what comes after it is trained on what is left.
    if (await this.#shrinker.consider(this.#step)) {
      this.#tempo.start();
      await this.#save();
    } else await this.#save(state);
  }

  async #stopIfAborted(): Promise<void> {
    if (!this.#journal.isAborted) return;
    if (this.#savedStep < this.#step) await this.#save();
    throw this.#journal.interrupted(this.#step);
  }

  async #save(state?: TrainingState): Promise<void> {
    const { graph, trainee } = this.#session;
    const { folder, emitter } = this.#journal;
    const { weights, velocities } = state ?? (await this.#finiteState());
    const bytes = await writeCheckpoint(folder, {
      progress: {
        step: this.#step,
        sums: this.#sums,
        choices: trainee.choices,
        cuts: trainee.cuts,
      },
      network: { graph, weights },
      velocities,
    });
    this.#savedStep = this.#step;
    emitter.emit({ type: "checkpoint", path: checkpointPath(this.#step), bytes });
  }

  /** The state now. A step can spoil the weights although its own loss was fine: such a state is never kept. */
  async #finiteState(): Promise<TrainingState> {
    const state = await this.#session.trainee.readWhole();
    for (const values of [state.weights, state.velocities]) {
      for (const [name, { data }] of values) {
        const spoilt = data.find((value) => !Number.isFinite(value));
        if (spoilt !== undefined) throw this.#diverged(String(spoilt), name);
      }
    }
    return state;
  }

  #diverged(value: string, parameter?: string): UserError {
    const { schedule } = this.#session.settings;
    const { emitter, folder } = this.#journal;
    const { step, what } =
      parameter === undefined
        ? { step: this.#step + 1, what: `the loss is ${value}` }
        : { step: this.#step, what: `"${parameter}" holds ${value}` };
    const checkpoint = this.#savedStep < 0 ? null : checkpointPath(this.#savedStep);
    const hint =
      `Start again with a lower learning rate (its peak was ${schedule.peak}; try ${schedule.peak / 4})` +
      `${checkpoint === null ? "" : `; the last good state is ${checkpoint}`}`;
    emitter.emit({ type: "diverged", loss: value, checkpoint, hint });
    return new UserError("diverged", `training diverged at step ${step}: ${what}`, { about: folder, hint });
  }
}
