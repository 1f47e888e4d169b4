/** Whether a random file is read rightly, or plainly refused: the only two answers there may be. */
import { isDeepStrictEqual } from "node:util";
import { UserError } from "../../src/core/errors.ts";
import { elementCount, sameShape, type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import type { Network } from "../../src/graph/graph.ts";
import { compact } from "../../src/pruning/compact.ts";
import { randomWeights } from "../pruning/networks.ts";
import { brokenPromise, placeAll } from "../pruning/promises.ts";
import { feedsOf, floatsOf, type RandomGraph, runtimeResults } from "./graph.ts";

export type Verdict =
  | { readonly kind: "right" }
  /** By the reader, or by an engine. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "wrong"; readonly what: string };

/** Allowed difference, of the largest number of an output. */
const TOLERANCE = 2e-4;
/** Below it a difference is rounding, however small the numbers are. */
const NOTHING = 1e-5;

type Outputs = ReadonlyMap<string, Tensor>;

class Finding extends Error {}

/**
 * Reads `graph` and compares all that can be computed from it with ONNX Runtime; `engines` run it, the first one also
 * what it is cut to.
 */
export async function judge(graph: RandomGraph, engines: readonly Engine[]): Promise<Verdict> {
  try {
    return await compared(graph, engines);
  } catch (error) {
    const what = error instanceof Finding ? error.message : `throws ${error instanceof Error ? error.stack : error}`;
    return { kind: "wrong", what };
  }
}

async function compared(graph: RandomGraph, engines: readonly Engine[]): Promise<Verdict> {
  let network: Network;
  try {
    network = readOnnx(graph.bytes, "random.onnx");
  } catch (error) {
    if (error instanceof UserError && error.code === "unsupported") return { kind: "refused", reason: error.message };
    if (error instanceof UserError) throw new Finding(`is refused as [${error.code}]: ${error.message}`);
    throw error;
  }
  if (network.graph.header?.carried !== undefined) return { kind: "refused", reason: "a part of it is carried over" };
  const [main] = engines;
  const bytes = writeOnnx(network);
  const again = readOnnx(bytes, "written.onnx");
  if (!isDeepStrictEqual(again.graph, network.graph)) throw new Finding("comes back from a file as another graph");
  const small = compact(network).network;
  const smallBytes = writeOnnx(small);
  let refusal: string | undefined;
  // The number of images is the reader's to leave open.
  for (const batch of graph.isOpen ? [graph.batch, graph.batch + 1] : [graph.batch]) {
    const expected = await runtimeOutputs(graph.bytes, graph, batch);
    if (expected === undefined) continue;
    for (const engine of engines) {
      try {
        expectSame(engineOutputs(network, engine, graph, batch), expected, `the ${engine.name} engine`);
      } catch (error) {
        if (!(error instanceof UserError && error.code === "engine-refused")) throw error;
        refusal = error.message;
      }
    }
    expectSame(await runtimeOutputs(bytes, graph, batch), expected, "the written file");
    if (main !== undefined) expectSame(engineOutputs(small, main, graph, batch), expected, "the compact network");
    expectSame(await runtimeOutputs(smallBytes, graph, batch), expected, "the compact network's file");
  }
  // What nothing reads is cut with no structure, and belongs to none.
  const needed = compact({ graph: network.graph, weights: randomWeights(network.graph, 3) }).network.graph;
  const broken = brokenPromise(placeAll(needed));
  if (broken !== undefined) throw new Finding(`pruning saves other than was said: ${broken}`);
  return refusal === undefined ? { kind: "right" } : { kind: "refused", reason: refusal };
}

async function runtimeOutputs(bytes: Uint8Array, { inputs }: RandomGraph, batch: number): Promise<Outputs | undefined> {
  const results = await runtimeResults(bytes, inputs, batch);
  if (results === undefined) return undefined;
  return new Map(
    Object.entries(results).map(([name, result]) => {
      const floats = floatsOf(result);
      if (floats === undefined) throw new Finding(`output "${name}" is read, though it is of ${result.type}`);
      return [name, floats];
    }),
  );
}

function engineOutputs({ graph, weights }: Network, engine: Engine, { inputs }: RandomGraph, batch: number): Outputs {
  const plan = engine.prepare(graph, { batch });
  try {
    plan.write(weights);
    const last = graph.header?.channelsLast ?? [];
    const feeds = [...feedsOf(inputs, batch)].map(
      ([name, images]) => [name, last.includes(name) ? withChannelsFirst(images) : images] as const,
    );
    return new Map(Object.entries(plan.run(Object.fromEntries(feeds))));
  } finally {
    plan.dispose();
  }
}

/** [N,H,W,C] as [N,C,H,W]. */
function withChannelsFirst({ shape, data }: Tensor): Tensor {
  const [batch = 0, height = 0, width = 0, channels = 0] = shape;
  const turned = tensor([batch, channels, height, width]);
  for (let index = 0; index < elementCount(shape); index++) {
    const [pixel, channel] = [Math.floor(index / channels), index % channels];
    const [image, place] = [Math.floor(pixel / (height * width)), pixel % (height * width)];
    turned.data[(image * channels + channel) * height * width + place] = data[index] ?? 0;
  }
  return turned;
}

function expectSame(actual: Outputs | undefined, expected: Outputs, of: string): void {
  if (actual === undefined) throw new Finding(`${of} is refused by ONNX Runtime`);
  for (const [name, { shape, data }] of expected) {
    const own = actual.get(name);
    if (own === undefined) throw new Finding(`${of} has no output "${name}"`);
    if (!sameShape(own.shape, shape)) throw new Finding(`${of} gives [${own.shape}] for [${shape}]`);
    const largest = data.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
    const allowed = TOLERANCE * largest + NOTHING;
    for (const [index, value] of data.entries()) {
      const other = own.data[index] ?? Number.NaN;
      // A function at the edge of 32 bits, such as the logarithm of a sigmoid, is no number in one engine only.
      if (Number.isNaN(value)) continue;
      if (Object.is(value, other) || value === other || Math.abs(value - other) <= allowed) continue;
      throw new Finding(`${of} gives ${other} for ${value} at ${index} of [${shape}]`);
    }
  }
}
