/**
 * Transposed convolution and its two gradients. Each of the three is one of the three of a convolution in the other
 * direction, from dst to src: dst is that convolution's gradient by its src, diff_src is its result, and diff_weights
 * is its gradient by its weights. Only the first two axes of the weights change places.
 */
import { elementCount, type Shape, type Tensor, tensor } from "../../core/tensor.ts";
import { convolution, convolutionBackwardData, convolutionBackwardWeights, sumChannels } from "./convolution.ts";
import { at, channelsOf, extent, input, type KernelContext, optionalInput, output } from "./kernel.ts";

/** Weights [O,C/G,…] of G groups as [C,O/G,…]. The exchange is its own inverse. */
function exchanged({ shape, data }: { readonly shape: Shape; readonly data: Float32Array }, groups: number): Tensor {
  const [outputs, inputs, taps] = [extent(shape, 0), extent(shape, 1), elementCount(shape.slice(2))];
  const perGroup = outputs / groups;
  const result = tensor([inputs * groups, perGroup, ...shape.slice(2)]);
  for (let output = 0; output < outputs; output++) {
    const group = Math.floor(output / perGroup);
    for (let input = 0; input < inputs; input++) {
      const from = (output * inputs + input) * taps;
      const to = ((group * inputs + input) * perGroup + (output % perGroup)) * taps;
      for (let tap = 0; tap < taps; tap++) result.data[to + tap] = at(data, from + tap);
    }
  }
  return result;
}

export function deconvolution(context: KernelContext<"deconvolution">): void {
  const { attributes } = context;
  const [src, weights, dst] = [input(context, 0), input(context, 1), output(context, 0)];
  const bias = optionalInput(context, 2);
  convolutionBackwardData({
    attributes: { ...attributes, srcShape: dst.shape },
    inputs: [src, exchanged(weights, attributes.groups)],
    outputs: [dst],
  });
  if (bias === undefined) return;
  const channels = channelsOf(dst.shape);
  for (const [index, value] of dst.data.entries()) dst.data[index] = value + at(bias, channels.of(index));
}

export function deconvolutionBackwardData(context: KernelContext<"deconvolution_backward_data">): void {
  const { attributes, outputs } = context;
  const weights = exchanged(input(context, 1), attributes.groups);
  convolution({ attributes, inputs: [input(context, 0), weights], outputs });
}

export function deconvolutionBackwardWeights(context: KernelContext<"deconvolution_backward_weights">): void {
  const { attributes } = context;
  const [src, diffDst, diffWeights] = [input(context, 0), input(context, 1), output(context, 0)];
  // Only the shape matters here.
  const target = exchanged(diffWeights, attributes.groups);
  convolutionBackwardWeights({
    attributes: { ...attributes, weightsShape: target.shape, withBias: false },
    inputs: [diffDst, src],
    outputs: [target],
  });
  diffWeights.data.set(exchanged(target, attributes.groups).data);
  if (attributes.withBias) sumChannels(diffDst, output(context, 1).data);
}
