/**
 * ONNX `MaxPool`, `AveragePool` and `GlobalAveragePool` ↔ the poolings. `ReduceMean` over the pixels is read as global
 * average pooling too.
 */
import { optional } from "../../../core/optional.ts";
import type { AveragePoolingAttributes, Extents, MaxPoolingAttributes } from "../../../graph/attributes.ts";
import { extentsOf, hasPixels, paddingOf, sidesOf, windowAxes } from "../../../graph/windows.ts";
import type { NodeReader } from "../node-reader.ts";
import type { AttributeValue } from "../proto.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { padsOf, pixelsOf } from "./conv.ts";

function windowAttributes({
  kernel,
  strides,
  padding,
  dilation,
}: MaxPoolingAttributes): Record<string, AttributeValue> {
  return {
    kernel_shape: kernel,
    strides,
    pads: padsOf(padding, strides.length),
    ...optional({ dilations: dilation }),
  };
}

interface PoolingRead {
  readonly attributes: MaxPoolingAttributes;
  /** The padding that `ceil_mode` adds behind the pixels of each axis; `attributes` already include it. */
  readonly overhang: Extents;
}

function readWindow(node: NodeReader, context: ReadContext): PoolingRead {
  const pixels = pixelsOf(node, context);
  const count = pixels.length;
  const [kernel, strides] = [node.extents("kernel_shape", count), node.extents("strides", count, 1)];
  const dilation = node.extents("dilations", count, 1);
  const isDilated = dilation.some((step) => step > 1);
  // By the specification there are as many windows as strides. ONNX Runtime ignores the dilation and computes fewer.
  const isAutomatic = node.string("auto_pad", "NOTSET").startsWith("SAME");
  node.check(!isDilated || !isAutomatic, "auto_pad is not supported for a dilated window");
  const isSkipping = pixels.some((size, axis) => {
    const stride = strides[axis] ?? 1;
    return (Math.ceil(size / stride) - 1) * stride + (kernel[axis] ?? 1) < size;
  });
  // The padding would be negative: ONNX Runtime refuses it, or starts inside the image.
  node.check(!isAutomatic || !isSkipping, "auto_pad is not supported where the window steps over pixels");
  const padding = node.padding(pixels, { kernel, strides, dilation });
  const roundsUp = node.int("ceil_mode", 0) === 1;
  const sides = sidesOf(padding, count);
  const overhang = windowAxes({ strides, padding, dilation }).map(({ stride, dilation: step, before, after }, axis) => {
    const size = pixels[axis] ?? 1;
    const places = size + before + after - ((kernel[axis] ?? 1) - 1) * step - 1;
    const missing = (stride - (places % stride)) % stride;
    // A last window that would begin beyond the image is dropped.
    const begins = places + missing - before < size;
    return roundsUp && begins ? missing : 0;
  });
  return {
    attributes: {
      kernel,
      strides,
      padding: paddingOf(sides.map(([before, after], axis) => [before, after + (overhang[axis] ?? 0)])),
      ...(isDilated ? { dilation } : {}),
    },
    overhang: extentsOf(overhang),
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
  const kernel = pixelsOf(node, context);
  const [strides, padding] = [extentsOf(kernel.map(() => 1)), paddingOf(kernel.map(() => [0, 0]))];
  context.add(node, "max_pooling", [node.input(0)], { kernel, strides, padding });
};

export const writeAveragePool: WriteRule<"average_pooling"> = (node, context) => {
  const { padding, countIncludePad, overhang } = node.attributes;
  const sides = sidesOf(padding, node.attributes.strides.length);
  const counted = paddingOf(sides.map(([before, after], axis) => [before, after - (overhang?.[axis] ?? 0)]));
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
  const isUneven = countIncludePad && overhang.some((size) => size > 0);
  context.add(node, "average_pooling", [node.input(0)], isUneven ? { ...attributes, overhang } : attributes);
};

export const writeGlobalAveragePool: WriteRule<"global_average_pooling"> = (node, context) => {
  context.write("GlobalAveragePool", node, node.inputs);
};

export const readGlobalAveragePool: ReadRule = (node, context) => {
  pixelsOf(node, context);
  context.add(node, "global_average_pooling", [node.input(0)], {});
};

/**
 * Reads a mean over `axes` of the node's input as global average pooling if they are the pixels of images or volumes:
 * exporters write it this way. Without `keepdims` the result is flattened as well. Returns whether it is one.
 */
export function readImageMean(node: NodeReader, context: ReadContext, axes: readonly number[]): boolean {
  const src = node.input(0);
  const axesOfSrc = [...context.shape(src).keys()];
  if (!hasPixels(axesOfSrc.length)) return false;
  // Axes of a transposed image are mapped to axes of the image before the transpose.
  const before = context.producer(src);
  const permutation = before?.op === "transpose" ? before.attributes.permutation : axesOfSrc;
  const image = before?.op === "transpose" ? (before.inputs[0] ?? "") : src;
  const mapped = axes.map((axis) => permutation[axis] ?? 0).toSorted((a, b) => a - b);
  if (mapped.join() !== axesOfSrc.slice(2).join()) return false;
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
