/** The data behind `espalier inspect`: a network's layers, structures and costs. `--json` prints it unchanged. */
import { optional } from "../core/optional.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import type { QuantizedFacts } from "../formats/onnx/quantized-facts.ts";
import { nodeMacs } from "../graph/cost.ts";
import { type Graph, type Network, type Node, producers, type Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { networkCost, predictorOf } from "../latency/predict.ts";
import { describeTable, type LatencyTable } from "../latency/table.ts";
import { timedLayers } from "../latency/timed-layers.ts";
import { type Factor, type FactorKind, factorsOf, selectionKeys } from "../selection/factors.ts";
import { place, structureKinds } from "../selection/place.ts";
import { carriedNotices } from "../training/start/carried-notices.ts";
import { classNamesOf } from "../training/start/head/class-names.ts";

export interface InspectedLayer {
  readonly name: string;
  readonly op: string;
  /** Kernel size and stride as in `3×3 /2`; empty for layers other than convolutions. */
  readonly kernel: string;
  /** Output shape for one image: [C,H,W] or [F]. */
  readonly shape: Shape;
  /** Number of parameters, those of a following batch norm included. */
  readonly parameters: number;
  readonly macs: number;
  /** Predicted milliseconds, with the activations and batch norms behind it. */
  readonly milliseconds?: number;
}

export interface InspectedStructures {
  readonly layer: string;
  readonly kind: FactorKind;
  readonly count: number;
  /** Number of factors that are not zero; undefined for a network without factors. */
  readonly alive?: number;
}

export interface Inspection {
  readonly name: string;
  readonly parameters: number;
  readonly macs: number;
  /** Predicted milliseconds of a run. */
  readonly latency?: number;
  /** What the latency is predicted for. */
  readonly measuredOn?: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly (number | "N")[] }[];
  /** Names of the classes in the order of the logits, if the file's metadata has them. */
  readonly classes?: readonly string[];
  /** What is written again unread, as sentences. */
  readonly carried?: readonly string[];
  readonly layers: readonly InspectedLayer[];
  /** Whether the network has scaling factors. If not, `structures` lists those that could get factors. */
  readonly hasFactors: boolean;
  readonly structures: readonly InspectedStructures[];
  /** Of a quantised file: which nodes compute on integers, with which scales, and which on floats. */
  readonly quantized?: QuantizedFacts;
}

function kernelOf(node: Node): string {
  if (node.op !== "convolution" && node.op !== "deconvolution") return "";
  const { strides, groups } = node.attributes;
  const isEven = strides.every((step) => step === strides[0]);
  const stride = strides.every((step) => step === 1) ? "" : ` /${isEven ? strides[0] : strides.join("x")}`;
  return `${stride}${groups === 1 ? "" : ` in ${groups} groups`}`;
}

/** Lists the nodes with parameters or MACs. A batch norm right after a layer counts as part of that layer. */
function layersOf(graph: Graph): InspectedLayer[] {
  const shapes = inferShapes(graph, 1);
  const makers = producers(graph);
  const counted = new Map(
    graph.parameters
      .filter(({ kind }) => kind === "weights" || kind === "bias" || kind === "scale" || kind === "shift")
      .map(({ name, shape }) => [name, elementCount(shape)] as const),
  );
  const layers = new Map<string, InspectedLayer>();
  for (const node of graph.nodes) {
    const parameters = node.inputs.reduce((sum, input) => sum + (counted.get(input) ?? 0), 0);
    const macs = nodeMacs(node, shapes);
    if (parameters === 0 && macs === 0) continue;
    const before = layers.get(makers.get(node.inputs[0] ?? "")?.name ?? "");
    if (node.op === "batch_normalization" && before !== undefined) {
      layers.set(before.name, { ...before, parameters: before.parameters + parameters });
      continue;
    }
    const weights = shapes.get(node.inputs[1] ?? "") ?? [];
    const window = node.op === "convolution" || node.op === "deconvolution" ? weights.slice(2).join("×") : "";
    layers.set(node.name, {
      name: node.name,
      op: node.op === "deconvolution" ? "transposed convolution" : node.op.replaceAll("_", " "),
      kernel: `${window}${kernelOf(node)}`,
      shape: (shapes.get(node.outputs[0] ?? "") ?? []).slice(1),
      parameters,
      macs,
    });
  }
  return [...layers.values()];
}

/** `layers` with their times, and the layers without parameters that take time, in execution order. */
function withTimes(layers: readonly InspectedLayer[], graph: Graph, table: LatencyTable): readonly InspectedLayer[] {
  const predictor = predictorOf(table);
  const shapes = inferShapes(graph, 1);
  const known = new Map(layers.map((layer) => [layer.name, layer] as const));
  return timedLayers(graph).map(({ node, key, value, outputs, inputs }) => ({
    ...(known.get(node) ?? {
      name: node,
      op: key.split(",")[0] ?? key,
      kernel: "",
      shape: (shapes.get(value) ?? []).slice(1),
      parameters: 0,
      macs: 0,
    }),
    milliseconds: predictor.layer(key, outputs, inputs),
  }));
}

function aliveCount({ parameter }: Factor, weights: Weights): number {
  return weights.get(parameter)?.data.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0) ?? 0;
}

/** Inspects a network. Its weights may be missing if it has no factors. `quantized`: facts of a quantised file. */
export function inspect(
  { graph, weights }: Network,
  latencyTable?: LatencyTable,
  quantized?: QuantizedFacts,
): Inspection {
  const own = factorsOf(graph);
  const everyKind = Object.fromEntries(structureKinds(graph).map((kind) => [selectionKeys[kind], 0] as const));
  const factors = own.length > 0 ? own : place(graph, everyKind).factors;
  return {
    name: graph.name,
    ...networkCost(graph, latencyTable),
    ...(latencyTable === undefined ? {} : { measuredOn: describeTable(latencyTable) }),
    inputs: graph.inputs.map(({ name, shape }) => ({ name, shape })),
    ...optional({ classes: classNamesOf(graph) }),
    ...(graph.header?.carried === undefined ? {} : { carried: carriedNotices(graph) }),
    layers: latencyTable === undefined ? layersOf(graph) : withTimes(layersOf(graph), graph, latencyTable),
    hasFactors: own.length > 0,
    structures: factors.map((factor) => ({
      layer: factor.layer,
      kind: factor.kind,
      count: factor.count,
      ...(own.length > 0 ? { alive: aliveCount(factor, weights) } : {}),
    })),
    ...(quantized === undefined ? {} : { quantized }),
  };
}
