/** ONNX `MaxPool`, `AveragePool` and `GlobalAveragePool` ↔ the poolings; `ReduceMean` over the pixels is the last of them too. */
import type { PoolingAttributes } from "../../../graph/ops.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { AttributeValue } from "../proto.ts";
import type { ReadRule, WriteRule } from "../rules.ts";
import { padsOf } from "./conv.ts";

function windowAttributes({ kernel, strides, padding }: PoolingAttributes): Record<string, AttributeValue> {
  return { kernel_shape: kernel, strides, pads: padsOf(padding) };
}

function readWindow(node: NodeReader): PoolingAttributes {
  node.check(node.int("ceil_mode", 0) === 0, "rounds the output size up (ceil_mode); only rounding down is read");
  const [height, width] = node.pair("dilations", [1, 1]);
  node.check(height === 1 && width === 1, "dilated pooling is not read");
  return { kernel: node.pair("kernel_shape"), strides: node.pair("strides", [1, 1]), padding: node.padding() };
}

export const writeMaxPool: WriteRule<"max_pooling"> = (node, context) => {
  context.write("MaxPool", node, node.inputs, windowAttributes(node.attributes));
};

export const readMaxPool: ReadRule = (node, context) => {
  node.check(node.int("storage_order", 0) === 0, "column-major storage_order is not read");
  context.add(node, "max_pooling", [node.input(0)], readWindow(node));
};

export const writeAveragePool: WriteRule<"average_pooling"> = (node, context) => {
  context.write("AveragePool", node, node.inputs, {
    ...windowAttributes(node.attributes),
    count_include_pad: node.attributes.countIncludePad ? 1 : 0,
  });
};

export const readAveragePool: ReadRule = (node, context) => {
  const countIncludePad = node.int("count_include_pad", 0) === 1;
  context.add(node, "average_pooling", [node.input(0)], { ...readWindow(node), countIncludePad });
};

export const writeGlobalAveragePool: WriteRule<"global_average_pooling"> = (node, context) => {
  context.write("GlobalAveragePool", node, node.inputs);
};

export const readGlobalAveragePool: ReadRule = (node, context) => {
  context.add(node, "global_average_pooling", [node.input(0)], {});
};

/** Over the pixels, which is what exporters make of global average pooling; without `keepdims` flattened as well. */
export const readReduceMean: ReadRule = (node, context) => {
  const src = node.input(0);
  const rank = context.shape(src).length;
  const named = node.inputs.length > 1 ? context.integers(node, node.input(1)) : node.ints("axes", []);
  const axes = named.map((axis) => frontAxis(node, axis, rank)).toSorted((a, b) => a - b);
  node.int("noop_with_empty_axes", 0);
  node.check(rank === 4 && axes.join() === "2,3", "averages over other axes than the pixels", "axes 2, 3", axes.join());
  if (node.int("keepdims", 1) === 1) {
    context.add(node, "global_average_pooling", [src], {});
    return;
  }
  const pooled = context.add(node, "global_average_pooling", [src], {}, { part: "pooled" });
  context.add(node, "flatten", [pooled], {});
};
