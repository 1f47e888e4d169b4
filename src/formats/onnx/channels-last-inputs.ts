/**
 * Handles files whose images have their channels last (NHWC, as in Keras and TensorFlow) and are transposed before the
 * first convolution. The network that is read takes images with their channels first (NCHW), as every network here
 * does. The header records the original layout, and the written file takes its images with their channels last again.
 */
import { type Input, makeNode, type Node } from "../../graph/graph.ts";
import { withInputs } from "../../graph/rewrite.ts";
import { attributeTypes, type ModelMessage, type NodeMessage } from "./proto.ts";

/** Permutations between images with their channels last (NHWC) and images with their channels first (NCHW). */
export const toChannelsFirst: readonly number[] = [0, 3, 1, 2];
export const toChannelsLast: readonly number[] = [0, 2, 3, 1];

/** Elementwise ops: the order of axes does not matter to them. Constants are broadcast. */
export const elementwise: ReadonlySet<string> = new Set([
  "Abs",
  "Add",
  "Celu",
  "Clip",
  "Div",
  "Gelu",
  "Elu",
  "Erf",
  "Exp",
  "HardSigmoid",
  "HardSwish",
  "LeakyRelu",
  "Log",
  "Max",
  "Min",
  "Mish",
  "Mul",
  "Neg",
  "PRelu",
  "Pow",
  "Reciprocal",
  "Relu",
  "Selu",
  "Sigmoid",
  "Softplus",
  "Softsign",
  "Sqrt",
  "Sub",
  "Sum",
  "Tanh",
]);

/** Ops that may stand between an input and its transpose: they do the same whichever axis the channels are on. */
const layoutNeutral: ReadonlySet<string> = new Set([...elementwise, "Pad", "Identity", "Dropout", "Cast"]);

/** Names of the inputs that are transposed to channels first on every path into the network. */
export function channelsLastInputs(
  graph: NonNullable<ModelMessage["graph"]>,
  inputs: readonly Input[],
): ReadonlySet<string> {
  const outputs = new Set((graph.output ?? []).map(({ name }) => name ?? ""));
  return new Set(
    inputs
      .filter(({ name, shape }) => shape.length === 4 && isTransposed(name, graph.node ?? [], outputs))
      .map(({ name }) => name),
  );
}

function isTransposed(input: string, nodes: readonly NodeMessage[], outputs: ReadonlySet<string>): boolean {
  const untransposed = new Set([input]);
  let isFound = false;
  for (const node of nodes) {
    if (!(node.input ?? []).some((name) => untransposed.has(name))) continue;
    if (isToChannelsFirst(node)) {
      isFound = true;
      continue;
    }
    // A shape is computed while the file is read, and refers to the images in the file's layout.
    if (node.opType === "Shape") continue;
    if (!layoutNeutral.has(node.opType ?? "")) return false;
    for (const output of node.output ?? []) untransposed.add(output);
  }
  return isFound && ![...untransposed].some((name) => outputs.has(name));
}

function isToChannelsFirst({ opType, attribute }: NodeMessage): boolean {
  const permutation = (attribute ?? []).find(({ name, type }) => name === "perm" && type === attributeTypes.ints)?.ints;
  return opType === "Transpose" && (permutation ?? []).join() === toChannelsFirst.join();
}

/**
 * A transpose from `first`, images with their channels first, to `last`, the channels-last images that the file's nodes
 * read.
 */
export function channelsLastNode(first: string, last: string): Node {
  return makeNode("transpose", `${last}/channels_last`, [first], [last], { permutation: toChannelsLast });
}

/** `nodes` with each value renamed as `names` says. */
export function renamed(nodes: readonly Node[], names: ReadonlyMap<string, string>): readonly Node[] {
  if (names.size === 0) return nodes;
  return nodes.map((node) => ({
    ...withInputs(node, names),
    outputs: node.outputs.map((output) => names.get(output) ?? output),
  }));
}

/** The channels-last `input` with its channels first. */
export function channelsFirst(input: Input): Input {
  return withAxes(input, toChannelsFirst);
}

/** The channels-first `input` with its channels last. */
export function channelsLast(input: Input): Input {
  return withAxes(input, toChannelsLast);
}

function withAxes({ name, dtype, shape }: Input, axes: readonly number[]): Input {
  return { name, dtype, shape: axes.map((axis) => shape[axis] ?? 1) };
}
