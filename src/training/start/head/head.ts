/** The head of a classifier: its last layer with weights, which has a row for each class. */
import { UserError } from "../../../core/errors.ts";
import { type Tensor, tensor } from "../../../core/tensor.ts";
import { type Graph, type Network, type Node, producers, readers, type Weights } from "../../../graph/graph.ts";
import { inferShapes } from "../../../graph/shapes.ts";

/** The ops that may stand behind the head: they keep the order of the classes. */
const behind: ReadonlySet<string> = new Set([
  ...["softmax", "activation", "relu", "clip", "flatten", "bias", "gain", "batch_normalization"],
  ...["global_average_pooling", "average_pooling", "max_pooling"],
]);

export interface Head {
  readonly node: Node;
  /** The parameters with a row for each class: weights and biases of the layer, and those of what stands behind it. */
  readonly parameters: readonly string[];
  readonly classes: number;
  /** What stands behind it. */
  readonly behind: readonly Node[];
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
  const passed: Node[] = [];
  let node = makers.get(output);
  while (node !== undefined && behind.has(node.op)) {
    passed.push(node);
    parameters.push(...node.inputs.slice(1));
    node = makers.get(node.inputs[0] ?? "");
  }
  const isLayer = node?.op === "linear" || (node?.op === "convolution" && node.attributes.groups === 1);
  if (node === undefined || !isLayer) return undefined;
  parameters.push(...node.inputs.slice(1));
  const isAlone = parameters.every((name) => own.get(name)?.[0] === classes && read.get(name)?.length === 1);
  return isAlone ? { node, parameters, classes, behind: passed } : undefined;
}

/** Whether the head of the network has no weights yet, because it was replaced for the classes of the data. */
export function isHeadNew({ graph, weights }: Network): boolean {
  return headOf(graph)?.parameters.some((name) => !weights.has(name)) ?? false;
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

/** The head in words. */
export function describeHead({ node }: Head): string {
  return `${node.op === "linear" ? "linear layer" : "convolution"} "${node.name}"`;
}

/** A network whose head fits the classes of the data. */
export interface FittedHead {
  readonly network: Network;
  /** What was changed, as a sentence; undefined if nothing was. */
  readonly notice?: string;
}

/** Whether two names are those of one class. */
export function isSameName(a: string, b: string | undefined): boolean {
  return b !== undefined && a.trim().toLowerCase() === b.trim().toLowerCase();
}

/** `weights` with these `rows` of the head, or without the head's values. */
export function withRows(weights: Weights, { parameters }: Head, rows: readonly number[] | undefined): Weights {
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
