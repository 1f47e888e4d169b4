/** Writes a checkpoint at the end of each epoch, when a hook requests one, and when the run is stopped. */
import { optional } from "../../core/optional.ts";
import type { TrainingState } from "../network/full-size-state.ts";
import { checkpointPath } from "../run-folder/checkpoint-files.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import type { RunState } from "../session/run-state.ts";
import type { Session } from "../session/session.ts";
import type { EpochResult, RunHook, TrainingRun } from "./run-hook.ts";

export class Checkpoints implements RunHook {
  readonly name: string = "checkpoints";
  readonly #session: Session;
  readonly #writer: RunWriter;
  readonly #run: RunState;
  /** The hooks whose states are saved. */
  readonly #hooks: readonly RunHook[];
  #hasBegun = false;
  /** Step of the last checkpoint on disk. */
  #savedStep: number;

  constructor(session: Session, writer: RunWriter, run: RunState, hooks: readonly RunHook[]) {
    this.#session = session;
    this.#writer = writer;
    this.#run = run;
    this.#hooks = hooks;
    this.#savedStep = run.step;
  }

  begin(): void {
    // This hook is the last one, so all states are restored by now.
    this.#hasBegun = true;
  }

  async afterStep(run: TrainingRun): Promise<void> {
    if (!run.isEpochEnd && this.#run.takeRequest()) await this.save();
  }

  async afterEpoch(_: TrainingRun, { state }: EpochResult): Promise<void> {
    // The hook that requested a checkpoint may have changed the network.
    await this.save(this.#run.takeRequest() ? undefined : state);
  }

  async interrupted(run: TrainingRun): Promise<void> {
    if (this.#savedStep < run.step) await this.save();
  }

  /** `state`: the network's current state, if the caller has read it already. */
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
    const checkpoint = { progress, network: { graph, weights }, optimizer, hooks, ...optional({ seal: start.seal }) };
    const bytes = await this.#writer.write((owner) =>
      background.call("writeCheckpoint", { folder, checkpoint, owner }),
    );
    this.#savedStep = step;
    this.#run.lastCheckpoint = checkpointPath(step);
    if (bytes !== undefined) this.#run.emit({ type: "checkpoint", path: checkpointPath(step), bytes });
  }
}
