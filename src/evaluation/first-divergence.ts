/**
 * Finds the first layer in which two networks differ that should be equal. Both compute one image with every activation
 * as an output, and the activations are compared in execution order. This only explains a certificate that failed.
 */
import { type Tensor, take } from "../core/tensor.ts";
import { type BatchInputs, feedsOf } from "../data/inputs.ts";
import { withoutCarried } from "../formats/onnx/carried/network-file.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { type Graph, type Network, takesChannelsLast } from "../graph/graph.ts";
import { fold } from "../selection/fold.ts";
import type { Host } from "./classifier.ts";
import { largestGap, rangeOf, relativeTo } from "./comparison.ts";
import { openRuntime } from "./onnx-runtime.ts";

/** Activations by name, of one image. */
export type Activations = ReadonlyMap<string, Tensor>;

export interface Departure {
  /** The first node whose output differs by more than the tolerance. */
  readonly layer: string;
  readonly op: string;
  /** Largest difference of its output, relative to the range of the original's output. */
  readonly relativeDifference: number;
}

/** `graph` with every activation as an output. */
function exposed(graph: Graph): Graph {
  const constants = new Set(graph.parameters.map(({ name }) => name));
  const outputs: string[] = [];
  for (const node of graph.nodes) {
    const isConstant = node.inputs.every((input) => constants.has(input));
    for (const output of node.outputs) {
      if (isConstant) constants.add(output);
      else outputs.push(output);
    }
  }
  return { ...graph, outputs };
}

/** An image `[1,C,H,W]`, and the values for the inputs besides it. */
export interface Example {
  readonly image: Tensor;
  readonly inputs?: BatchInputs;
}

/** All activations of `network`, factors folded, on `host` for one image. */
export async function engineActivations(
  host: Host,
  network: Network,
  { image, inputs }: Example,
): Promise<Activations> {
  const graph = exposed(fold(network.graph));
  const plan = await host.prepare(graph, { batch: 1 });
  try {
    await plan.write(network.weights);
    return new Map(Object.entries(await plan.run(feedsOf(graph.inputs, image, inputs))));
  } finally {
    await plan.dispose();
  }
}

/** All activations of `network` in ONNX Runtime for one image. */
export async function runtimeActivations(network: Network, { image, inputs }: Example): Promise<Activations> {
  const graph = withoutCarried(exposed(network.graph));
  const session = await openRuntime(writeOnnx({ graph, weights: network.weights }), graph.name, {
    channelsLast: takesChannelsLast(graph),
  });
  try {
    return await session.run(image, inputs);
  } finally {
    await session.dispose();
  }
}

/**
 * The first node of `graph` whose activation differs between `original` and `other` by more than `tolerance`; undefined
 * if there is none. `kept` has, by activation, the channels of the original that `other` still has; default: all.
 */
export function firstDeparture(
  graph: Graph,
  original: Activations,
  other: Activations,
  kept: ReadonlyMap<string, readonly number[]>,
  tolerance: number,
): Departure | undefined {
  for (const { name, op, outputs } of graph.nodes) {
    for (const output of outputs) {
      const [before, after] = [original.get(output), other.get(output)];
      if (before === undefined || after === undefined) continue;
      const channels = kept.get(output);
      const { data } = channels === undefined ? before : take(before, 1, channels);
      const gap = data.length === after.data.length ? largestGap(data, after.data) : Number.MAX_VALUE;
      const relativeDifference = relativeTo(gap, rangeOf(data));
      if (relativeDifference > tolerance) return { layer: name, op, relativeDifference };
    }
  }
  return undefined;
}
