/**
 * Graphs with their channels last (Keras, TensorFlow) transpose the images before each convolution and back after it.
 * This module moves the nodes in between ahead of the transpose: each such node reads the image with its channels
 * first, and its output is transposed instead. Neighbouring transposes then meet and cancel (`ops/transpose.ts`).
 */
import { elementCount, type Shape, tensor } from "../../core/tensor.ts";
import type { Node } from "../../graph/graph.ts";
import { elementwise } from "./channels-last-inputs.ts";
import { aligned } from "./folding/broadcast.ts";
import { type Constant, rearranged } from "./folding/constant.ts";
import { frontAxis } from "./folding/movement.ts";
import type { GraphReader } from "./graph-reader.ts";
import type { NodeReader } from "./node-reader.ts";
import { readChannelNormalization } from "./ops/normalization.ts";
import { attributeMessage, type NodeMessage } from "./proto.ts";
import type { ReadRule } from "./rules.ts";

const softmaxes: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax"]);

interface Moved {
  /** The node, rewritten to read images with their channels first. */
  readonly message: NodeMessage;
  /** The permutation that each of its outputs still needs. */
  readonly permutation: readonly number[];
  /** How the rewritten node is read, if not by the rule of its op. */
  readonly rule?: ReadRule;
}

/**
 * Rewrites `message` to run ahead of the transpose that it reads; undefined if it reads no transposed images or cannot
 * be moved.
 */
export function movedBeforeTranspose(message: NodeMessage, node: NodeReader, reader: GraphReader): Moved | undefined {
  const transposes = node.inputs
    .map((input) => (input === "" ? undefined : reader.producer(input)))
    .filter((one): one is Node<"transpose"> => one?.op === "transpose");
  const [first] = transposes;
  const permutation = first?.attributes.permutation ?? [];
  if (permutation.at(-1) !== 1) return undefined;
  const source = (input: string): string | undefined => {
    const found = transposes.find(({ outputs }) => outputs[0] === input);
    return found?.attributes.permutation.join() === permutation.join() ? found.inputs[0] : undefined;
  };
  const activations = node.inputs.filter((input) => input !== "" && !reader.isConstant(input));
  if (activations.some((input) => source(input) === undefined)) return undefined;
  // Outputs that nothing reads count too: a Split without sizes makes equal parts, one for each output.
  const output = Array.from({ length: node.outputCount }, (_, index) => {
    const name = node.outputs[index] ?? "";
    return name === "" ? "" : reader.newName(`${name}/channels_first`);
  });
  if (elementwise.has(node.opType)) {
    const constants = node.inputs.filter((name) => name !== "" && reader.isConstant(name));
    if (!constants.every((name) => isOfChannels(reader.shape(name), permutation, reader.constant(name)))) {
      return undefined;
    }
    const input = node.inputs.map((name) => source(name) ?? withReorderedDims(name, permutation, node, reader));
    return { message: { ...message, input, output }, permutation };
  }
  if (
    node.opType === "LayerNormalization" &&
    frontAxis(node, node.int("axis", -1), permutation.length) === permutation.length - 1
  ) {
    const input = node.inputs.map((name) => source(name) ?? name);
    return { message: { ...message, input, output }, permutation, rule: readChannelNormalization };
  }
  const along = axisOf(node, permutation);
  if (along !== undefined) {
    const axis = attributeMessage("axis", permutation[along] ?? 0);
    const attribute = [...(message.attribute ?? []).filter(({ name }) => name !== "axis"), axis];
    return {
      message: { ...message, input: node.inputs.map((name) => source(name) ?? name), output, attribute },
      permutation,
    };
  }
  if (node.opType === "Slice" && node.inputs.length > 1) {
    const [src = "", starts = "", ends = "", axes = "", ...steps] = node.inputs;
    const order = axes === "" ? permutation.map((_, axis) => axis) : reader.integers(node, axes);
    const values = order.map((axis) => permutation[frontAxis(node, axis, permutation.length)] ?? 0);
    const named = reader.declareNew(`${node.name}/axes`, { type: "integer", dims: [values.length], values });
    return { message: { ...message, input: [source(src) ?? "", starts, ends, named, ...steps], output }, permutation };
  }
  if (node.opType === "MatMul") {
    const kernels = kernelsOf(node, reader);
    const input = [source(node.input(0)) ?? "", kernels ?? ""];
    return kernels === undefined ? undefined : { message: { ...message, opType: "Conv", input, output }, permutation };
  }
  const pads = node.opType === "Pad" && node.inputs.length > 1 ? reader.constant(node.input(1)) : undefined;
  if (pads?.dims.join() === `${2 * permutation.length}` && node.inputs.length < 4) {
    const input = [
      source(node.input(0)) ?? "",
      reorderedPads(pads, permutation, node, reader),
      ...node.inputs.slice(2),
    ];
    return { message: { ...message, input, output }, permutation };
  }
  return undefined;
}

/**
 * The axis that an op works along, if the op can be moved with this axis. Concat and softmax move only if the axis
 * becomes the channel axis: along any other axis they are read where they stand. Before opset 13 a softmax covered all
 * axes from its own on.
 */
function axisOf(node: NodeReader, permutation: readonly number[]): number | undefined {
  const rank = permutation.length;
  if (node.opType === "Split") return frontAxis(node, node.int("axis", 0), rank);
  if (node.opType !== "Concat" && !softmaxes.has(node.opType)) return undefined;
  const asked = node.opType === "Concat" ? node.int("axis") : node.int("axis", node.opset >= 13 ? -1 : 1);
  const axis = frontAxis(node, asked, rank);
  return permutation[axis] === 1 ? axis : undefined;
}

/**
 * Whether a constant that the file stores has one number, or one number for each channel; every other axis must have
 * size 1.
 */
function isOfChannels(dims: Shape, permutation: readonly number[], stored: Constant | undefined): boolean {
  if (elementCount(dims) === 1) return true;
  const own = aligned(dims, permutation.length);
  return stored !== undefined && own.every((size, axis) => size === 1 || permutation[axis] === 1);
}

/**
 * Declares a per-channel constant with its axes in the order before `permutation`: axis `permutation[i]` becomes axis
 * i.
 */
function withReorderedDims(
  name: string,
  permutation: readonly number[],
  node: NodeReader,
  reader: GraphReader,
): string {
  const found = name === "" ? undefined : reader.constant(name);
  if (found === undefined || elementCount(found.dims) === 1) return name;
  const own = aligned(found.dims, permutation.length);
  const dims = permutation.map((_, axis) => own[permutation.indexOf(axis)] ?? 1);
  return reader.declareNew(`${name}/of_${node.name}`, { ...found, dims });
}

/**
 * The matrix [C,O] of a MatMul on images with their channels last, as [O,C,1,1]: a dense layer at each pixel is a 1 × 1
 * convolution. Undefined if the constant is not such a matrix.
 */
function kernelsOf(node: NodeReader, reader: GraphReader): string | undefined {
  const [images, matrix] = [node.input(0), node.input(1)];
  const found = reader.constant(matrix);
  const [channels = 1, count = 1] = found?.dims ?? [];
  if (reader.isConstant(images) || reader.shape(images).length !== 4 || found?.dims.length !== 2) return undefined;
  const { values } = rearranged(found, [count, channels, 1, 1], (index) => {
    return (index % channels) * count + Math.floor(index / channels);
  });
  if (!(values instanceof Float32Array)) return undefined;
  return reader.derived(node, matrix, "weights", tensor([count, channels, 1, 1], values));
}

function reorderedPads(pads: Constant, permutation: readonly number[], node: NodeReader, reader: GraphReader): string {
  const rank = permutation.length;
  const values = [0, rank].flatMap((first) =>
    permutation.map((_, axis) => pads.values[first + permutation.indexOf(axis)] ?? 0),
  );
  return reader.declareNew(`${node.name}/pads`, { type: "integer", dims: [2 * rank], values });
}
