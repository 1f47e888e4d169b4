/**
 * A run's folder while a session writes to it: locked against other processes, its events stamped with time and place,
 * appended to the log and handed to whoever listens; and the one place that knows whether the session should stop.
 */
import { relative } from "node:path";
import { UserError } from "../core/errors.ts";
import { EventLog } from "./event-log.ts";
import type { EventBody, RunEvent } from "./events.ts";
import { lockRunFolder } from "./run-folder.ts";

/** Called for each event in order, at once; what it throws ends the run. */
export type EventListener = (event: RunEvent) => void;

export interface JournalOptions {
  readonly onEvent?: EventListener;
  /** Aborting it stops the run at the next step boundary. */
  readonly signal?: AbortSignal;
}

export class Emitter {
  readonly #log: EventLog | undefined;
  readonly #listener: EventListener | undefined;
  #step = 0;
  #epoch = 0;

  /** Without `log` nothing is kept. */
  constructor(log: EventLog | undefined, listener: EventListener | undefined) {
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
    this.#log?.append(event);
    this.#listener?.(event);
  }
}

export class Journal {
  readonly folder: string;
  readonly emitter: Emitter;
  readonly #log: EventLog | undefined;
  readonly #signal: AbortSignal | undefined;
  #unlock: (() => Promise<void>) | undefined;

  private constructor(
    folder: string,
    log: EventLog | undefined,
    { onEvent, signal }: JournalOptions,
    unlock: (() => Promise<void>) | undefined,
  ) {
    this.folder = folder;
    this.#log = log;
    this.emitter = new Emitter(this.#log, onEvent);
    this.#signal = signal;
    this.#unlock = unlock;
  }

  /** Locks the run `folder` and opens its log. Errors are those of `lockRunFolder` and `EventLog`. */
  static async open(folder: string, options: JournalOptions): Promise<Journal> {
    let journal: Journal | undefined;
    let lost: Error | undefined;
    const unlock = await lockRunFolder(folder, (error) => {
      lost = error;
      journal?.loseLock(error);
    });
    try {
      journal = new Journal(folder, new EventLog(folder), options, unlock);
      if (lost !== undefined) journal.loseLock(lost);
      return journal;
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  /** Of a rank that another one keeps the journal for: nothing is written or locked, and nobody listens. */
  static silent(folder: string, { signal }: JournalOptions): Journal {
    return new Journal(folder, undefined, signal === undefined ? {} : { signal }, undefined);
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

  /** The lock could not be renewed, say because the machine slept: nothing is wrong unless someone else trains the run. */
  loseLock({ message }: Error): void {
    this.#unlock = undefined;
    this.emitter.emit({ type: "notice", message: `the lock of the run's folder was lost (${message})` });
  }

  async close(): Promise<void> {
    this.#log?.close();
    await this.#unlock?.();
    this.#unlock = undefined;
  }
}

/** As short as it can be typed from here. */
function nearPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") || near === "" ? path : near;
}
