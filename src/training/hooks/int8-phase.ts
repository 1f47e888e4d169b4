/**
 * The last epochs of a run with `int8`: steps simulate 8-bit integers from then on. They begin at the end of an epoch,
 * after its pruning, and not before a budget is met. Ranges are calibrated then, and followed.
 */
import { z } from "zod";
import { required } from "../../core/errors.ts";
import { tensor } from "../../core/tensor.ts";
import { calibratedRanges } from "../../quantization/calibrate.ts";
import { simulateIntegers } from "../../quantization/simulate.ts";
import type { GammaPolicy } from "../gamma/gamma-policy.ts";
import type { Session } from "../session.ts";
import { int8EpochsOf, keptFloats } from "../settings/integers.ts";
import { type Json, type RunHook, readHookState, type TrainingRun } from "./run-hook.ts";

const stateSchema = z.strictObject({ since: z.int().nonnegative().nullable() });

export class Int8Phase implements RunHook {
  readonly name: string = "int8";
  readonly #session: Session;
  readonly #policy: GammaPolicy;
  /** The step after which integers are simulated; null before that. */
  #since: number | null = null;

  constructor(session: Session, policy: GammaPolicy) {
    this.#session = session;
    this.#policy = policy;
  }

  /** Steps so far that simulated integers. */
  stepsUntil(step: number): number {
    return this.#since === null ? 0 : step - this.#since;
  }

  async begin(run: TrainingRun, state: Json | undefined): Promise<void> {
    if (state !== undefined) this.#since = readHookState(this.name, stateSchema, state).since;
    if (run.step === 0) await this.#startIfDue(run);
  }

  async afterEpoch(run: TrainingRun): Promise<void> {
    await this.#startIfDue(run);
  }

  state(): Json {
    return { since: this.#since };
  }

  async #startIfDue(run: TrainingRun): Promise<void> {
    const { settings, network } = this.#session;
    const first = run.totalSteps - int8EpochsOf(settings) * run.stepsPerEpoch;
    if (network.isSimulated || run.step < first || run.step >= run.totalSteps) return;
    const standing = this.#policy.standing?.();
    if (standing?.type === "budget" && !standing.isMet) return;
    await this.#start(run);
  }

  async #start(run: TrainingRun): Promise<void> {
    const { network, host, dataset, cluster, settings } = this.#session;
    const { graph } = network;
    const { weights } = await network.read();
    const found = await cluster.onFirst(async () => [...(await calibratedRanges(host, { graph, weights }, dataset))]);
    const seen = new Map(found);
    const { ranges, layers, floats } = simulateIntegers(graph, keptFloats(settings));
    await network.simulateIntegers(
      new Map(
        [...ranges.keys()].map((value) => [
          value,
          tensor([2], Float32Array.from(required(seen.get(value), `range of "${value}"`))),
        ]),
      ),
    );
    this.#since = run.step;
    run.emit({
      type: "int8.begun",
      epochs: (run.totalSteps - run.step) / run.stepsPerEpoch,
      layers: layers.length,
      floats,
    });
    // The steps from here on train another plan, so a checkpoint has to contain the ranges.
    run.requestCheckpoint();
  }
}
