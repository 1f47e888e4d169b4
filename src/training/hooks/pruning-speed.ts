/** How fast steps are before the network is pruned, and after it. */
import type { RunHook, StepResult, TrainingRun } from "./run-hook.ts";

/** Steps whose times are known for the speed before a cut, and waited for after it. */
const MEASURED_STEPS = 20;

export class PruningSpeed implements RunHook {
  readonly name: string = "pruning-speed";
  readonly #batch: number;
  #recent: number[] = [];
  /** Images per second before the last cut, until those after it are known. */
  #before: number | undefined;

  /** `batch`: images of a step. */
  constructor(batch: number) {
    this.#batch = batch;
  }

  afterStep(run: TrainingRun, { milliseconds }: StepResult): void {
    this.#recent.push(milliseconds);
    if (this.#recent.length <= MEASURED_STEPS) return;
    this.#recent.shift();
    this.tell(run);
  }

  end(run: TrainingRun): void {
    this.tell(run);
  }

  /**
   * Tells what the last cut made of the speed, unless that is told or no step was made since; also when no more steps
   * come.
   */
  tell(run: Pick<TrainingRun, "emit">): void {
    if (this.#before === undefined || this.#recent.length === 0) return;
    const imagesPerSecond = { before: this.#before, after: this.#imagesPerSecond };
    run.emit({ type: "shrink.measured", imagesPerSecond, steps: this.#recent.length });
    this.#before = undefined;
  }

  /** The network was cut: what comes from now on is another speed. Gives back that of before, 0 if it is not known. */
  restart(): number {
    const imagesPerSecond = this.#imagesPerSecond;
    this.#before = imagesPerSecond;
    this.#recent = [];
    return imagesPerSecond;
  }

  /** Median of the steps that are known. */
  get #imagesPerSecond(): number {
    const sorted = this.#recent.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    return median > 0 ? (1000 * this.#batch) / median : 0;
  }
}
