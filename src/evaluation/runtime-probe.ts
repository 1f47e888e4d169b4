/** Finds what all latency tables of a machine need to know of ONNX Runtime there. */
import { performance } from "node:perf_hooks";
import { quantile } from "../core/quantile.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Network } from "../graph/graph.ts";
import { initialize } from "../models/initialize.ts";
import { loadSession, runSession } from "./onnx-runtime.ts";
import { randomFeeds } from "./random-feeds.ts";
import { onnxRuntimeVersion } from "./runtime-library.ts";
import { traceNetwork } from "./runtime-trace.ts";

export interface RuntimeProbe {
  readonly version: string;
  /** Channels that it computes at once. */
  readonly channelBlock: number;
  /** Convolutions read inputs in blocks if their number is a multiple of this. */
  readonly inputAlignment: number;
  /** Inputs of at most this many channels are read channel by channel. */
  readonly narrow: number;
  /** Milliseconds of a run outside of nodes. */
  readonly overhead: number;
  /** Milliseconds by which the profile of a node is longer than the node takes. */
  readonly profiling: number;
}

const RUNS = 200;
const SHORT = 10;
const LONG = 110;
/**
 * ONNX Runtime reads inputs of less than a block channel by channel. With more than this share of a block a whole block
 * is faster.
 */
const NARROW_SHARE = 0.75;
/** Channels of the probe: one more than any block, so that a runtime with blocks fills up a second one. */
const CHANNELS = 33;

export async function probeRuntime(threads: number): Promise<RuntimeProbe> {
  const [short, long] = [await timeOf(chain(SHORT), threads), await timeOf(chain(LONG), threads)];
  const ofNode = (long - short) / (LONG - SHORT);
  const { layers } = await traceNetwork(chain(LONG), { threads, batch: 1, runs: 50 });
  const profiled = layers.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / LONG;
  const block = await channelBlock(threads);
  return {
    version: onnxRuntimeVersion(),
    channelBlock: block,
    inputAlignment: await inputAlignment(block, threads),
    narrow: block === 1 ? 0 : Math.floor(NARROW_SHARE * block),
    overhead: Math.max(0, short - SHORT * ofNode),
    profiling: Math.max(0, profiled - ofNode),
  };
}

/** Median milliseconds of a run. */
async function timeOf(network: Network, threads: number): Promise<number> {
  const { name } = network.graph;
  const session = await loadSession(writeOnnx(network), name, { threads });
  try {
    const feeds = randomFeeds(session, name, { batch: 1 });
    const times: number[] = [];
    for (let run = -20; run < RUNS; run++) {
      const start = performance.now();
      await runSession(session, feeds, name);
      if (run >= 0) times.push(performance.now() - start);
    }
    return quantile(
      times.toSorted((a, b) => a - b),
      0.5,
    );
  } finally {
    await session.release();
  }
}

/** `length` nodes that compute next to nothing, and that no runtime fuses. */
function chain(length: number): Network {
  const builder = new GraphBuilder("chain");
  let value = builder.input("values", ["N", 4, 1, 1]);
  for (let node = 0; node < length; node++) {
    value = builder.activation(`node${node}`, value, { function: node % 2 === 0 ? "sigmoid" : "tanh" });
  }
  builder.output(value);
  return { graph: builder.build(), weights: new Map() };
}

/** The multiple to which the runtime fills up the output channels of a convolution; 1 if it does not. */
async function channelBlock(threads: number): Promise<number> {
  return (await filledOutputs(3, threads)) - CHANNELS + 1;
}

/** The least number whose multiples are inputs that the runtime reads in blocks of `block` channels. */
async function inputAlignment(block: number, threads: number): Promise<number> {
  for (let alignment = 1; alignment < block; alignment *= 2) {
    if ((await filledOutputs(block + alignment, threads)) > CHANNELS) return alignment;
  }
  return block;
}

/** The output channels that the runtime computes of a convolution of `inputs` channels that has `CHANNELS`. */
async function filledOutputs(inputs: number, threads: number): Promise<number> {
  const builder = new GraphBuilder("block");
  const images = builder.input("images", ["N", inputs, 8, 8]);
  builder.output(builder.convolution("layer", images, { channels: CHANNELS, kernel: 3, padding: 1 }));
  const graph = builder.build();
  const { optimized } = await traceNetwork({ graph, weights: initialize(graph, 1) }, { threads, batch: 1, runs: 1 });
  const widths = (optimized.graph?.initializer ?? []).flatMap(({ dims = [] }) =>
    dims.length === 4 ? [Number(dims[0])] : [],
  );
  return Math.max(CHANNELS, ...widths);
}
