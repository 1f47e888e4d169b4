/**
 * Measures the speed of a run and the waits for its batches: since the last report, in the epoch, in the session.
 */
import { performance } from "node:perf_hooks";

const REPORT_MILLISECONDS = 500;

/** Sums over some steps. */
export interface Pace {
  readonly steps: number;
  readonly milliseconds: number;
  /** Number of steps whose batch was not ready, and the time that they waited for it. */
  readonly waits: number;
  readonly waitedMilliseconds: number;
}

const NO_STEPS: Pace = { steps: 0, milliseconds: 0, waits: 0, waitedMilliseconds: 0 };

function sum(a: Pace, b: Pace): Pace {
  return {
    steps: a.steps + b.steps,
    milliseconds: a.milliseconds + b.milliseconds,
    waits: a.waits + b.waits,
    waitedMilliseconds: a.waitedMilliseconds + b.waitedMilliseconds,
  };
}

/** Mean time that a step waited. */
function meanWait({ steps, waitedMilliseconds }: Pace): number {
  return steps > 0 ? waitedMilliseconds / steps : 0;
}

export interface Waiting {
  /** Mean over the steps. */
  readonly waitMilliseconds: number;
  readonly waits: number;
}

export interface ThroughputReport extends Waiting {
  readonly imagesPerSecond: number;
  /** Mean since the start, including the work between steps. */
  readonly stepMilliseconds: number;
}

export class Throughput {
  readonly #batch: number;
  #startedAt = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #steps = 0;
  #recent = NO_STEPS;
  #epoch = NO_STEPS;
  #session = NO_STEPS;

  /** `batch`: images in a step. */
  constructor(batch: number) {
    this.#batch = batch;
  }

  /** Starts measuring the mean time of a step; called again when a cut changes it. */
  start(): void {
    this.#steps = 0;
    this.#startedAt = performance.now();
  }

  /** Adds a step that took `milliseconds` and waited `waited` of them for its batch; 0 if the batch was ready. */
  add(milliseconds: number, waited: number): void {
    this.#steps++;
    const step: Pace = { steps: 1, milliseconds, waits: waited > 0 ? 1 : 0, waitedMilliseconds: waited };
    this.#recent = sum(this.#recent, step);
    this.#epoch = sum(this.#epoch, step);
    this.#session = sum(this.#session, step);
  }

  isReportDue(): boolean {
    return performance.now() - this.#reportedAt >= REPORT_MILLISECONDS;
  }

  /** Since the last report. */
  report(): ThroughputReport {
    const { steps, milliseconds, waits } = this.#recent;
    const waitMilliseconds = meanWait(this.#recent);
    const now = performance.now();
    this.#recent = NO_STEPS;
    this.#reportedAt = now;
    return {
      imagesPerSecond: milliseconds > 0 ? (1000 * steps * this.#batch) / milliseconds : 0,
      stepMilliseconds: this.#steps > 0 ? (now - this.#startedAt) / this.#steps : 0,
      waitMilliseconds,
      waits,
    };
  }

  /** Since the last end of an epoch. */
  endEpoch(): Waiting {
    const waiting = { waitMilliseconds: meanWait(this.#epoch), waits: this.#epoch.waits };
    this.#epoch = NO_STEPS;
    return waiting;
  }

  /** All steps so far. */
  get session(): Pace {
    return this.#session;
  }
}
