/**
 * Ops that work element by element or channel by channel, and their gradients. The ones without a sum may write over
 * their inputs.
 */
import { elementCount, type Shape } from "../../core/tensor.ts";
import type { Attributes } from "../../graph/ops.ts";
import { sumChannels } from "./convolution.ts";
import { at, channelsOf, input, type KernelContext, output } from "./kernel.ts";

export function relu(context: KernelContext<"relu">): void {
  const dst = output(context, 0).data;
  input(context, 0).data.forEach((value, index) => {
    dst[index] = Math.max(0, value);
  });
}

export function reluBackward(context: KernelContext<"relu_backward">): void {
  const dst = input(context, 0).data;
  const diffSrc = output(context, 0).data;
  input(context, 1).data.forEach((value, index) => {
    diffSrc[index] = at(dst, index) > 0 ? value : 0;
  });
}

export function clip(context: KernelContext<"clip">): void {
  const { minimum, maximum } = context.attributes;
  const dst = output(context, 0).data;
  input(context, 0).data.forEach((value, index) => {
    dst[index] = Math.min(maximum, Math.max(minimum, value));
  });
}

export function clipBackward(context: KernelContext<"clip_backward">): void {
  // What was clipped is a 32-bit float: so are the bounds it is compared with.
  const [minimum, maximum] = [Math.fround(context.attributes.minimum), Math.fround(context.attributes.maximum)];
  const dst = input(context, 0).data;
  const diffSrc = output(context, 0).data;
  input(context, 1).data.forEach((value, index) => {
    const clipped = at(dst, index);
    diffSrc[index] = clipped > minimum && clipped < maximum ? value : 0;
  });
}

export function add(context: KernelContext<"add">): void {
  const b = input(context, 1).data;
  const dst = output(context, 0).data;
  input(context, 0).data.forEach((value, index) => {
    dst[index] = value + at(b, index);
  });
}

export function bias(context: KernelContext<"bias">): void {
  const src = input(context, 0);
  const values = input(context, 1).data;
  const dst = output(context, 0).data;
  const channels = channelsOf(src.shape);
  src.data.forEach((value, index) => {
    dst[index] = value + at(values, channels.of(index));
  });
}

export function biasBackward(context: KernelContext<"bias_backward">): void {
  sumChannels(input(context, 0), output(context, 0).data);
}

/** The slope of each element's channel, which may be one for all channels. */
function slopesOf(shape: Shape, slopes: Float32Array): (index: number) => number {
  if (slopes.length === 1) return () => at(slopes, 0);
  const channels = channelsOf(shape);
  return (index) => at(slopes, channels.of(index));
}

export function prelu(context: KernelContext<"prelu">): void {
  const src = input(context, 0);
  const slope = slopesOf(src.shape, input(context, 1).data);
  const dst = output(context, 0).data;
  src.data.forEach((value, index) => {
    dst[index] = value > 0 ? value : value * slope(index);
  });
}

export function preluBackward(context: KernelContext<"prelu_backward">): void {
  const src = input(context, 0);
  const slopes = input(context, 1).data;
  const diffDst = input(context, 2).data;
  const slope = slopesOf(src.shape, slopes);
  const diffSrc = output(context, 0).data;
  const products = src.data.map((value, index) => (value > 0 ? 0 : value * at(diffDst, index)));
  src.data.forEach((value, index) => {
    diffSrc[index] = at(diffDst, index) * (value > 0 ? 1 : slope(index));
  });
  const diffSlopes = output(context, 1).data;
  if (slopes.length > 1) sumChannels({ ...src, data: products }, diffSlopes);
  else diffSlopes[0] = products.reduce((sum, product) => sum + product, 0);
}

/** A factor a channel, whatever it is for. */
export function gain(context: KernelContext<"gain">): void {
  const src = input(context, 0);
  const values = input(context, 1).data;
  const dst = output(context, 0).data;
  const channels = channelsOf(src.shape);
  src.data.forEach((value, index) => {
    dst[index] = value * at(values, channels.of(index));
  });
}

/**
 * Calls `visit` for each run of elements in a row that one factor scales, with the factor; see the `scale` op. The
 * oneDNN engine runs these two ops at every step of a network with factors, so they are plain loops over runs.
 */
function forEachRun(
  shape: Shape,
  { axis, first }: Pick<Attributes<"scale">, "axis" | "first">,
  factors: number,
  visit: (factor: number, start: number, end: number) => void,
): void {
  const { count } = channelsOf(shape, axis);
  const inner = elementCount(shape.slice(axis + 1));
  const runs = elementCount(shape) / inner;
  for (let run = 0; run < runs; run++) {
    const channel = run % count;
    const factor = first === undefined ? Math.floor((channel * factors) / count) : first + channel;
    visit(factor, run * inner, (run + 1) * inner);
  }
}

export function scale(context: KernelContext<"scale">): void {
  const { shape, data: src } = input(context, 0);
  const factors = input(context, 1).data;
  const dst = output(context, 0).data;
  forEachRun(shape, context.attributes, factors.length, (factor, start, end) => {
    const value = at(factors, factor);
    for (let index = start; index < end; index++) dst[index] = at(src, index) * value;
  });
}

/** diff_factor[f] = Σ src·diff_dst over the elements that factor f scales. */
export function scaleBackwardFactor(context: KernelContext<"scale_backward_factor">): void {
  const { shape, data: src } = input(context, 0);
  const diffDst = input(context, 1).data;
  const { factors } = context.attributes;
  const sums = new Float64Array(factors);
  forEachRun(shape, context.attributes, factors, (factor, start, end) => {
    let sum = at(sums, factor);
    for (let index = start; index < end; index++) sum += at(src, index) * at(diffDst, index);
    sums[factor] = sum;
  });
  output(context, 0).data.set(sums);
}
