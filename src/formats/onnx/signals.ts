/**
 * Reads convolutions, poolings and resizings of signals [N,C,L] as those of images of one row, [N,C,1,L]: a reshape
 * stands in front of the node and one behind it.
 */
import { tensor } from "../../core/tensor.ts";
import { scalarsOf, vector } from "./folding/constant.ts";
import { frontAxis } from "./folding/movement.ts";
import type { GraphReader } from "./graph-reader.ts";
import type { NodeReader } from "./node-reader.ts";
import { attributeMessage, type NodeMessage } from "./proto.ts";

const withWindows: ReadonlySet<string> = new Set([
  ...["Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"],
]);

/** Axes of signals [N,C,L]. */
const SIGNAL_AXES = 3;
const LAST = SIGNAL_AXES - 1;

/** Ops with one number for each axis of their value, as attributes or constants, and the number for a row. */
const withNumbers: ReadonlyMap<string, number> = new Map([
  ["Pad", 0],
  ["Resize", 1],
  ["Upsample", 1],
]);

/** Attributes of one number an axis, and the number for the axis of height 1. */
const perAxis: ReadonlyMap<string, number> = new Map([
  ...(["kernel_shape", "strides", "dilations", "output_shape"] as const).map((name) => [name, 1] as const),
  ["output_padding", 0],
]);

/** `message` as a node that reads and makes images of one row; undefined if it is none that reads signals. */
export function liftedToRow(message: NodeMessage, node: NodeReader, reader: GraphReader): NodeMessage | undefined {
  const [src = "", weights = "", ...others] = node.inputs;
  if (src === "" || reader.isConstant(src) || reader.shape(src).length !== SIGNAL_AXES) return undefined;
  const ofRow = withNumbers.get(node.opType);
  if (ofRow !== undefined) return withNumbersOfRow(message, node, reader, ofRow);
  if (!withWindows.has(node.opType)) return undefined;
  const kernels = weights === "" ? [] : [kernelsOf(node, reader, weights)];
  const [first = ""] = kernels;
  if (weights !== "" && first === "") return undefined;
  return {
    ...message,
    input: [rowOf(node, reader, src), ...kernels, ...others],
    output: outputsOf(node, reader),
    attribute: (message.attribute ?? []).map((attribute) => {
      const { name = "", ints } = attribute;
      if (ints === undefined || ints === null || ints.length === 0) return attribute;
      if (name === "pads") return attributeMessage(name, [0, ints[0] ?? 0, 0, ints[1] ?? 0]);
      const other = perAxis.get(name);
      return other === undefined ? attribute : attributeMessage(name, [other, ...ints]);
    }),
  };
}

/** The signals `src` as images of one row. */
function rowOf(node: NodeReader, reader: GraphReader, src: string): string {
  const [, channels = 0, length = 0] = reader.shape(src);
  const shape = [channels, 1, length];
  const image = imageBefore(reader, src, shape);
  return image ?? reader.add(node, "reshape", [beforeReshapes(reader, src)], { shape }, { part: "row" });
}

function outputsOf(node: NodeReader, reader: GraphReader): string[] {
  return node.outputs.map((name) => (name === "" ? "" : reader.newName(`${name}/row`)));
}

/** A node of `withNumbers` whose lists have the number `ofRow` in front of that of the last axis. */
function withNumbersOfRow(
  message: NodeMessage,
  node: NodeReader,
  reader: GraphReader,
  ofRow: number,
): NodeMessage | undefined {
  const isPad = node.opType === "Pad";
  // Zeros are padded along any axes.
  if (isPad && node.string("mode", "constant") === "constant") return undefined;
  const [src = "", ...others] = node.inputs;
  const axesInput = isPad ? (node.inputs[3] ?? "") : "";
  const isOfAllAxes = axesInput === "" && !node.has("axes");
  const inRow = (axis: number): number => (frontAxis(node, axis, SIGNAL_AXES) === LAST ? LAST + 1 : axis);
  const input = others.map((name) => {
    if (name === "" || !reader.isConstant(name)) return name;
    const stored = reader.constant(name);
    if (name === axesInput) {
      const axes = reader.integers(node, name).map(inRow);
      return reader.declareNew(`${node.name}.axes`, vector("integer", axes));
    }
    // The number behind a border of numbers is one for all axes.
    const isList = stored?.dims.length === 1 && stored.values.length % SIGNAL_AXES === 0;
    if (stored === undefined || !isList || !isOfAllAxes) return name;
    return reader.declareNew(`${node.name}.of_row`, vector(stored.type, beforeLast(scalarsOf(stored), ofRow)));
  });
  return {
    ...message,
    input: [rowOf(node, reader, src), ...input],
    output: outputsOf(node, reader),
    attribute: (message.attribute ?? []).map((attribute) => {
      const { name = "", ints, floats } = attribute;
      if (name === "axes") return attributeMessage(name, (ints ?? []).map(inRow));
      if (name === "pads") return attributeMessage(name, beforeLast(ints ?? [], ofRow));
      return name === "scales" ? { ...attribute, floats: [...beforeLast(floats ?? [], ofRow)] } : attribute;
    }),
  };
}

/** `values`, one for each axis or several rounds of them, with `added` in front of that of the last axis. */
function beforeLast<T>(values: readonly T[], added: T): readonly T[] {
  return values.flatMap((value, index) => (index % SIGNAL_AXES === LAST ? [added, value] : [value]));
}

/** The value that reshapes in a row began with. */
function beforeReshapes(reader: GraphReader, src: string): string {
  const before = reader.producer(src);
  return before?.op === "reshape" ? beforeReshapes(reader, before.inputs[0] ?? "") : src;
}

/** The image of one row that `src` was made from. */
function imageBefore(reader: GraphReader, src: string, features: readonly number[]): string | undefined {
  const before = reader.producer(src);
  const [image = ""] = before?.op === "reshape" ? before.inputs : [];
  return image !== "" && reader.shape(image).slice(1).join() === features.join() ? image : undefined;
}

/** Kernels [O,I,K] as [O,I,1,K]; empty if they are not stored as floats. */
function kernelsOf(node: NodeReader, reader: GraphReader, name: string): string {
  const stored = reader.isConstant(name) ? reader.constant(name) : undefined;
  const { dims: [outputs = 0, inputs = 0, taps = 0, ...rest] = [], values } = stored ?? {};
  // Another node has read them as kernels of one row already.
  if (reader.shape(name).length === 4) return name;
  if (!(values instanceof Float32Array) || taps === 0 || rest.length > 0) return "";
  const dims = [outputs, inputs, 1, taps];
  if (node.opType === "ConvTranspose") {
    return reader.declareNew(`${node.name}.kernels`, { type: "float", dims, values });
  }
  return reader.derived(node, name, "weights", tensor(dims, values));
}
