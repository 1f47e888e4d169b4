/**
 * A run's folder while a session writes to it: locked against other processes, its events stamped with time and place,
 * appended to the log and handed to whoever listens; and the one place that knows whether the session should stop.
 */
import { rm } from "node:fs/promises";
import { relative } from "node:path";
import { UserError } from "../../core/errors.ts";
import type { EventBody, RunEvent } from "../events.ts";
import { removeLeftovers } from "./checkpoint-files.ts";
import { Claim, type Owner } from "./claim.ts";
import { EventLog } from "./event-log.ts";

/** Called for each event in order, at once; what it throws ends the run. */
export type EventListener = (event: RunEvent) => void;

export interface RunWriterOptions {
  readonly onEvent?: EventListener;
  /** Aborting it stops the run at the next step boundary. */
  readonly signal?: AbortSignal;
}

export class Emitter {
  readonly #claim: Claim | undefined;
  readonly #log: EventLog | undefined;
  readonly #listener: EventListener | undefined;
  #step = 0;
  #epoch = 0;

  /** Without `log` nothing is kept; with `claim` nothing is told any more once the folder is not this process's. */
  constructor(log: EventLog | undefined, listener: EventListener | undefined, claim?: Claim) {
    this.#claim = claim;
    this.#log = log;
    this.#listener = listener;
  }

  /** Where the run is now: steps done, and the epoch they belong to, counted from 1. */
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
   * Takes the run `folder`, removes what a killed process left half written, and opens its log. Errors are those of
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

  /** Of a rank that another one writes for: nothing is written or locked, and nobody listens. */
  static silent(folder: string, { signal }: RunWriterOptions): RunWriter {
    return new RunWriter(folder, undefined, undefined, signal === undefined ? {} : { signal });
  }

  get isAborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Tells that the run stops here, after `step` steps, and gives the error that says how to go on. */
  interrupted(step: number): UserError {
    const hint = `Continue it with "espalier resume ${nearPath(this.folder)}" (resume() in code)`;
    this.emitter.emit({ type: "interrupted", hint });
    return new UserError("interrupted", `the run was stopped after step ${step}; a checkpoint is written`, {
      about: this.folder,
      hint,
    });
  }

  /**
   * Has `write` put something into the folder, as the owner that it is given, if the folder is still this process's and
   * where it was.
   * @throws UserError "run-lost", "run-moved"; else what `write` throws. Nothing is done for a rank that another one
   * writes for.
   */
  async write<T>(write: (owner: Owner) => Promise<T>): Promise<T | undefined> {
    const claim = this.#claim;
    if (claim === undefined) return undefined;
    claim.require();
    try {
      return await write(claim.owner);
    } catch (error) {
      // A folder that went away meanwhile is the reason, and not the file that is missing for it.
      claim.require();
      throw error;
    }
  }

  /** Takes the folder away again, with all that is in it: of a run that has not begun. */
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

/** As short as it can be typed from here. */
function nearPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") || near === "" ? path : near;
}
