/** Computes `DequantizeLinear` on constants: the weights and biases of a quantised file. */
import { elementCount } from "../../../core/tensor.ts";
import { constant } from "./constant.ts";
import { frontAxis } from "./movement.ts";
import type { FoldRule } from "./rule.ts";

/** scale · (integer − zero point), with one scale for all or one for each index of an axis. */
const dequantizeLinear: FoldRule = (context) => {
  const { node } = context;
  const [integers, scale, zeroPoint] = [context.input(0), context.input(1), context.optional(2)];
  const { dims } = integers;
  node.check(node.int("block_size", 0) === 0, "scales of blocks are not supported");
  node.int("output_dtype", 0);
  const asked = node.int("axis", 1);
  const count = scale.values.length;
  const axis = count > 1 ? frontAxis(node, asked, dims.length) : 0;
  node.check(count === 1 || dims[axis] === count, "has not one scale for each index of its axis");
  node.check(scale.values instanceof Float32Array, "its scale is not of floats");
  const inner = elementCount(dims.slice(axis + 1));
  const values = new Float32Array(elementCount(context.claim(dims)));
  for (let index = 0; index < values.length; index++) {
    const at = count === 1 ? 0 : Math.floor(index / inner) % count;
    const zero = Number(zeroPoint?.values[at] ?? 0);
    values[index] = (Number(integers.values[index]) - zero) * Number(scale.values[at]);
  }
  return [constant("float", dims, values)];
};

export const quantized: Readonly<Record<string, FoldRule>> = { DequantizeLinear: dequantizeLinear };
