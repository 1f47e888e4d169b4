/**
 * Images that a file takes with their channels last (Keras, TensorFlow) and transposes before its first convolution:
 * inside, the input has its channels first, as everything that feeds a network does. The header notes it, and the file
 * is written with its own input again.
 */
import { type Input, makeNode, type Node } from "../../graph/graph.ts";
import { withInputs } from "../../graph/rewrite.ts";
import { attributeTypes, type ModelMessage, type NodeMessage } from "./proto.ts";

/** What it takes from images with their channels last to those with their channels first, and back. */
export const toChannelsFirst: readonly number[] = [0, 3, 1, 2];
export const toChannelsLast: readonly number[] = [0, 2, 3, 1];

/** Ops that treat every element alike, so that the order of axes is nothing to them; constants are broadcast. */
export const elementwise: ReadonlySet<string> = new Set([
  "Add",
  "Clip",
  "Div",
  "HardSigmoid",
  "HardSwish",
  "LeakyRelu",
  "Mul",
  "Relu",
  "Sigmoid",
  "Sub",
  "Tanh",
]);

/** Ops that may stand between the input and its transposing: they work on each channel alike, wherever its axis is. */
const passing: ReadonlySet<string> = new Set([...elementwise, "Pad", "Identity", "Dropout", "Cast"]);

/** Names of the inputs that are transposed on all ways into the network. */
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
  const raw = new Set([input]);
  let isFound = false;
  for (const node of nodes) {
    if (!(node.input ?? []).some((name) => raw.has(name))) continue;
    if (isToChannelsFirst(node)) {
      isFound = true;
      continue;
    }
    // What asks for the shape alone is computed, and looks at the images as the file has them.
    if (node.opType === "Shape") continue;
    if (!passing.has(node.opType ?? "")) return false;
    for (const output of node.output ?? []) raw.add(output);
  }
  return isFound && ![...raw].some((name) => outputs.has(name));
}

function isToChannelsFirst({ opType, attribute }: NodeMessage): boolean {
  const permutation = (attribute ?? []).find(({ name, type }) => name === "perm" && type === attributeTypes.ints)?.ints;
  return opType === "Transpose" && (permutation ?? []).join() === toChannelsFirst.join();
}

/** The node that makes of images with their channels first, `first`, those that the file's nodes read, `last`. */
export function liftingNode(first: string, last: string): Node {
  return makeNode("transpose", `${last}/channels_last`, [first], [last], { permutation: toChannelsLast });
}

/** `nodes` with each value named as `names` says. */
export function renamed(nodes: readonly Node[], names: ReadonlyMap<string, string>): readonly Node[] {
  if (names.size === 0) return nodes;
  return nodes.map((node) => ({
    ...withInputs(node, names),
    outputs: node.outputs.map((output) => names.get(output) ?? output),
  }));
}

/** `input`, whose channels are last, with its channels first. */
export function channelsFirst(input: Input): Input {
  return withAxes(input, toChannelsFirst);
}

/** `input`, whose channels are first, with its channels last. */
export function channelsLast(input: Input): Input {
  return withAxes(input, toChannelsLast);
}

function withAxes({ name, dtype, shape }: Input, axes: readonly number[]): Input {
  return { name, dtype, shape: axes.map((axis) => shape[axis] ?? 1) };
}
