/**
 * The head of a classifier, its last layer with weights, for the classes of the data. If the data has other classes
 * than the network, the head is made anew and the rest keeps its weights.
 */
import { UserError } from "../../core/errors.ts";
import { type Tensor, tensor } from "../../core/tensor.ts";
import { endingAtNetwork } from "../../formats/onnx/carried/network-file.ts";
import { type Graph, type Network, type Node, producers, readers, type Weights } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import { opsOf } from "./carried-notices.ts";
import { classNamesOf, withoutClassNames } from "./class-names.ts";

/** The ops that may stand behind the head: they keep the order of the classes. */
const behind: ReadonlySet<string> = new Set([
  ...["softmax", "activation", "relu", "clip", "flatten", "bias"],
  ...["global_average_pooling", "average_pooling", "max_pooling"],
]);

export interface Head {
  readonly node: Node;
  /** The parameters with a row for each class: weights, and biases of the layer or behind it. */
  readonly parameters: readonly string[];
  readonly classes: number;
}

/**
 * The head of `graph`: the linear layer or the convolution that its only output comes from, with nothing behind it that
 * mixes classes. Undefined if there is none, or if others read its parameters too.
 */
export function headOf(graph: Graph): Head | undefined {
  const [output = "", ...others] = graph.outputs;
  const shape = inferShapes(graph, 1).get(output) ?? [];
  const [, classes = 0] = shape;
  if (others.length > 0 || shape.length !== 2 || classes < 1) return undefined;
  const makers = producers(graph);
  const read = readers(graph);
  const own = new Map(graph.parameters.map(({ name, shape: dims }) => [name, dims] as const));
  const parameters: string[] = [];
  let node = makers.get(output);
  while (node !== undefined && behind.has(node.op)) {
    if (node.op === "bias") parameters.push(node.inputs[1] ?? "");
    node = makers.get(node.inputs[0] ?? "");
  }
  const isLayer = node?.op === "linear" || (node?.op === "convolution" && node.attributes.groups === 1);
  if (node === undefined || !isLayer) return undefined;
  parameters.push(...node.inputs.slice(1));
  const isAlone = parameters.every((name) => own.get(name)?.[0] === classes && read.get(name)?.length === 1);
  return isAlone ? { node, parameters, classes } : undefined;
}

/** As `headOf`. @throws UserError "unsupported" if there is no head. */
export function requireHead(graph: Graph): Head {
  const head = headOf(graph);
  if (head !== undefined) return head;
  throw new UserError("unsupported", "the last layer of the network is not found, so it cannot be trained alone", {
    about: graph.name,
    expected: "a linear layer, or a convolution before the pooling, whose outputs are the classes",
    hint: "Leave --head-epochs out",
  });
}

export interface FittedHead {
  readonly network: Network;
  /** What was changed, as a sentence; undefined if nothing was. */
  readonly notice?: string;
}

/**
 * `network` with a head for `classes`. Where the network knows all of them by name, their rows of the head are kept.
 * Otherwise the head has no weights yet, and its values are drawn as those of a new network. The network is returned as
 * it is if its classes are these, or if its head is not found.
 */
export function fitHead(network: Network, classes: readonly string[]): FittedHead {
  const { graph, weights } = network;
  const head = headOf(graph);
  if (head === undefined || takesTwoClasses(head, classes)) return { network };
  const found = classNamesOf(graph);
  const names = found?.length === head.classes ? found : undefined;
  const isSame =
    names === undefined
      ? head.classes === classes.length
      : names.length === classes.length && names.every((name, index) => isSameName(name, classes[index]));
  if (isSame) return { network };
  const rows = classes.map((name) => names?.findIndex((known) => isSameName(known, name)) ?? -1);
  const isKnown = rows.every((row) => row >= 0) && new Set(rows).size === rows.length;
  const about = `${head.node.op === "linear" ? "linear layer" : "convolution"} "${head.node.name}"`;
  const has = names === undefined ? `${head.classes} classes` : describe(names);
  const changed = {
    graph: withClasses(graph, head, classes.length),
    weights: withRows(weights, head, isKnown ? rows : undefined),
  };
  const done = isKnown
    ? `its last layer, the ${about}, keeps the rows of these classes`
    : `its last layer, the ${about}, is made anew and the rest keeps its weights`;
  const behind = graph.header?.carried?.behind ?? [];
  const left = behind.length === 0 ? "" : `, and what is carried behind it is left out (${opsOf(behind)})`;
  return {
    network: changed,
    notice: `The network has ${has}, the data ${describe(classes)}: ${done}${left}. To refuse this, give --keep-head`,
  };
}

/** Whether one sigmoid decides between the two `classes`. */
function takesTwoClasses(head: Head, classes: readonly string[]): boolean {
  return head.classes === 1 && classes.length === 2;
}

function isSameName(a: string, b: string | undefined): boolean {
  return b !== undefined && a.trim().toLowerCase() === b.trim().toLowerCase();
}

/** At most this many names are listed. */
const LISTED = 4;

function describe(names: readonly string[]): string {
  const listed = names.slice(0, LISTED).join(", ");
  return `${names.length} classes (${listed}${names.length > LISTED ? ", …" : ""})`;
}

function withClasses(graph: Graph, { parameters }: Head, classes: number): Graph {
  const own = new Set(parameters);
  const resized = graph.parameters.map((parameter) =>
    own.has(parameter.name) ? { ...parameter, shape: [classes, ...parameter.shape.slice(1)] } : parameter,
  );
  // The nodes behind the network belong to the old classes: a map of their names, for example.
  const { header, ...others } = endingAtNetwork(graph);
  return { ...others, parameters: resized, ...(header === undefined ? {} : { header: withoutClassNames(header) }) };
}

/** `weights` with these `rows` of the head, or without the head's values. */
function withRows(weights: Weights, { parameters }: Head, rows: readonly number[] | undefined): Weights {
  const own = new Set(parameters);
  return new Map(
    [...weights].flatMap(([name, value]): [string, Tensor][] => {
      if (!own.has(name)) return [[name, value]];
      return rows === undefined ? [] : [[name, rowsOf(value, rows)]];
    }),
  );
}

function rowsOf({ shape, data }: Tensor, rows: readonly number[]): Tensor {
  const [all = 1, ...rest] = shape;
  const each = data.length / all;
  const picked = tensor([rows.length, ...rest]);
  for (const [index, row] of rows.entries()) {
    picked.data.set(data.subarray(row * each, (row + 1) * each), index * each);
  }
  return picked;
}
