/**
 * Writes a session's files and events into a run's folder, which it locks against other processes. Events get their
 * time, step and epoch, go into the log and to the listener. It also knows whether the session should stop.
 */
import { rm } from "node:fs/promises";
import { relative } from "node:path";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { EventBody, RunEvent } from "../events/events.ts";
import { removeLeftovers } from "./checkpoint-files.ts";
import { Claim, type Owner } from "./claim.ts";
import { EventLog } from "./event-log.ts";

/** Called synchronously for each event, in order. An error that it throws ends the run. */
export type EventListener = (event: RunEvent) => void;

export interface RunWriterOptions {
  readonly onEvent?: EventListener;
  /** Aborting it stops the run before the next step. */
  readonly signal?: AbortSignal;
}

export class Emitter {
  readonly #claim: Claim | undefined;
  readonly #log: EventLog | undefined;
  readonly #listener: EventListener | undefined;
  #step = 0;
  #epoch = 0;

  /** Without `log` no events are stored. With `claim`, `emit` throws once another process owns the folder. */
  constructor(log: EventLog | undefined, listener: EventListener | undefined, claim?: Claim) {
    this.#claim = claim;
    this.#log = log;
    this.#listener = listener;
  }

  /** Sets step and epoch (counted from 1) of the next events. */
  moveTo(step: number, epoch: number): void {
    this.#step = step;
    this.#epoch = epoch;
  }

  emit(body: EventBody): void {
    const { type, ...rest } = body;
    const stamp = { time: new Date().toISOString(), step: this.#step, epoch: this.#epoch };
    // TypeScript does not follow the spread of a union back to the union; `type` and the rest come from one body.
    const event = { type, ...stamp, ...rest } as RunEvent;
    this.#claim?.require();
    this.#log?.append(event);
    this.#listener?.(event);
  }
}

export class RunWriter {
  readonly folder: string;
  readonly emitter: Emitter;
  readonly #claim: Claim | undefined;
  readonly #log: EventLog | undefined;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    folder: string,
    claim: Claim | undefined,
    log: EventLog | undefined,
    { onEvent, signal }: RunWriterOptions,
  ) {
    this.folder = folder;
    this.#claim = claim;
    this.#log = log;
    this.emitter = new Emitter(log, onEvent, claim);
    this.#signal = signal;
  }

  /**
   * Locks the run `folder`, removes incomplete files of a killed process, and opens the log. Throws the errors of
   * `Claim.take`, `removeLeftovers` and `EventLog`.
   */
  static async open(folder: string, options: RunWriterOptions): Promise<RunWriter> {
    const claim = await Claim.take(folder);
    try {
      await removeLeftovers(folder);
      return new RunWriter(folder, claim, new EventLog(folder), options);
    } catch (error) {
      await claim.release();
      throw error;
    }
  }

  /** For ranks other than 0: writes nothing, locks nothing and has no listener. */
  static silent(folder: string, { signal }: RunWriterOptions): RunWriter {
    return new RunWriter(folder, undefined, undefined, optional({ signal }));
  }

  get isAborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Emits that the run was stopped after `step` steps. Returns the error that says how to continue. */
  interrupted(step: number): UserError {
    const hint = `Continue it with "espalier resume ${nearPath(this.folder)}" (resume() in code)`;
    this.emitter.emit({ type: "interrupted", hint });
    return new UserError("interrupted", `the run was stopped after step ${step}; a checkpoint is written`, {
      about: this.folder,
      hint,
    });
  }

  /**
   * Calls `write` with the owner, after checking that this process still owns the folder. Does nothing on ranks other
   * than 0.
   * @throws UserError "run-lost", "run-moved", and the errors of `write`.
   */
  async write<T>(write: (owner: Owner) => Promise<T>): Promise<T | undefined> {
    const claim = this.#claim;
    if (claim === undefined) return undefined;
    claim.require();
    try {
      return await write(claim.owner);
    } catch (error) {
      // If the folder was moved meanwhile, report that instead of a missing file.
      claim.require();
      throw error;
    }
  }

  /** Removes the folder and its files, for a new run that could not start. */
  async discard(): Promise<void> {
    const isOurs = this.#claim?.isHeld === true;
    await this.close();
    if (isOurs) await rm(this.folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    this.#log?.close();
    await this.#claim?.release();
  }
}

/** `path` relative to the working directory if it is inside of it. */
function nearPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") || near === "" ? path : near;
}
