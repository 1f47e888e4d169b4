/**
 * Reads ONNX `QuantizeLinear` and `DequantizeLinear` as what they do to floats: values are clipped to the range of the
 * integers. That they are rounded as well is left out. Constants are dequantised while the file is read.
 */
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule } from "../rules.ts";

/** Op types that only quantised files have. */
const quantizedOps = /^(QuantizeLinear|DequantizeLinear|DynamicQuantizeLinear|QLinear\w+|QGemm|\w+Integer)$/;

/** Whether an op of this type computes on integers or makes them. */
export function isQuantizedOp(opType: string): boolean {
  return quantizedOps.test(opType);
}

/** 8-bit integers without a zero point are unsigned. */
const unsigned = [0, 255] as const;

/** The floats that the node's integers stand for. Throws unless one scale and one zero point serve all of them. */
function rangeOf(node: NodeReader, context: ReadContext): { readonly minimum: number; readonly maximum: number } {
  const constant = (index: number): ReturnType<ReadContext["constant"]> => {
    const name = node.inputs[index] ?? "";
    return name === "" ? undefined : context.constant(name);
  };
  const [scale, zeroPoint] = [constant(1), constant(2)];
  for (const name of ["axis", "saturate", "block_size", "output_dtype", "precision"]) node.int(name, 0);
  node.check(
    scale?.values.length === 1 && (zeroPoint?.values.length ?? 1) === 1,
    "activations must have one scale and one zero point",
  );
  const [step = 1, zero = 0] = [Number(scale?.values[0]), Number(zeroPoint?.values[0] ?? 0)];
  const [least, largest] = zeroPoint?.range ?? unsigned;
  return { minimum: Math.fround((least - zero) * step), maximum: Math.fround((largest - zero) * step) };
}

export const readQuantizeLinear: ReadRule = (node, context) => {
  context.add(node, "clip", [node.input(0)], rangeOf(node, context));
};

export const readDequantizeLinear: ReadRule = (node, context) => {
  const { minimum, maximum } = rangeOf(node, context);
  const src = node.input(0);
  const before = context.producer(src);
  // Between both there may be nodes that move integers. They change no scale.
  const isSame =
    before?.op !== "clip" || (before.attributes.minimum === minimum && before.attributes.maximum === maximum);
  node.check(isSame, "dequantises with another scale than the values were quantised with");
  context.alias(node, src);
};
