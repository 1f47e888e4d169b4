/**
 * The loop: batch in, step, look. One call of the engine a step; while the engine works, the loader's thread prepares
 * the batches after it. Everything that lasts longer than a step happens between steps, on this side of the thread.
 */
import { performance } from "node:perf_hooks";
import { required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { tensor } from "../core/tensor.ts";
import { firstImages, type Split } from "../data/dataset.ts";
import { failTogether } from "../distributed/cluster.ts";
import type { Accuracy } from "../evaluation/accuracy.ts";
import { BudgetKeeper } from "./budget.ts";
import { checkpointPath, type EpochSums } from "./checkpoints.ts";
import { describeCommunication } from "./communication.ts";
import { CostMeter } from "./cost-meter.ts";
import { readEvents } from "./event-log.ts";
import type { EventBody } from "./events.ts";
import { GammaDelay } from "./gamma-window.ts";
import { requireIdentical } from "./identity.ts";
import type { Journal } from "./journal.ts";
import { marginsOf } from "./margins.ts";
import { sharedAccuracy } from "./ranks.ts";
import { learningRateAt } from "./schedules.ts";
import { epochOf, type Session } from "./session.ts";
import { Shrinker } from "./shrinker.ts";
import { StructureTracker } from "./structures.ts";
import { type Pace, Tempo } from "./tempo.ts";
import { RunWarnings } from "./warnings.ts";
import type { TrainingState } from "./whole-state.ts";

/** As the step of a checkpoint on disk: there is none that will do. */
export const NOT_SAVED = -1;

const NO_SUMS: EpochSums = { steps: 0, loss: 0, correct: 0, milliseconds: 0 };

/** What training came to. */
export interface Trained {
  /** Of the network as it was trained last, on the whole test split. */
  readonly accuracy: Accuracy;
  /** Of this session. */
  readonly pace: Pace;
}

/** Trains from the session's checkpoint to the last step, and leaves the last state in the training plan. */
export class TrainingLoop {
  readonly #session: Session;
  readonly #journal: Journal;
  readonly #structures: StructureTracker;
  readonly #costs: CostMeter;
  readonly #tempo: Tempo;
  readonly #warnings: RunWarnings;
  readonly #shrinker: Shrinker;
  readonly #budget: BudgetKeeper | undefined;
  readonly #delay: GammaDelay | undefined;
  #step: number;
  /** Longest that the event loop was held up since the last end of an epoch, in milliseconds. */
  #blocked = 0;
  #accuracy: Accuracy | undefined;
  #sums: EpochSums;
  /** Step of the last checkpoint that is on disk. */
  #savedStep: number;

  /** `savedStep`: of the checkpoint on disk that the session started from; `NOT_SAVED` if it is still to be written. */
  constructor(session: Session, journal: Journal, savedStep: number) {
    const { checkpoint, factors, dataset, settings, background } = session;
    this.#session = session;
    this.#journal = journal;
    this.#structures = new StructureTracker(factors, checkpoint.network.weights);
    const { round } = settings;
    this.#costs = new CostMeter(checkpoint.network, (network) => background.call("count", { network, round }));
    this.#step = checkpoint.progress.step;
    this.#sums = checkpoint.progress.sums;
    this.#savedStep = savedStep;
    this.#tempo = new Tempo(settings.batch);
    this.#warnings = new RunWarnings({
      classes: dataset.classes.length,
      epochs: settings.epochs,
      factors,
      hasBudget: settings.budget !== undefined,
    });
    this.#shrinker = new Shrinker(session, (body) => journal.emitter.emit(body));
    this.#budget = BudgetKeeper.open(session, (body) => journal.emitter.emit(body));
    this.#delay = GammaDelay.open(session);
  }

  /**
   * Trains to the end.
   * @throws UserError "diverged" if the loss is no number any more, "interrupted" once the signal is aborted; a
   * checkpoint to go on from is on disk in either case.
   */
  async run(): Promise<Trained> {
    const { totalSteps, stepsPerEpoch, graph, dataset, eventLoop } = this.#session;
    if (this.#savedStep < this.#step) await this.#save();
    if (this.#step > 0 && !this.#isFollower) await this.#recall();
    const imagesInput = required(graph.inputs[0], "the network's input").name;
    if (this.#step === 0) this.#budget?.begin();
    eventLoop.start();
    this.#tempo.start();
    while (this.#step < totalSteps) {
      await this.#stopIfAborted();
      await this.#trainStep(imagesInput);
      await this.#budget?.look(this.#step);
      this.#delay?.look(this.#step);
      const isEpochEnd = this.#step % stepsPerEpoch === 0;
      if (isEpochEnd || this.#tempo.isReportDue()) await this.#report();
      if (isEpochEnd) await this.#finishEpoch();
      else if (this.#shrinker.isDue(this.#step)) {
        // What is cut keeps its statistics, and they have to be the same on all ranks.
        await this.#session.trainee.shareStatistics();
        await this.#shrink();
      }
    }
    this.#shrinker.tellSpeed();
    this.#budget?.finish();
    return { accuracy: this.#accuracy ?? (await this.#score(dataset.test)), pace: this.#tempo.session };
  }

  /** Shows the warnings the epochs before the checkpoint, so that they compare with those and repeat nothing. */
  async #recall(): Promise<void> {
    for (const event of await readEvents(this.#journal.folder)) {
      if (event.type === "epoch" && event.step <= this.#step) this.#warnings.look(event);
    }
  }

  async #trainStep(imagesInput: string): Promise<void> {
    const { loader, trainee, settings, totalSteps, cluster } = this.#session;
    const start = performance.now();
    const waitedBefore = loader.waitedMilliseconds;
    const batch = await loader.next();
    const waited = loader.waitedMilliseconds - waitedBefore;
    const learningRate = learningRateAt(settings.schedule, this.#step, totalSteps);
    const feeds = {
      [imagesInput]: batch.images,
      ...(batch.targets === undefined ? { labels: batch.labels } : { targets: batch.targets }),
      learning_rate: tensor([], Float32Array.of(learningRate)),
    };
    const results = await trainee.run(feeds, this.#journal.isAborted);
    batch.release();
    const loss = required(results["loss"]?.data[0], "the loss");
    const correct = required(results["correct"]?.data[0], "the count of right answers");
    this.#journal.emitter.moveTo(this.#step + 1, epochOf(this.#step, this.#session));
    if (!Number.isFinite(loss)) await failTogether(cluster, this.#diverged(String(loss)));
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
    const { macs } = await this.#costs.glance(factors);
    const { stepMilliseconds, ...tempo } = this.#tempo.report();
    // First, so that whoever reads the step knows the γ it was made with.
    this.#budget?.tell();
    emitter.emit({
      type: "step",
      loss: this.#sums.loss / this.#sums.steps,
      learningRate: learningRateAt(settings.schedule, this.#step - 1, totalSteps),
      ...tempo,
      blockedMilliseconds: this.#lookAtEventLoop(),
      etaSeconds: ((totalSteps - this.#step) * stepMilliseconds) / 1000,
      structures: this.#structures.totals(),
      macs,
    });
  }

  /** Longest that the event loop was held up since the last look; the epoch's longest is kept. */
  #lookAtEventLoop(): number {
    const blocked = this.#session.eventLoop.look();
    this.#blocked = Math.max(this.#blocked, blocked);
    return blocked;
  }

  async #score(split: Split): Promise<Accuracy> {
    const { trainee, dataset, cluster } = this.#session;
    return sharedAccuracy(await trainee.classifier(), split, dataset, cluster);
  }

  /** Scores, counts what is left, and writes a checkpoint. The last epoch's score is the run's: it is on all test images. */
  async #finishEpoch(): Promise<void> {
    const { trainee, dataset, settings, totalSteps, cluster, host, factors } = this.#session;
    await trainee.shareStatistics();
    const state = await this.#finiteState();
    await requireIdentical(cluster, new Map([...state.weights, ...state.velocities]));
    const isLast = this.#step === totalSteps;
    const scored = await this.#score(isLast ? dataset.test : firstImages(dataset.test, settings.evaluationImages));
    if (isLast) this.#accuracy = scored;
    const cost = await this.#costs.count(state.weights);
    this.#budget?.learn(state, cost);
    this.#lookAtEventLoop();
    const { steps, loss, correct, milliseconds } = this.#sums;
    const trained = steps * settings.batch;
    const report: EventBody = {
      type: "epoch",
      trainLoss: loss / steps,
      trainAccuracy: (100 * correct) / trained,
      testAccuracy: scored.accuracy,
      testImages: scored.images,
      imagesPerSecond: (1000 * trained) / milliseconds,
      seconds: milliseconds / 1000,
      ...this.#tempo.endEpoch(),
      blockedMilliseconds: this.#blocked,
      learningRate: learningRateAt(settings.schedule, this.#step - 1, totalSteps),
      layers: this.#structures.layers(),
      factors: this.#structures.summaries(),
      levels: this.#structures.levels(),
      margins: marginsOf(factors, state, (factor) => trainee.numbersOf(factor)),
      cost,
    };
    this.#blocked = 0;
    const { emitter } = this.#journal;
    emitter.emit(report);
    for (const event of await describeCommunication(cluster, host, steps, milliseconds)) emitter.emit(event);
    for (const warning of this.#warnings.look({ ...report, epoch: this.#step / this.#session.stepsPerEpoch })) {
      emitter.emit(warning);
    }
    this.#sums = NO_SUMS;
    if (!(await this.#shrink())) await this.#save(state);
  }

  /** True if the network shrank. The checkpoint then holds the decision: what comes after it is trained on what is left. */
  async #shrink(): Promise<boolean> {
    if (!(await this.#shrinker.consider(this.#step))) return false;
    this.#tempo.start();
    await this.#save();
    return true;
  }

  async #stopIfAborted(): Promise<void> {
    const { cluster, trainee } = this.#session;
    if (!trainee.mustStop(this.#journal.isAborted)) return;
    if (this.#savedStep < this.#step) await this.#save();
    await failTogether(cluster, this.#journal.interrupted(this.#step));
  }

  /** Whether another rank writes and tells what this one would. */
  get #isFollower(): boolean {
    return !this.#session.cluster.isFirst;
  }

  async #save(state?: TrainingState): Promise<void> {
    const { graph, trainee, background } = this.#session;
    const journal = this.#journal;
    const { folder, emitter } = journal;
    if (state === undefined) await trainee.shareStatistics();
    const { weights, velocities } = state ?? (await this.#finiteState());
    const { choices, cuts } = trainee;
    const progress = { step: this.#step, sums: this.#sums, choices, cuts, ...optional("budget", this.#budget?.state) };
    const { seal } = this.#session.checkpoint;
    const checkpoint = { progress, network: { graph, weights }, velocities, ...optional("seal", seal) };
    const bytes = await journal.write((owner) => background.call("writeCheckpoint", { folder, checkpoint, owner }));
    this.#savedStep = this.#step;
    if (bytes !== undefined) emitter.emit({ type: "checkpoint", path: checkpointPath(this.#step), bytes });
  }

  /** The state now. A step can spoil the weights although its own loss was fine: such a state is never kept. */
  async #finiteState(): Promise<TrainingState> {
    const { trainee, background, cluster } = this.#session;
    const state = await trainee.readWhole();
    const spoilt = await background.call("firstSpoilt", state);
    if (spoilt !== undefined) await failTogether(cluster, this.#diverged(String(spoilt.value), spoilt.name));
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
