/**
 * ONNX `MaxPool`, `AveragePool` and `GlobalAveragePool` ↔ the poolings. `ReduceMean` over the pixels is read as global
 * average pooling too.
 */
import { optional } from "../../../core/optional.ts";
import type { AveragePoolingAttributes, MaxPoolingAttributes, Padding, Pair } from "../../../graph/attributes.ts";
import type { NodeReader } from "../node-reader.ts";
import type { AttributeValue } from "../proto.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { imageSize, padsOf } from "./conv.ts";

function windowAttributes({
  kernel,
  strides,
  padding,
  dilation,
}: MaxPoolingAttributes): Record<string, AttributeValue> {
  return {
    kernel_shape: kernel,
    strides,
    pads: padsOf(padding),
    ...optional({ dilations: dilation }),
  };
}

interface PoolingRead {
  readonly attributes: MaxPoolingAttributes;
  /** The padding that `ceil_mode` adds at the bottom and at the right; `attributes` already include it. */
  readonly overhang: Pair;
}

function readWindow(node: NodeReader, context: ReadContext): PoolingRead {
  const image = imageSize(node, context);
  const [kernel, strides] = [node.pair("kernel_shape"), node.pair("strides", [1, 1])];
  const dilation = node.pair("dilations", [1, 1]);
  const isDilated = dilation[0] > 1 || dilation[1] > 1;
  // By the specification there are as many windows as strides. ONNX Runtime ignores the dilation and computes fewer.
  const isAutomatic = node.string("auto_pad", "NOTSET").startsWith("SAME");
  node.check(!isDilated || !isAutomatic, "auto_pad is not supported for a dilated window");
  const isSkipping = ([0, 1] as const).some((axis) => {
    return (Math.ceil(image[axis] / strides[axis]) - 1) * strides[axis] + kernel[axis] < image[axis];
  });
  // The padding would be negative: ONNX Runtime refuses it, or starts inside the image.
  node.check(!isAutomatic || !isSkipping, "auto_pad is not supported where the window steps over pixels");
  const padding = node.padding(image, { kernel, strides, dilation });
  const roundsUp = node.int("ceil_mode", 0) === 1;
  const added = (axis: 0 | 1, before: number, after: number): number => {
    const places = image[axis] + before + after - (kernel[axis] - 1) * dilation[axis] - 1;
    const missing = (strides[axis] - (places % strides[axis])) % strides[axis];
    // A last window that would begin beyond the image is dropped.
    const begins = places + missing - before < image[axis];
    return roundsUp && begins ? missing : 0;
  };
  const overhang = [added(0, padding.top, padding.bottom), added(1, padding.left, padding.right)] as const;
  return {
    attributes: {
      kernel,
      strides,
      padding: { ...padding, bottom: padding.bottom + overhang[0], right: padding.right + overhang[1] },
      ...(isDilated ? { dilation } : {}),
    },
    overhang,
  };
}

export const writeMaxPool: WriteRule<"max_pooling"> = (node, context) => {
  context.write("MaxPool", node, node.inputs, windowAttributes(node.attributes));
};

export const readMaxPool: ReadRule = (node, context) => {
  node.check(node.int("storage_order", 0) === 0, "column-major storage_order is not supported");
  context.add(node, "max_pooling", [node.input(0)], readWindow(node, context).attributes);
};

export const readGlobalMaxPool: ReadRule = (node, context) => {
  const kernel = imageSize(node, context);
  const padding: Padding = { top: 0, left: 0, bottom: 0, right: 0 };
  context.add(node, "max_pooling", [node.input(0)], { kernel, strides: [1, 1], padding });
};

export const writeAveragePool: WriteRule<"average_pooling"> = (node, context) => {
  const { padding, countIncludePad, overhang } = node.attributes;
  const [rows, columns] = overhang ?? [0, 0];
  const counted = { ...padding, bottom: padding.bottom - rows, right: padding.right - columns };
  context.write("AveragePool", node, node.inputs, {
    ...windowAttributes({ ...node.attributes, padding: counted }),
    count_include_pad: countIncludePad ? 1 : 0,
    ...(overhang === undefined ? {} : { ceil_mode: 1 }),
  });
};

export const readAveragePool: ReadRule = (node, context) => {
  const countIncludePad = node.int("count_include_pad", 0) === 1;
  const {
    attributes: { dilation, ...window },
    overhang,
  } = readWindow(node, context);
  node.check(dilation === undefined, "dilations are not supported for average pooling", "1, 1", `${dilation}`);
  const attributes: AveragePoolingAttributes = { ...window, countIncludePad };
  const isUneven = countIncludePad && (overhang[0] > 0 || overhang[1] > 0);
  context.add(node, "average_pooling", [node.input(0)], isUneven ? { ...attributes, overhang } : attributes);
};

export const writeGlobalAveragePool: WriteRule<"global_average_pooling"> = (node, context) => {
  context.write("GlobalAveragePool", node, node.inputs);
};

export const readGlobalAveragePool: ReadRule = (node, context) => {
  imageSize(node, context);
  context.add(node, "global_average_pooling", [node.input(0)], {});
};

/**
 * Reads a mean over `axes` of the node's input as global average pooling, if these are the pixels of an image:
 * exporters write it this way. Without `keepdims` the result is flattened as well. Returns whether it is one.
 */
export function readImageMean(node: NodeReader, context: ReadContext, axes: readonly number[]): boolean {
  const src = node.input(0);
  if (context.shape(src).length !== 4) return false;
  // Axes of a transposed image are mapped to axes of the image before the transpose.
  const before = context.producer(src);
  const permutation = before?.op === "transpose" ? before.attributes.permutation : [0, 1, 2, 3];
  const image = before?.op === "transpose" ? (before.inputs[0] ?? "") : src;
  const mapped = axes.map((axis) => permutation[axis] ?? 0).toSorted((a, b) => a - b);
  if (mapped.join() !== "2,3") return false;
  const keepsAxes = node.int("keepdims", 1) === 1;
  if (keepsAxes && image === src) {
    context.add(node, "global_average_pooling", [src], {});
    return true;
  }
  const pooled = context.add(node, "global_average_pooling", [image], {}, { part: "pooled" });
  if (keepsAxes) context.add(node, "transpose", [pooled], { permutation });
  else context.add(node, "flatten", [pooled], {});
  return true;
}
