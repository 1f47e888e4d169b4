/**
 * Ops that work element by element or channel by channel, and their gradients. The ones without a sum may write over
 * their inputs.
 */
import { sumChannels } from "./convolution.ts";
import { at, type Channels, channelsOf, input, type KernelContext, output } from "./kernel.ts";

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

/** From an element's index, the factor that scales it; see the `scale` op. */
function factorsOf(channels: Channels, factors: number, first: number | undefined): (index: number) => number {
  if (first !== undefined) return (index) => first + channels.of(index);
  return (index) => Math.floor((channels.of(index) * factors) / channels.count);
}

export function scale(context: KernelContext<"scale">): void {
  const src = input(context, 0);
  const factors = input(context, 1).data;
  const dst = output(context, 0).data;
  const { axis, first } = context.attributes;
  const factorOf = factorsOf(channelsOf(src.shape, axis), factors.length, first);
  src.data.forEach((value, index) => {
    dst[index] = value * at(factors, factorOf(index));
  });
}

/** diff_factor[f] = Σ src·diff_dst over the elements that factor f scales. */
export function scaleBackwardFactor(context: KernelContext<"scale_backward_factor">): void {
  const src = input(context, 0);
  const diffDst = input(context, 1).data;
  const { axis, factors, first } = context.attributes;
  const factorOf = factorsOf(channelsOf(src.shape, axis), factors, first);
  const sums = new Float64Array(factors);
  src.data.forEach((value, index) => {
    const factor = factorOf(index);
    sums[factor] = at(sums, factor) + value * at(diffDst, index);
  });
  output(context, 0).data.set(sums);
}
