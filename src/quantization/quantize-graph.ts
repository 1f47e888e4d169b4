/**
 * Decides which nodes of a network compute on integers, and gives every value and parameter that needs them a scale and
 * integers. Relus disappear: they are the lower end of a range.
 */
import { required } from "../core/errors.ts";
import type { Quantization, QuantizedActivation, QuantizedParameter } from "../formats/onnx/quantization.ts";
import { makeNode, type Network, type Node, readers } from "../graph/graph.ts";
import { withoutDeadNodes } from "../graph/rewrite.ts";
import { boundsOf, integerForm } from "./integer-forms.ts";
import { quantizeBias, quantizeValues, quantizeWeights } from "./integers.ts";
import { forward } from "./observe.ts";
import type { Range } from "./ranges.ts";

/** A network without its relus and clips, and the quantisation whose ranges replace them. */
export interface QuantizedNetwork {
  readonly network: Network;
  readonly quantization: Quantization;
}

export interface GraphOptions {
  /** By value: the range that its integers cover. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** Names of nodes that stay on floats. */
  readonly keep: ReadonlySet<string>;
  /** The largest weight as an integer: 127, or 63 for processors whose sums of products saturate. */
  readonly largestWeight: number;
}

/** Quantises `network`, which `integerReady` has rewritten. */
export function quantizeGraph({ graph, weights }: Network, options: GraphOptions): QuantizedNetwork {
  const { nodes, integerNodes, limits, ranged } = placeIntegers({ graph, weights }, options.keep);
  const activations = new Map<string, QuantizedActivation>();
  const quantize = (value: string): void => {
    const [low, high] = required(options.ranges.get(value), `range of "${value}"`);
    const [minimum, maximum] = limits.get(value) ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    activations.set(value, quantizeValues([Math.max(low, minimum), Math.min(high, maximum)]));
  };
  for (const { name } of graph.inputs) if (ranged.has(name)) quantize(name);
  const parameters = new Map<string, QuantizedParameter>();
  for (const node of nodes) {
    const [src = "", weightName = "", biasName] = node.inputs;
    const dst = node.outputs[0] ?? "";
    if (ranged.has(dst)) quantize(dst);
    if (!integerNodes.has(node.name)) continue;
    const form = integerForm(forward(node));
    if (form === "moved") activations.set(dst, required(activations.get(src), `integers of "${src}"`));
    if (form !== "layer") continue;
    const bias = biasName === undefined ? undefined : required(weights.get(biasName), `values of "${biasName}"`);
    const { scale } = required(activations.get(src), `integers of "${src}"`);
    const values = required(weights.get(weightName), `values of "${weightName}"`);
    const integers = quantizeWeights(values, { bias, sourceScale: scale, largest: options.largestWeight });
    parameters.set(weightName, integers);
    if (biasName !== undefined && bias !== undefined) {
      parameters.set(biasName, quantizeBias(bias, integers.scales, scale));
    }
  }
  const floatNodes = new Set(nodes.flatMap(({ name }) => (integerNodes.has(name) ? [] : [name])));
  return {
    network: { graph: withoutDeadNodes({ ...graph, nodes }), weights },
    quantization: { activations, parameters, floatNodes },
  };
}

/** Which nodes compute on integers, and which values have a range of their own. */
export interface IntegerPlacement {
  readonly nodes: readonly Node[];
  /** Names of the nodes that compute on integers. */
  readonly integerNodes: ReadonlySet<string>;
  /** By value: the limits that a relu or clip puts on it. */
  readonly limits: ReadonlyMap<string, Range>;
  /** The values that are rounded to integers of their own range. */
  readonly ranged: ReadonlySet<string>;
}

/** Places integers in `network`, which `integerReady` has rewritten. The nodes named in `keep` stay on floats. */
export function placeIntegers(network: Network, keep: ReadonlySet<string>): IntegerPlacement {
  const { nodes, integerNodes, limits } = placed(network, keep);
  const { inputs, parameters } = network.graph;
  const readersOf = readers({ nodes });
  const parameterNames = new Set(parameters.map(({ name }) => name));
  const isReadAsIntegers = (value: string): boolean =>
    (readersOf.get(value) ?? []).some(({ name }) => integerNodes.has(name));
  const isRanged = (node: Node, dst: string): boolean => {
    if (!integerNodes.has(node.name)) return isReadAsIntegers(dst) && !parameterNames.has(dst);
    if (integerForm(forward(node)) === "moved") return false;
    // ONNX Runtime's linear layers give floats from their sums, which have 32 bits. A relu behind needs a range.
    return node.op !== "linear" || isReadAsIntegers(dst) || limits.has(dst);
  };
  const ranged = new Set(inputs.map(({ name }) => name).filter(isReadAsIntegers));
  for (const node of nodes) {
    const [dst = ""] = node.outputs;
    if (isRanged(node, dst)) ranged.add(dst);
  }
  return { nodes, integerNodes, limits, ranged };
}

/** The nodes on integers, with relus and clips as limits of what they read. */
function placed({ graph, weights }: Network, keep: ReadonlySet<string>): Omit<IntegerPlacement, "ranged"> {
  const readersOf = readers(graph);
  const nodes: Node[] = [];
  const integerNodes = new Set<string>();
  const limits = new Map<string, Range>();
  const placeOf = new Map<string, number>();
  const push = (node: Node, isInteger: boolean): void => {
    for (const output of node.outputs) placeOf.set(output, nodes.length);
    nodes.push(node);
    if (isInteger) integerNodes.add(node.name);
  };
  for (const node of graph.nodes) {
    const [src = "", ...parameters] = node.inputs;
    const form = integerForm(forward(node));
    const at = placeOf.get(src) ?? -1;
    const before = nodes[at];
    const isBehindIntegers = before !== undefined && integerNodes.has(before.name);
    if (form !== "bounded") {
      const isLayer = form === "layer" && parameters.every((name) => weights.has(name));
      const hasForm = isLayer || form === "computed" || (form === "moved" && isBehindIntegers);
      push(node, hasForm && !keep.has(node.name));
      continue;
    }
    const bounds = boundsOf(forward(node));
    const isOnlyReader = readersOf.get(src)?.length === 1 && !graph.outputs.includes(src);
    const isMerged = isBehindIntegers && isOnlyReader && integerForm(forward(before)) !== "moved";
    if (!isBehindIntegers || (bounds[0] !== 0 && !isMerged)) {
      push(node, false);
      continue;
    }
    const dst = node.outputs[0] ?? "";
    limits.set(dst, within(limits.get(src), bounds));
    if (isMerged) {
      nodes[at] = { ...before, outputs: [dst] };
      placeOf.set(dst, at);
    } else {
      // A leaky relu of slope 0 is a relu, and the only one on integers that can stand by itself.
      push(makeNode("activation", node.name, [src], [dst], { function: "leaky_relu", slope: 0 }), true);
    }
  }
  return { nodes, integerNodes, limits };
}

function within(range: Range | undefined, [minimum, maximum]: Range): Range {
  return range === undefined ? [minimum, maximum] : [Math.max(range[0], minimum), Math.min(range[1], maximum)];
}
