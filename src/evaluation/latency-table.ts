/**
 * Measures a latency table in ONNX Runtime. It traces versions of the network with other widths, each in turns with the
 * network itself: a machine that gets slower or faster in between does so for both, so their ratio stays the same.
 */
import type { InferenceSession } from "onnxruntime-node";
import { requireArguments } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { thisProcessor } from "../core/processor.ts";
import { quantile } from "../core/quantile.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { gridTimes, type LayerSample, type SampleUse } from "../latency/grid.ts";
import type { LatencyTable, TimeGrid } from "../latency/table.ts";
import { loadSession } from "./onnx-runtime.ts";
import { randomFeeds } from "./random-feeds.ts";
import { probeRuntime } from "./runtime-probe.ts";
import { type TracedLayer, traceNetwork } from "./runtime-trace.ts";
import { timeWarmRun } from "./warm-run.ts";
import { evenVariants, unalignedVariants, type WidthVariants, widthVariants } from "./width-variants.ts";

export interface LatencyTableOptions {
  /** Threads of a run; default 1. */
  readonly threads?: number;
  /** Images of a run; default 1. */
  readonly batch?: number;
  /** The largest spread that the table may have, as a share of the times; default 0.2. */
  readonly mostSpread?: number;
  /** Called before each version of the network, counted from 0. */
  readonly onVariant?: (index: number, count: number, attempt: number) => void;
}

/** Versions of the network that are timed at most. More would come nearer to the times between the widths. */
const MOST_VARIANTS = 36;
/** Each is warmed up by several runs. */
const PAIRS = 8;
const TRACED_RUNS = 10;
const MOST_SPREAD = 0.2;
const ATTEMPTS = 3;
/** How much the speed of a machine may change between a profile and the runs without it. */
const MOST_DRIFT = 1.15;

/**
 * The times of all layers of `graph` on this machine. The quieter the machine is, the better they are: a spread that is
 * too large is measured again, up to three times.
 * @throws UserError "engine-missing" without ONNX Runtime, "unsupported" if the machine is too busy.
 */
export async function measureLatencyTable(graph: Graph, options: LatencyTableOptions = {}): Promise<LatencyTable> {
  requireArguments("measureLatencyTable", { graph: [graph, "graph"], options: [options, "object"] });
  const { threads = 1, batch = 1, mostSpread = MOST_SPREAD, onVariant = () => {} } = options;
  requireArguments("measureLatencyTable", {
    "options.threads": [threads, "positive whole number"],
    "options.batch": [batch, "positive whole number"],
  });
  let spread = 0;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const table = await measureOnce(graph, { threads, batch, onVariant: (...at) => onVariant(...at, attempt) });
    if (table.spread <= mostSpread) return table;
    spread = table.spread;
  }
  throw new UserError("unsupported", "this machine is too busy to measure latency", {
    expected: `a spread of at most ${100 * mostSpread} %`,
    received: `${Math.round(100 * spread)} % in the last of ${ATTEMPTS} attempts`,
    hint: "End other work on this machine, or give a table that was measured before: --latency-table table.json",
  });
}

interface Conditions {
  readonly threads: number;
  readonly batch: number;
  readonly onVariant: (index: number, count: number) => void;
}

interface Measured {
  /** Of the network itself. */
  readonly ratio: number;
  readonly layers: readonly TracedLayer[];
  readonly use: SampleUse;
}

/** A version of the network: milliseconds of its layers without the profile, and the profile. */
interface ProfiledRun {
  readonly time: number;
  readonly layers: readonly TracedLayer[];
  readonly use: SampleUse;
}

/**
 * Milliseconds by which the profile makes a node longer. The profiles of all versions together are α times their times
 * without it, plus this for each node; α is near 1, for the machine's speed may have changed. Least squares over the
 * versions; `usual` if they are too alike.
 */
function profilingOf(runs: readonly ProfiledRun[], usual: number): number {
  const points = runs.map(({ time, layers }) => {
    const nodes = layers.reduce((sum, layer) => sum + layer.nodes, 0);
    return { x: time / nodes, y: layers.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / nodes };
  });
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const spread = mean(points.map((point) => (point.x - x) ** 2));
  if (spread < (0.1 * x) ** 2) return usual;
  const slope = mean(points.map((point) => (point.x - x) * (point.y - y))) / spread;
  const found = y - Math.min(MOST_DRIFT, Math.max(1 / MOST_DRIFT, slope)) * x;
  return Math.min(2 * usual, Math.max(usual / 2, found));
}

async function measureOnce(graph: Graph, { threads, batch, onVariant }: Conditions): Promise<LatencyTable> {
  const probe = await probeRuntime(threads);
  const variants = widthVariants(graph, probe.channelBlock, MOST_VARIANTS);
  const whole = variants.variant(variants.count - 1);
  const versions = [
    ...makers({ ...variants, count: variants.count - 1 }, "grid"),
    ...makers({ count: 1, variant: () => whole }, "even"),
    ...makers(evenVariants(graph, probe.channelBlock), "even"),
    ...(probe.inputAlignment === 1 ? [] : makers(unalignedVariants(graph, probe.channelBlock), "unaligned")),
  ];
  const samples: LayerSample[] = [];
  const spreads: number[] = [];
  const wholeTimes: number[] = [];
  const measured: Measured[] = [];
  const reference = await Timed.load(whole, threads, batch);
  try {
    for (const [index, { make, use }] of versions.entries()) {
      onVariant(index, versions.length);
      const network = make();
      const variant = await Timed.load(network, threads, batch);
      try {
        const ratios: number[] = [];
        for (let pair = -1; pair < PAIRS; pair++) {
          const [of, own] = [await reference.run(), await variant.run()];
          if (pair < 0) continue;
          wholeTimes.push(of);
          ratios.push(own / of);
        }
        const sorted = ratios.toSorted((a, b) => a - b);
        const ratio = quantile(sorted, 0.5);
        spreads.push((quantile(sorted, 0.75) - quantile(sorted, 0.25)) / (2 * ratio));
        const { layers } = await traceNetwork(network, { threads, batch, runs: TRACED_RUNS });
        measured.push({ ratio, layers, use });
      } finally {
        await variant.release();
      }
    }
  } finally {
    await reference.release();
  }
  const wholeTime = quantile(
    wholeTimes.toSorted((a, b) => a - b),
    0.5,
  );
  const overhead = Math.min(probe.overhead, wholeTime / 2);
  const runs = measured.map(({ ratio, ...rest }) => ({ ...rest, time: ratio * wholeTime - overhead }));
  const profiling = profilingOf(runs, probe.profiling);
  for (const { time, layers, use } of runs) {
    const own = layers.map((layer) => Math.max(0, layer.milliseconds - layer.nodes * profiling));
    // Together the layers take what a run without the profile takes.
    const scale = time / own.reduce((sum, milliseconds) => sum + milliseconds, 0);
    for (const [index, { key, outputs, inputs }] of layers.entries()) {
      samples.push({ key, outputs, inputs, milliseconds: (own[index] ?? 0) * scale, use });
    }
  }
  return {
    format: "espalier-latency-table",
    version: 2,
    device: thisProcessor().model,
    runtime: "ONNX Runtime",
    runtimeVersion: probe.version,
    provider: "cpu",
    ...{ threads, batch, channelBlock: probe.channelBlock, narrow: probe.narrow },
    inputAlignment: probe.inputAlignment,
    overhead: rounded(overhead),
    spread: rounded(
      quantile(
        spreads.toSorted((a, b) => a - b),
        0.5,
      ),
    ),
    layers: gridTimes(samples, probe).map(({ unaligned, ...times }) => ({
      ...roundedGrid(times),
      ...optional({ unaligned: unaligned && roundedGrid(unaligned) }),
    })),
  };
}

/** The networks of `variants`, made when they are needed, and what their samples are used for. */
function makers({ count, variant }: WidthVariants, use: SampleUse): { make: () => Network; use: SampleUse }[] {
  return Array.from({ length: count }, (_, index) => ({ make: () => variant(index), use }));
}

/** A network that is loaded in ONNX Runtime to be timed. */
class Timed {
  readonly #session: InferenceSession;
  readonly #feeds: InferenceSession.FeedsType;
  readonly #name: string;

  private constructor(session: InferenceSession, feeds: InferenceSession.FeedsType, name: string) {
    this.#session = session;
    this.#feeds = feeds;
    this.#name = name;
  }

  static async load(network: Network, threads: number, batch: number): Promise<Timed> {
    const { name } = network.graph;
    const session = await loadSession(writeOnnx(network), name, { threads });
    return new Timed(session, randomFeeds(session, name, { batch }), name);
  }

  /** Milliseconds of a run, after others that bring the weights into the caches. */
  run(): Promise<number> {
    return timeWarmRun(this.#session, this.#feeds, this.#name);
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

function roundedGrid<Grid extends TimeGrid>(grid: Grid): Grid {
  return { ...grid, milliseconds: grid.milliseconds.map((row) => row.map(rounded)) };
}

function rounded(value: number): number {
  return Number(required(value, "a time").toPrecision(4));
}
