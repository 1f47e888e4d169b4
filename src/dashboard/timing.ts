/**
 * How the page times the networks of a plan (`latency/timing-plan.ts`). Nothing here needs a browser: the clock, the
 * runtime and whether the page is in sight are given.
 */
import { quantile } from "../core/quantile.ts";
import type { LayerTiming, TimedFile, TimingPlan } from "../latency/timing-plan.ts";

/** The clocks of browsers are coarse, up to a millisecond, so a sample is at least this many milliseconds of runs. */
const SAMPLE = 20;
const SAMPLES = 7;
const WARM_UPS = 2;
const ATTEMPTS = 3;
/** The largest spread, as a share of the time. */
const MOST_SPREAD = 0.2;

/** Milliseconds of a run, and the distance of the quartiles from the median. */
export interface Timing {
  readonly milliseconds: number;
  readonly spread: number;
  /** Whether the samples differed so much that something else must have been running. */
  readonly isNoisy: boolean;
}

type Run = () => Promise<void>;

/** Milliseconds of a run in each sample: of `runs` in turns, so that other work slows all of them. */
async function sampled(runs: readonly Run[], now: () => number): Promise<readonly (readonly number[])[]> {
  const timeOf = async (run: Run, count: number): Promise<number> => {
    const start = now();
    for (let index = 0; index < count; index++) await run();
    return now() - start;
  };
  const counts: number[] = [];
  for (const run of runs) {
    await timeOf(run, WARM_UPS);
    let count = 1;
    for (let time = await timeOf(run, count); time < SAMPLE; time = await timeOf(run, count)) {
      count *= Math.min(16, Math.max(2, Math.ceil((1.1 * SAMPLE) / Math.max(time, 0.01))));
    }
    counts.push(count);
  }
  const samples = runs.map((): number[] => []);
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const [index, run] of runs.entries()) {
      const count = counts[index] ?? 1;
      samples[index]?.push((await timeOf(run, count)) / count);
    }
  }
  return samples;
}

const ascending = (values: readonly number[]): readonly number[] => values.toSorted((a, b) => a - b);
const median = (values: readonly number[]): number => quantile(ascending(values), 0.5);
const halfRange = (values: readonly number[]): number =>
  (quantile(ascending(values), 0.75) - quantile(ascending(values), 0.25)) / 2;

export async function timeNetwork(run: Run, now: () => number): Promise<Timing> {
  const [samples = []] = await sampled([run], now);
  const milliseconds = median(samples);
  const spread = halfRange(samples);
  return { milliseconds, spread, isNoisy: spread > MOST_SPREAD * milliseconds };
}

/** The time of a layer that the network of `many` has `copies` times more than the network of `one`. */
export async function timeLayer(one: Run, many: Run, copies: number, now: () => number): Promise<Timing> {
  const [ofOne = [], ofMany = []] = await sampled([one, many], now);
  const differences = ofMany.map((time, index) => (time - (ofOne[index] ?? 0)) / copies);
  return {
    milliseconds: Math.max(0, median(ofMany) - median(ofOne)) / copies,
    spread: halfRange(differences),
    isNoisy: halfRange(ofMany) > MOST_SPREAD * median(ofMany),
  };
}

/** Times networks; rejects if one cannot be run. */
export interface NetworkTimer {
  network(file: TimedFile): Promise<Timing>;
  layer(layer: LayerTiming): Promise<Timing>;
}

/** Whether the page is in sight: browsers slow down pages that are not. */
export interface Sight {
  /** How often the page was hidden since it was opened. */
  hidden(): number;
  /** Resolves as soon as the page is in sight. */
  seen(): Promise<void>;
}

export interface Progress {
  /** Networks that are timed. */
  readonly done: number;
  readonly of: number;
  /** What is timed now. */
  readonly name: string;
  /** Why it is timed again. */
  readonly again?: "hidden" | "noisy";
}

/** The times of all networks of a plan. */
export interface MeasuredPlan {
  readonly milliseconds: readonly number[];
  readonly whole: number;
  readonly empty: number;
  /** As a share of the time: of the layers, or by how much the whole network changed from begin to end. */
  readonly spread: number;
}

/**
 * Times all networks of `plan`. What was timed while the page was hidden is timed again, and what is noisy up to three
 * times.
 * @throws Error if the spread of all is still too large, or if `timer` fails.
 */
export async function measurePlan(
  plan: TimingPlan,
  timer: NetworkTimer,
  sight: Sight,
  onProgress: (progress: Progress) => void,
): Promise<MeasuredPlan> {
  const { layers, own, whole, empty } = plan;
  let done = 0;
  const timed = async (name: string, measure: () => Promise<Timing>): Promise<Timing> => {
    const about = { done, of: layers.length + 3, name };
    onProgress(about);
    for (let attempt = 1; ; ) {
      await sight.seen();
      const before = sight.hidden();
      const timing = await measure();
      if (sight.hidden() !== before) {
        onProgress({ ...about, again: "hidden" });
      } else if (timing.isNoisy && attempt < ATTEMPTS) {
        attempt++;
        onProgress({ ...about, again: "noisy" });
      } else {
        done++;
        return timing;
      }
    }
  };
  const first = await timed("the whole network", () => timer.network(whole));
  const overhead = await timed("a network that does nothing", () => timer.network(empty));
  const timings: Timing[] = [];
  for (const layer of layers) timings.push(await timed(nameOf(layer), () => timer.layer(layer)));
  const last = await timed("the whole network, at the end", () => timer.network(whole));
  const mean = (first.milliseconds + last.milliseconds) / 2;
  const sum = (of: "milliseconds" | "spread"): number =>
    own.reduce((total, index) => total + (timings[index]?.[of] ?? 0), 0);
  const spread = Math.max(
    sum("spread") / Math.max(sum("milliseconds"), 1e-6),
    Math.abs(first.milliseconds - last.milliseconds) / (2 * mean),
  );
  if (spread > MOST_SPREAD) {
    throw new Error(
      `The times differ too much: by ${Math.round(100 * spread)} %, where ${100 * MOST_SPREAD} % are allowed. Close ` +
        "other pages and programs, connect the charger, and measure again",
    );
  }
  return {
    ...{ whole: mean, empty: overhead.milliseconds, spread },
    milliseconds: timings.map((one) => one.milliseconds),
  };
}

function nameOf({ key, outputs, inputs }: LayerTiming): string {
  return `${key}: ${inputs === 1 ? "" : `${inputs} to `}${outputs} channels`;
}
