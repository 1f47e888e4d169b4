/** ONNX `Conv` (opset 11) ↔ convolution. */
import { sameShape } from "../../../core/tensor.ts";
import type { Extents, Padding } from "../../../graph/attributes.ts";
import { extentsOf, hasPixels, PIXELS_FROM, sidesOf } from "../../../graph/windows.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";

/** Pads in ONNX's order, of `count` axes of pixels: begins of all axes, then ends. */
export function padsOf(padding: Padding, count: number): readonly number[] {
  const sides = sidesOf(padding, count);
  return [...sides.map(([before]) => before), ...sides.map(([, after]) => after)];
}

/** The pixels of the node's input along each axis. Throws if the input is not a batch of images or volumes. */
export function pixelsOf(node: NodeReader, context: ReadContext): Extents {
  const shape = context.shape(node.input(0));
  const expected = "4 axes (N, C, H, W) or 5 (N, C, D, H, W)";
  node.check(hasPixels(shape.length), "only images and volumes are supported", expected, `${shape.length}`);
  return extentsOf(shape.slice(PIXELS_FROM));
}

/** The attribute `kernel_shape` of a node with `weights`, which must be the extents of its kernels. */
export function kernelOf(node: NodeReader, context: ReadContext, weights: string, pixels: Extents): Extents {
  const [, , ...kernel] = context.shape(weights);
  const fits = kernel.length === pixels.length;
  node.check(fits, "its weights have other axes than its pixels", `${pixels.length}`, `${kernel.length}`);
  const named = node.ints("kernel_shape", kernel);
  node.check(sameShape(named, kernel), "kernel_shape does not match the weights", kernel.join(), named.join());
  node.check(
    kernel.every((extent) => extent >= 1),
    "its kernel has no elements",
    "1 or more",
    kernel.join(),
  );
  return extentsOf(kernel);
}

export const writeConv: WriteRule<"convolution"> = (node, context) => {
  const { strides, padding, dilation, groups } = node.attributes;
  const [src = "", ...parameters] = node.inputs;
  context.write("Conv", node, [src, ...parameters.map((parameter) => context.view(parameter))], {
    kernel_shape: context.shape(parameters[0] ?? "").slice(2),
    strides,
    pads: padsOf(padding, strides.length),
    dilations: dilation,
    group: groups,
  });
};

export const readConv: ReadRule = (node, context) => {
  const weights = context.parameter(node, node.input(1));
  const inputs = [node.input(0), weights];
  if (node.inputs.length > 2) inputs.push(context.parameter(node, node.input(2)));
  const pixels = pixelsOf(node, context);
  const window = {
    kernel: kernelOf(node, context, weights, pixels),
    strides: node.extents("strides", pixels.length, 1),
    dilation: node.extents("dilations", pixels.length, 1),
  };
  context.add(node, "convolution", inputs, {
    strides: window.strides,
    padding: node.padding(pixels, window),
    dilation: window.dilation,
    groups: node.int("group", 1),
  });
};
