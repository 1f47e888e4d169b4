/** Stamps events with time and place, appends them to the log, and hands them to whoever listens. */
import type { EventLog } from "./event-log.ts";
import type { EventBody, RunEvent } from "./events.ts";

/** Called for each event in order, at once; what it throws ends the run. */
export type EventListener = (event: RunEvent) => void;

export class Emitter {
  readonly #log: EventLog;
  readonly #listener: EventListener;
  #step: number;
  #epoch: number;

  constructor(log: EventLog, listener: EventListener, place: { readonly step: number; readonly epoch: number }) {
    this.#log = log;
    this.#listener = listener;
    this.#step = place.step;
    this.#epoch = place.epoch;
  }

  /** Where the run is now: steps done, and the epoch they belong to, counted from 1. */
  moveTo(step: number, epoch: number): void {
    this.#step = step;
    this.#epoch = epoch;
  }

  emit(body: EventBody): void {
    const { type, ...rest } = body;
    const stamp = { time: new Date().toISOString(), step: this.#step, epoch: this.#epoch };
    // The spread of a union is not followed by TypeScript back to the union; `type` and the rest come from one body.
    const event = { type, ...stamp, ...rest } as RunEvent;
    this.#log.append(event);
    this.#listener(event);
  }
}
