/**
 * Reads convolutions and poolings of signals [N,C,L] as those of images of one row, [N,C,1,L]: a reshape stands in
 * front of the node and one behind it.
 */
import { tensor } from "../../core/tensor.ts";
import type { GraphReader } from "./graph-reader.ts";
import type { NodeReader } from "./node-reader.ts";
import { attributeMessage, type NodeMessage } from "./proto.ts";

const withWindows: ReadonlySet<string> = new Set([
  ...["Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"],
]);

/** Attributes of one number an axis, and the number for the axis of height 1. */
const perAxis: ReadonlyMap<string, number> = new Map([
  ...(["kernel_shape", "strides", "dilations", "output_shape"] as const).map((name) => [name, 1] as const),
  ["output_padding", 0],
]);

/** `message` as a node that reads and makes images of one row; undefined if it is none that reads signals. */
export function liftedToRow(message: NodeMessage, node: NodeReader, reader: GraphReader): NodeMessage | undefined {
  const [src = "", weights = "", ...others] = node.inputs;
  if (!withWindows.has(node.opType) || reader.isConstant(src)) return undefined;
  const [, channels = 0, length = 0, ...rest] = reader.shape(src);
  if (reader.shape(src).length !== 3 || rest.length > 0) return undefined;
  const kernels = weights === "" ? [] : [kernelsOf(node, reader, weights)];
  const [first = ""] = kernels;
  if (weights !== "" && first === "") return undefined;
  const image = imageBefore(reader, src, [channels, 1, length]);
  const row =
    image ??
    reader.add(node, "reshape", [beforeReshapes(reader, src)], { shape: [channels, 1, length] }, { part: "row" });
  return {
    ...message,
    input: [row, ...kernels, ...others],
    output: node.outputs.map((name) => (name === "" ? "" : reader.newName(`${name}/row`))),
    attribute: (message.attribute ?? []).map((attribute) => {
      const { name = "", ints } = attribute;
      if (ints === undefined || ints === null || ints.length === 0) return attribute;
      if (name === "pads") return attributeMessage(name, [0, ints[0] ?? 0, 0, ints[1] ?? 0]);
      const other = perAxis.get(name);
      return other === undefined ? attribute : attributeMessage(name, [other, ...ints]);
    }),
  };
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
