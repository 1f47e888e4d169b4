/**
 * Fits the head of a classifier, its last layer, to the classes of the data. If these are not the network's, the head
 * is replaced by a new one, and the other layers keep their weights.
 */
import { optional } from "../../../core/optional.ts";
import { endingAtNetwork } from "../../../formats/onnx/carried/network-file.ts";
import { type Graph, makeNode, type Network } from "../../../graph/graph.ts";
import { endingInLogits, isSoftmaxOfClasses, lastSigmoid } from "../../../graph/logits.ts";
import { opsOf } from "../carried-notices.ts";
import { classNamesOf, withoutClassNames } from "./class-names.ts";
import { describeHead, type FittedHead, type Head, headOf, isSameName, withRows } from "./head.ts";
import { fitSingleScore } from "./single-score.ts";

/**
 * `network` with a head for `classes`. Where the network knows all of them by name, their rows of the head are kept.
 * Otherwise the head has no weights yet, and its values are drawn as those of a new network. The network is returned as
 * it is if its classes are these, or if its head is not found. One output for two classes stays one; see
 * `single-score.ts`. With `isMultiLabel` an image may have several of the classes, and the network ends in sigmoids or
 * in logits.
 */
export function fitHead(network: Network, classes: readonly string[], isMultiLabel = false): FittedHead {
  return isMultiLabel ? withSigmoids(fitClasses(network, classes, true)) : fitClasses(network, classes, false);
}

/** The network of `fitted` with a sigmoid in place of a softmax at its end, so that its answers are independent. */
function withSigmoids({ network, notice }: FittedHead): FittedHead {
  const { graph } = network;
  const logits = endingInLogits(graph);
  const softmax = graph.nodes.findLast(isSoftmaxOfClasses);
  if (softmax === undefined || logits === graph || lastSigmoid(graph) !== undefined)
    return { network, ...optional({ notice }) };
  const sigmoid = makeNode("activation", softmax.name, softmax.inputs, softmax.outputs, { function: "sigmoid" });
  const nodes = graph.nodes.map((node) => (node === softmax ? sigmoid : node));
  const changed = "Its softmax becomes a sigmoid for each class, because an image may have several labels";
  return {
    network: { ...network, graph: { ...graph, nodes } },
    notice: notice === undefined ? changed : `${notice}. ${changed}`,
  };
}

function fitClasses(network: Network, classes: readonly string[], isMultiLabel: boolean): FittedHead {
  const { graph, weights } = network;
  const head = headOf(graph);
  if (head === undefined) return { network };
  if (head.classes === 1 && classes.length === 2 && !isMultiLabel) return fitSingleScore(network, head, classes);
  const found = classNamesOf(graph);
  const names = found?.length === head.classes ? found : undefined;
  const isSame =
    names === undefined
      ? head.classes === classes.length
      : names.length === classes.length && names.every((name, index) => isSameName(name, classes[index]));
  if (isSame) return { network };
  const rows = classes.map((name) => names?.findIndex((known) => isSameName(known, name)) ?? -1);
  const isKnown = rows.every((row) => row >= 0) && new Set(rows).size === rows.length;
  const about = describeHead(head);
  const has = names === undefined ? `${head.classes} classes` : describe(names);
  const changed = {
    graph: withClasses(graph, head, classes.length, isMultiLabel),
    weights: withRows(weights, head, isKnown ? rows : undefined),
  };
  const done = isKnown
    ? `its last layer, the ${about}, keeps the rows of these classes`
    : `its last layer, the ${about}, is replaced by a new one, and the rest keeps its weights`;
  const behind = graph.header?.carried?.behind ?? [];
  const left = behind.length === 0 ? "" : `, and the nodes after it are left out (${opsOf(behind)})`;
  return {
    network: changed,
    notice: `The network has ${has}, the data ${describe(classes)}: ${done}${left}. To refuse this, give --keep-head`,
  };
}

/** At most this many names are listed. */
const MOST_LISTED = 4;

function describe(names: readonly string[]): string {
  const listed = names.slice(0, MOST_LISTED).join(", ");
  return `${names.length} classes (${listed}${names.length > MOST_LISTED ? ", …" : ""})`;
}

function withClasses(
  graph: Graph,
  { parameters, classes: before }: Head,
  classes: number,
  isMultiLabel: boolean,
): Graph {
  const own = new Set(parameters);
  const resized = graph.parameters.map((parameter) =>
    own.has(parameter.name) ? { ...parameter, shape: [classes, ...parameter.shape.slice(1)] } : parameter,
  );
  // A sigmoid tells two classes apart, a softmax several.
  const sigmoid = before === 1 && !isMultiLabel ? lastSigmoid(graph) : undefined;
  const nodes = graph.nodes.map((node) =>
    node === sigmoid ? makeNode("softmax", node.name, node.inputs, node.outputs, {}) : node,
  );
  // The nodes behind the network belong to the old classes: a map of their names, for example.
  const { header, ...others } = endingAtNetwork({ ...graph, nodes });
  return { ...others, parameters: resized, ...(header === undefined ? {} : { header: withoutClassNames(header) }) };
}
