/** Measures how much faster steps become when the network is pruned. */
import type { RunHook, StepResult, TrainingRun } from "./run-hook.ts";

/** Number of steps for the median before a cut and the median after it. */
const MEASURED_STEPS = 20;

export class PruningSpeed implements RunHook {
  readonly name: string = "pruning-speed";
  readonly #batch: number;
  #recent: number[] = [];
  /** Images per second before the last cut, until the speed after it is reported. */
  #before: number | undefined;

  /** `batch`: images in a step. */
  constructor(batch: number) {
    this.#batch = batch;
  }

  afterStep(run: TrainingRun, { milliseconds }: StepResult): void {
    this.#recent.push(milliseconds);
    if (this.#recent.length <= MEASURED_STEPS) return;
    this.#recent.shift();
    this.report(run);
  }

  end(run: TrainingRun): void {
    this.report(run);
  }

  /**
   * Emits the speed before and after the last cut. Does nothing if that is reported already or no step was made since
   * the cut.
   */
  report(run: Pick<TrainingRun, "emit">): void {
    if (this.#before === undefined || this.#recent.length === 0) return;
    const imagesPerSecond = { before: this.#before, after: this.#imagesPerSecond };
    run.emit({ type: "shrink.measured", imagesPerSecond, steps: this.#recent.length });
    this.#before = undefined;
  }

  /** Starts the measurement after a cut. Returns the images per second before it; 0 if there were no steps. */
  restart(): number {
    const imagesPerSecond = this.#imagesPerSecond;
    this.#before = imagesPerSecond;
    this.#recent = [];
    return imagesPerSecond;
  }

  /** Images per second, from the median time of the recent steps. */
  get #imagesPerSecond(): number {
    const sorted = this.#recent.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    return median > 0 ? (1000 * this.#batch) / median : 0;
  }
}
