/** The shapes of what slides a window over images: convolutions and poolings. */
import { formatShape, type Shape } from "../../core/tensor.ts";
import type { ConvolutionAttributes, DeconvolutionAttributes, MaxPoolingAttributes } from "../attributes.ts";
import type { ShapeContext } from "./rule.ts";

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

export function convolved(
  [batch = 0, channels = 0, height = 0, width = 0]: Shape,
  [outputs = 0, perGroup = 0, kernelHeight = 0, kernelWidth = 0]: Shape,
  { strides, padding, dilation, groups }: ConvolutionAttributes,
  check: ShapeContext<"convolution">["check"],
): Shape {
  check(channels === perGroup * groups, `${perGroup * groups} input channels`, `${channels}`);
  check(outputs % groups === 0, `output channels that ${groups} groups divide`, `${outputs}`);
  const rows = windowCount(height, kernelHeight, strides[0], padding.top, padding.bottom, dilation[0]);
  const columns = windowCount(width, kernelWidth, strides[1], padding.left, padding.right, dilation[1]);
  check(rows > 0 && columns > 0, "a kernel that fits into the padded image", formatShape([height, width]));
  return [batch, outputs, rows, columns];
}

/**
 * The shape of a transposed convolution: (size − 1)·stride + dilation·(kernel − 1) + 1 − padding + outputPadding along
 * each axis.
 */
export function deconvolved(
  [batch = 0, channels = 0, ...size]: Shape,
  [outputs = 0, perGroup = 0, ...kernel]: Shape,
  { strides, padding, dilation, groups, outputPadding }: DeconvolutionAttributes,
  check: ShapeContext<"deconvolution">["check"],
): Shape {
  check(channels === perGroup * groups, `${perGroup * groups} input channels`, `${channels}`);
  check(outputs % groups === 0, `output channels that ${groups} groups divide`, `${outputs}`);
  check(
    outputPadding.length === 2 && outputPadding.every((size, axis) => size < (strides[axis] ?? 1)),
    `an output padding below the strides ${formatShape(strides)}`,
    formatShape(outputPadding),
  );
  const removed = [padding.top + padding.bottom, padding.left + padding.right] as const;
  const pixels = ([0, 1] as const).map((axis) => {
    const span = ((size[axis] ?? 0) - 1) * strides[axis] + ((kernel[axis] ?? 0) - 1) * dilation[axis] + 1;
    return span - removed[axis] + outputPadding[axis];
  });
  check(
    pixels.every((extent) => extent > 0),
    "padding that leaves pixels",
    formatShape(pixels),
  );
  return [batch, outputs, ...pixels];
}

export function pooled({
  input,
  attributes,
  check,
}: ShapeContext<"max_pooling" | "average_pooling">): readonly Shape[] {
  const { kernel, strides, padding, dilation = [1, 1] }: MaxPoolingAttributes = attributes;
  const [batch = 0, channels = 0, height = 0, width = 0] = input(0, 4);
  const rows = windowCount(height, kernel[0], strides[0], padding.top, padding.bottom, dilation[0]);
  const columns = windowCount(width, kernel[1], strides[1], padding.left, padding.right, dilation[1]);
  check(rows > 0 && columns > 0, "a kernel that fits into the padded image", formatShape([height, width]));
  check(
    Math.max(padding.top, padding.bottom) < kernel[0] && Math.max(padding.left, padding.right) < kernel[1],
    "padding smaller than the kernel",
    JSON.stringify(padding),
  );
  check(
    reachesImage(height, rows, 0, attributes) && reachesImage(width, columns, 1, attributes),
    "a pixel of the image in every window",
    JSON.stringify(attributes),
  );
  return [[batch, channels, rows, columns]];
}

/**
 * Whether each of `windows` along an axis (0: rows, 1: columns) of `size` pixels contains at least one pixel, given
 * that padding is smaller than the kernel. It does not loop over all windows, because a file may claim 10⁹ of them.
 */
function reachesImage(
  size: number,
  windows: number,
  axis: 0 | 1,
  { kernel, strides, padding, dilation = [1, 1] }: MaxPoolingAttributes,
): boolean {
  const before = axis === 0 ? padding.top : padding.left;
  if ((windows - 1) * strides[axis] - before >= size) return false;
  // The first element of a window beyond the padding is less than one dilation away from the image's edge. If that may
  // be past the image, the kernel is so wide that only few windows begin in the padding: the loop is short.
  if (dilation[axis] <= size) return true;
  for (let first = -before, left = windows; first < 0 && left > 0; first += strides[axis], left--) {
    const skipped = Math.ceil(-first / dilation[axis]);
    if (skipped >= kernel[axis] || first + skipped * dilation[axis] >= size) return false;
  }
  return true;
}
