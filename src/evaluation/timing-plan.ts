/** Makes the plan of what to time of a network where there is no profiler: small networks for each of its layers. */
import { required } from "../core/errors.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { type TimedLayer, timedLayers } from "../latency/timed-layers.ts";
import type { LayerTiming, TimedFile, TimingPlan } from "../latency/timing-plan.ts";
import { fileWithoutWeights, layerGraph } from "./layer-file.ts";
import { widthVariants } from "./width-variants.ts";

/** Narrow layers are timed at these parts of a vector too: WebAssembly and WebGPU both compute four numbers at once. */
const GRID_BLOCK = 4;
/** Fewer than where a profile times all layers of a version at once: each layer is timed by itself here. */
const MOST_VARIANTS = 12;
const MOST_COPIES = 8;
/** All copies of a layer together have at most about this many results, so that a phone can hold them. */
const MOST_NUMBERS = 4_000_000;

/** The plan for `graph`, which has no scaling factors. Lets other work run in between: large networks take seconds. */
export async function timingPlan(graph: Graph): Promise<TimingPlan> {
  const variants = widthVariants(graph, GRID_BLOCK, MOST_VARIANTS);
  const places = new Map<string, number>();
  const layers: LayerTiming[] = [];
  const own: number[] = [];
  // The network itself is the last variant.
  for (let index = 0; index < variants.count; index++) {
    const variant = variants.variant(index).graph;
    const shapes = inferShapes(variant, 1);
    for (const layer of timedLayers(variant)) {
      const identity = JSON.stringify([layer.key, layer.outputs, layer.inputs]);
      const place = places.get(identity) ?? layers.length;
      if (place === layers.length) layers.push(layerTiming(variant, layer, shapes));
      places.set(identity, place);
      if (index === variants.count - 1) own.push(place);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { network: graph.name, layers, whole: timedFile(graph), empty: timedFile(emptyGraph(graph)), own };
}

function layerTiming(graph: Graph, layer: TimedLayer, shapes: ReadonlyMap<string, Shape>): LayerTiming {
  const { key, outputs, inputs, value } = layer;
  const size = elementCount(required(shapes.get(value), `shape of "${value}"`));
  const copies = Math.min(MOST_COPIES, Math.max(2, Math.floor(MOST_NUMBERS / size) - 1));
  const file = (count: number): TimedFile => timedFile(layerGraph(graph, layer, count, shapes));
  return { ...{ key, outputs, inputs, copies }, one: file(1), many: file(1 + copies) };
}

function timedFile(graph: Graph): TimedFile {
  return {
    file: Buffer.from(fileWithoutWeights(graph)).toString("base64"),
    inputs: Object.fromEntries(
      graph.inputs.map(({ name, shape }) => [name, shape.map((size) => (size === "N" ? 1 : size))]),
    ),
  };
}

/** A network with the input of `graph` that only averages each of its channels. */
function emptyGraph(graph: Graph): Graph {
  const builder = new GraphBuilder("empty");
  const { name, shape } = required(graph.inputs[0], "the input of a network");
  const images = builder.input(name, shape);
  builder.output(shape.length === 4 ? builder.globalAveragePooling("mean", images) : builder.relu("relu", images));
  return builder.build();
}
