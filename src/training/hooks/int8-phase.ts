/**
 * The last part of a run with `int8`: steps simulate 8-bit integers from then on. Ranges are calibrated when they
 * begin, and followed. They begin at a step that the settings give. A budget that is not met by then delays them, but
 * not for long: every run trains some steps with them. When they begin depends on the state alone, so a resumed run
 * begins at the same step.
 */
import { z } from "zod";
import { required } from "../../core/errors.ts";
import { tensor } from "../../core/tensor.ts";
import { calibratedRanges } from "../../quantization/calibrate.ts";
import { simulateIntegers } from "../../quantization/simulate.ts";
import type { GammaPolicy } from "../gamma/gamma-policy.ts";
import type { Throughput } from "../progress/throughput.ts";
import type { Session } from "../session/session.ts";
import { int8Start, keptFloats } from "../settings/integers.ts";
import { type Json, type RunHook, readHookState, type TrainingRun } from "./run-hook.ts";

/** Fewer steps train little: ranges follow about the last ten batches, and weights hardly move. */
const FEW_STEPS = 20;

const stateSchema = z.strictObject({ since: z.int().nonnegative().nullable() });

export class Int8Phase implements RunHook {
  readonly name: string = "int8";
  readonly #session: Session;
  readonly #policy: GammaPolicy;
  readonly #throughput: Throughput;
  /** The step after which integers are simulated; null before that. */
  #since: number | null = null;

  constructor(session: Session, policy: GammaPolicy, throughput: Throughput) {
    this.#session = session;
    this.#policy = policy;
    this.#throughput = throughput;
  }

  /** Steps so far that simulated integers. */
  stepsUntil(step: number): number {
    return this.#since === null ? 0 : step - this.#since;
  }

  async begin(run: TrainingRun, state: Json | undefined): Promise<void> {
    if (state !== undefined) this.#since = readHookState(this.name, stateSchema, state).since;
    if (run.step > 0) return;
    this.#warnOfFewSteps(run);
    await this.#startIfDue(run);
  }

  async afterStep(run: TrainingRun): Promise<void> {
    if (!run.isEpochEnd) await this.#startIfDue(run);
  }

  async afterEpoch(run: TrainingRun): Promise<void> {
    await this.#startIfDue(run);
  }

  state(): Json {
    return { since: this.#since };
  }

  #warnOfFewSteps(run: TrainingRun): void {
    const steps = run.totalSteps - int8Start(this.#session.settings, run).earliest;
    if (steps >= FEW_STEPS) return;
    run.emit({
      type: "warning",
      reason: "int8-short",
      message: `only ${steps === 1 ? "the last step simulates" : `the last ${steps} steps simulate`} 8-bit integers`,
      hint: `Train for more epochs, or give --int8-epochs ${roundUp(FEW_STEPS / run.stepsPerEpoch)} or more`,
    });
  }

  async #startIfDue(run: TrainingRun): Promise<void> {
    const { settings, network } = this.#session;
    const { earliest, latest } = int8Start(settings, run);
    if (network.isSimulated || run.step < earliest || run.step >= run.totalSteps) return;
    if (!(await this.#isReached(run))) {
      if (run.step < latest) return;
      const message = "8-bit integers are simulated before the budget is met, because few steps are left";
      run.emit({ type: "notice", message });
    }
    await this.#start(run);
  }

  /** Whether the network has the structures that it will end with. */
  async #isReached(run: TrainingRun): Promise<boolean> {
    return this.#policy.isReached === undefined || this.#policy.isReached((await run.readFactors()).factors);
  }

  async #start(run: TrainingRun): Promise<void> {
    const { network, host, dataset, cluster, settings } = this.#session;
    // All ranks begin with the same statistics, which stay constant from here on.
    await network.shareStatistics();
    const known = new Set(network.notices);
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
    for (const message of network.notices) if (!known.has(message)) run.emit({ type: "notice", message });
    this.#throughput.start();
    // The steps from here on train another plan, so a checkpoint has to contain the ranges.
    run.requestCheckpoint();
  }
}

/** To tenths, as epochs are given. */
function roundUp(epochs: number): number {
  return Math.ceil(10 * epochs) / 10;
}
