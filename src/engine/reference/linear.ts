/** Linear layers (dst = src · weightsᵀ + bias) and their gradients. N batch, F features, O outputs. */
import { sumChannels } from "./convolution.ts";
import { at, extent, input, type KernelContext, optionalInput, output } from "./kernel.ts";

export function linear(context: KernelContext<"linear">): void {
  const src = input(context, 0);
  const weights = input(context, 1);
  const bias = optionalInput(context, 2);
  const dst = output(context, 0).data;
  const [outputs, features] = [extent(weights.shape, 0), extent(weights.shape, 1)];
  for (let n = 0; n < extent(src.shape, 0); n++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias === undefined ? 0 : at(bias, o);
      for (let f = 0; f < features; f++) sum += at(src.data, n * features + f) * at(weights.data, o * features + f);
      dst[n * outputs + o] = sum;
    }
  }
}

export function linearBackwardData(context: KernelContext<"linear_backward_data">): void {
  const diffDst = input(context, 0);
  const weights = input(context, 1);
  const diffSrc = output(context, 0).data;
  const [outputs, features] = [extent(weights.shape, 0), extent(weights.shape, 1)];
  for (let n = 0; n < extent(diffDst.shape, 0); n++) {
    for (let f = 0; f < features; f++) {
      let sum = 0;
      for (let o = 0; o < outputs; o++) sum += at(diffDst.data, n * outputs + o) * at(weights.data, o * features + f);
      diffSrc[n * features + f] = sum;
    }
  }
}

export function linearBackwardWeights(context: KernelContext<"linear_backward_weights">): void {
  const src = input(context, 0);
  const diffDst = input(context, 1);
  const diffWeights = output(context, 0).data;
  const [features, outputs] = [extent(src.shape, 1), extent(diffDst.shape, 1)];
  for (let o = 0; o < outputs; o++) {
    for (let f = 0; f < features; f++) {
      let sum = 0;
      for (let n = 0; n < extent(src.shape, 0); n++) {
        sum += at(diffDst.data, n * outputs + o) * at(src.data, n * features + f);
      }
      diffWeights[o * features + f] = sum;
    }
  }
  if (context.attributes.withBias) sumChannels(diffDst, output(context, 1).data);
}
