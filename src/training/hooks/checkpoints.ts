/** Writes a checkpoint at the end of each epoch, where a hook asks for one, and where the run is stopped. */
import { optional } from "../../core/optional.ts";
import type { TrainingState } from "../network/full-size-state.ts";
import { checkpointPath } from "../run-folder/checkpoint-files.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import type { RunState } from "../run-state.ts";
import type { Session } from "../session.ts";
import type { EpochResult, RunHook, TrainingRun } from "./run-hook.ts";

export class Checkpoints implements RunHook {
  readonly name: string = "checkpoints";
  readonly #session: Session;
  readonly #writer: RunWriter;
  readonly #run: RunState;
  /** Those whose states are kept. */
  readonly #hooks: readonly RunHook[];
  #hasBegun = false;
  /** Step of the last checkpoint that is on disk. */
  #savedStep: number;

  constructor(session: Session, writer: RunWriter, run: RunState, hooks: readonly RunHook[]) {
    this.#session = session;
    this.#writer = writer;
    this.#run = run;
    this.#hooks = hooks;
    this.#savedStep = run.step;
  }

  begin(): void {
    // The others have begun before.
    this.#hasBegun = true;
  }

  async afterStep(run: TrainingRun): Promise<void> {
    if (!run.isEpochEnd && this.#run.takeRequest()) await this.save();
  }

  async afterEpoch(_: TrainingRun, { state }: EpochResult): Promise<void> {
    // Whoever asked for one may have changed the network since.
    await this.save(this.#run.takeRequest() ? undefined : state);
  }

  async interrupted(run: TrainingRun): Promise<void> {
    if (this.#savedStep < run.step) await this.save();
  }

  /** `state`: of the network as it is now, where it is known. */
  async save(state?: TrainingState): Promise<void> {
    const { graph, network, background, checkpoint: start } = this.#session;
    const { folder } = this.#writer;
    const { step, sums, isEnded } = this.#run;
    if (state === undefined) await network.shareStatistics();
    const { weights, optimizer } = state ?? (await this.#run.readState());
    const { choices, cuts } = network;
    const progress = { step, sums, choices, cuts, ...(isEnded ? { isEnded } : {}) };
    const hooks = this.#hasBegun
      ? Object.fromEntries(this.#hooks.flatMap((hook) => (hook.state === undefined ? [] : [[hook.name, hook.state()]])))
      : {};
    const checkpoint = { progress, network: { graph, weights }, optimizer, hooks, ...optional("seal", start.seal) };
    const bytes = await this.#writer.write((owner) =>
      background.call("writeCheckpoint", { folder, checkpoint, owner }),
    );
    this.#savedStep = step;
    this.#run.lastCheckpoint = checkpointPath(step);
    if (bytes !== undefined) this.#run.emit({ type: "checkpoint", path: checkpointPath(step), bytes });
  }
}
