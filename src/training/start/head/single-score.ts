/** Fits a network with one output for two classes to the two classes of the data. */
import { type Tensor, tensor } from "../../../core/tensor.ts";
import type { Graph, Network, Weights } from "../../../graph/graph.ts";
import { isSigmoid } from "../../../graph/logits.ts";
import { classNamesOf, withoutClassNames } from "./class-names.ts";
import { describeHead, type FittedHead, type Head, isSameName, withRows } from "./head.ts";

/** Ops that give −y for −x. */
const odd: ReadonlySet<string> = new Set(["flatten", "bias", "global_average_pooling", "average_pooling"]);

/**
 * `network`, whose one output stands for the second of two classes, for the two `classes` of the data. Its output
 * stays one. If the file's second class is the first of the data, the head is negated; if the file names other classes,
 * the head has no values yet. A file that names one class names the second.
 */
export function fitSingleScore(network: Network, head: Head, classes: readonly string[]): FittedHead {
  const found = classNamesOf(network.graph) ?? [];
  const known = found.length > 2 ? [] : found;
  const places = known.map((name) => classes.findIndex((own) => isSameName(name, own)));
  const isKnown = places.every((place) => place >= 0) && new Set(places).size === places.length;
  if (isKnown && (places.at(-1) ?? 1) === 1) return { network };
  const layer = `its last layer, the ${describeHead(head)},`;
  const has = `The network's classes are ${known.join(" and ")}, those of the data are ${classes.join(" and ")}`;
  const graph = withoutNames(network.graph);
  if (isKnown && head.behind.every((node) => isSigmoid(node) || odd.has(node.op))) {
    return {
      network: { graph, weights: negated(network.weights, head) },
      notice: `${has}: ${layer} is negated, so that its output stands for ${classes[1]}`,
    };
  }
  return {
    network: { graph, weights: withRows(network.weights, head, undefined) },
    notice:
      `${has}: ${layer} is replaced by a new one, and the rest keeps its weights. To refuse this, give ` +
      "--keep-head",
  };
}

function withoutNames(graph: Graph): Graph {
  return graph.header === undefined ? graph : { ...graph, header: withoutClassNames(graph.header) };
}

function negated(weights: Weights, { parameters }: Head): Weights {
  const own = new Set(parameters);
  const negate = ({ shape, data }: Tensor): Tensor =>
    tensor(
      shape,
      data.map((value) => -value),
    );
  return new Map([...weights].map(([name, value]) => [name, own.has(name) ? negate(value) : value]));
}
