/** The shapes of what slides a window over images or volumes: convolutions and poolings. */
import { formatShape, type Shape } from "../../core/tensor.ts";
import type { ConvolutionAttributes, DeconvolutionAttributes, MaxPoolingAttributes } from "../attributes.ts";
import { hasPixels, PIXELS_FROM, stillAxis, type WindowAxis, windowAxes } from "../windows.ts";
import type { ShapeContext, ShapeRule } from "./rule.ts";

/** Output extent of a sliding window: ⌊(size + before + after − dilation·(kernel − 1) − 1) / stride⌋ + 1. */
export function windowCount(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  dilation = 1,
): number {
  return Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

type Check = ShapeContext<"convolution">["check"];

/** Input `index`, an image or a volume. */
export function withPixels({ input, check }: Pick<ShapeContext<"convolution">, "input" | "check">, index = 0): Shape {
  const shape = input(index);
  check(hasPixels(shape.length), "an image [N,C,H,W] or a volume [N,C,D,H,W]", formatShape(shape));
  return shape;
}

/** The pixels of `src` and the axes of a window over them, which must be as many. */
function axesOver(
  [, , ...pixels]: Shape,
  kernel: readonly number[],
  attributes: ConvolutionAttributes | MaxPoolingAttributes,
  check: Check,
): readonly (WindowAxis & { readonly size: number; readonly kernel: number })[] {
  const { strides, dilation = strides } = attributes;
  check(
    [kernel, strides, dilation].every(({ length }) => length === pixels.length),
    `a window of ${pixels.length} axes`,
    JSON.stringify({ kernel, ...attributes }),
  );
  const axes = windowAxes(attributes);
  return pixels.map((size, axis) => ({ ...(axes[axis] ?? stillAxis), size, kernel: kernel[axis] ?? 1 }));
}

export function convolved(src: Shape, weights: Shape, attributes: ConvolutionAttributes, check: Check): Shape {
  const [batch = 0, channels = 0, ...pixels] = src;
  const [outputs = 0, perGroup = 0, ...kernel] = weights;
  const { groups } = attributes;
  check(channels === perGroup * groups, `${perGroup * groups} input channels`, `${channels}`);
  check(outputs % groups === 0, `output channels that ${groups} groups divide`, `${outputs}`);
  const counts = axesOver(src, kernel, attributes, check).map(
    ({ size, kernel: own, stride, before, after, dilation }) => windowCount(size, own, stride, before, after, dilation),
  );
  check(
    counts.every((count) => count > 0),
    "a kernel that fits into the padded image",
    formatShape(pixels),
  );
  return [batch, outputs, ...counts];
}

/** The shape rule of a layer of weights over pixels, which `shapeOf` computes. */
export function layerRule<K extends "convolution" | "deconvolution">(
  shapeOf: (src: Shape, weights: Shape, attributes: ShapeContext<K>["attributes"], check: Check) => Shape,
): ShapeRule<K> {
  return (context) => {
    const { input, inputCount, attributes, check } = context;
    const src = withPixels(context);
    const dst = shapeOf(src, input(1, src.length), attributes, check);
    if (inputCount > 2) {
      const [bias, channels] = [input(2), dst[1] ?? 0];
      check(bias.length === 1 && bias[0] === channels, `bias of shape [${channels}]`, formatShape(bias));
    }
    return [dst];
  };
}

/**
 * The shape of a transposed convolution: (size − 1)·stride + dilation·(kernel − 1) + 1 − padding + outputPadding along
 * each axis.
 */
export function deconvolved(src: Shape, weights: Shape, attributes: DeconvolutionAttributes, check: Check): Shape {
  const [batch = 0, channels = 0] = src;
  const [outputs = 0, perGroup = 0, ...kernel] = weights;
  const { strides, groups, outputPadding } = attributes;
  check(channels === perGroup * groups, `${perGroup * groups} input channels`, `${channels}`);
  check(outputs % groups === 0, `output channels that ${groups} groups divide`, `${outputs}`);
  const axes = axesOver(src, kernel, attributes, check);
  check(
    outputPadding.length === axes.length && outputPadding.every((size, axis) => size < (strides[axis] ?? 1)),
    `an output padding below the strides ${formatShape(strides)}`,
    formatShape(outputPadding),
  );
  const pixels = axes.map(({ size, kernel: own, stride, dilation, before, after }, axis) => {
    const span = (size - 1) * stride + (own - 1) * dilation + 1;
    return span - before - after + (outputPadding[axis] ?? 0);
  });
  check(
    pixels.every((extent) => extent > 0),
    "padding that leaves pixels",
    formatShape(pixels),
  );
  return [batch, outputs, ...pixels];
}

export function pooled(context: ShapeContext<"max_pooling" | "average_pooling">): readonly Shape[] {
  const { attributes, check } = context;
  const src = withPixels(context);
  const [batch = 0, channels = 0, ...pixels] = src;
  const axes = axesOver(src, attributes.kernel, attributes, check);
  const counts = axes.map(({ size, kernel, stride, before, after, dilation }) =>
    windowCount(size, kernel, stride, before, after, dilation),
  );
  check(
    counts.every((count) => count > 0),
    "a kernel that fits into the padded image",
    formatShape(pixels),
  );
  check(
    axes.every(({ kernel, before, after }) => Math.max(before, after) < kernel),
    "padding smaller than the kernel",
    JSON.stringify(attributes.padding),
  );
  check(
    axes.every((axis, index) => reachesImage(axis, counts[index] ?? 0)),
    "a pixel of the image in every window",
    JSON.stringify(attributes),
  );
  return [[batch, channels, ...counts]];
}

export function pooledGlobally(context: ShapeContext<"global_average_pooling">): readonly Shape[] {
  return [withPixels(context).map((extent, axis) => (axis < PIXELS_FROM ? extent : 1))];
}

/**
 * Whether each of `windows` along an axis of `size` pixels contains at least one pixel, given that padding is smaller
 * than the kernel. It does not loop over all windows, because a file may claim 10⁹ of them.
 */
function reachesImage(
  { size, kernel, stride, before, dilation }: WindowAxis & { readonly size: number; readonly kernel: number },
  windows: number,
): boolean {
  if ((windows - 1) * stride - before >= size) return false;
  // The first element of a window beyond the padding is less than one dilation away from the image's edge. If that may
  // be past the image, the kernel is so wide that only few windows begin in the padding: the loop is short.
  if (dilation <= size) return true;
  for (let first = -before, left = windows; first < 0 && left > 0; first += stride, left--) {
    const skipped = Math.ceil(-first / dilation);
    if (skipped >= kernel || first + skipped * dilation >= size) return false;
  }
  return true;
}
