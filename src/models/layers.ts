/** The building blocks that several model families share, with the names of their layers. */

import type { GraphBuilder } from "../graph/builder.ts";
import type { ConvolutionOptions } from "../graph/builder-options.ts";

/** The options of a convolution. The default padding keeps the size of the image (for odd kernels and stride 1). */
export type UnitOptions = ConvolutionOptions & { readonly kernel: number };

/** A convolution without bias: `<block>.conv<index>`. `index` may be empty. */
export function convolve(
  builder: GraphBuilder,
  block: string,
  index: number | string,
  src: string,
  options: UnitOptions,
): string {
  return builder.convolution(`${block}.conv${index}`, src, { padding: (options.kernel - 1) / 2, ...options });
}

/** A convolution and its batch norm: `<block>.conv<index>`, `<block>.norm<index>`. */
export function convolveNorm(
  builder: GraphBuilder,
  block: string,
  index: number | string,
  src: string,
  options: UnitOptions,
): string {
  return builder.batchNormalization(`${block}.norm${index}`, convolve(builder, block, index, src, options));
}

/** Convolution, batch norm and ReLU: `<block>.conv<index>`, `<block>.norm<index>`, `<block>.relu<index>`. */
export function convolveNormRelu(
  builder: GraphBuilder,
  block: string,
  index: number | string,
  src: string,
  options: UnitOptions,
): string {
  return builder.relu(`${block}.relu${index}`, convolveNorm(builder, block, index, src, options));
}

/** Batch norm and ReLU in front of a layer: `<block>.norm<index>`, `<block>.relu<index>`. */
export function normRelu(builder: GraphBuilder, block: string, index: number | string, src: string): string {
  return builder.relu(`${block}.relu${index}`, builder.batchNormalization(`${block}.norm${index}`, src));
}

/** The shortcut of a block: a 1x1 convolution with batch norm if the block changes the shape, else the identity. */
export function projection(
  builder: GraphBuilder,
  block: string,
  src: string,
  { channels, strides }: { readonly channels: number; readonly strides: number },
): string {
  if (strides === 1 && builder.shape(src)[1] === channels) return src;
  return convolveNorm(builder, `${block}.shortcut`, "", src, { channels, kernel: 1, strides });
}

export interface BottleneckOptions {
  /** Output channels of the block. */
  readonly channels: number;
  /** Channels of its 3x3 convolution, all groups together. */
  readonly width: number;
  /** Stride of its 3x3 convolution. */
  readonly strides: number;
  readonly groups?: number;
}

/**
 * 1x1 down, 3x3 (grouped in a ResNeXt), 1x1 up, the shortcut added, ReLU (He et al., "Deep Residual Learning for Image
 * Recognition", CVPR 2016, figure 5; Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR
 * 2017, figure 3c). The stride is in the 3x3 convolution, as in the torchvision package and in ResNeXt, not in the
 * first one.
 */
export function bottleneck(builder: GraphBuilder, block: string, src: string, options: BottleneckOptions): string {
  const { channels, width, strides, groups = 1 } = options;
  let branch = convolveNormRelu(builder, block, 1, src, { channels: width, kernel: 1 });
  branch = convolveNormRelu(builder, block, 2, branch, { channels: width, kernel: 3, strides, groups });
  branch = convolveNorm(builder, block, 3, branch, { channels, kernel: 1 });
  const shortcut = projection(builder, block, src, { channels, strides });
  return builder.relu(`${block}.relu3`, builder.add(`${block}.add`, branch, shortcut));
}

/** 7x7 convolution and 3x3 max pooling, both of stride 2: how the ResNets for large images begin. */
export function largeStem(builder: GraphBuilder, images: string): string {
  const stem = convolveNormRelu(builder, "stem", "", images, { channels: 64, kernel: 7, strides: 2 });
  return builder.maxPooling("stem.pool", stem, { kernel: 3, strides: 2, padding: 1 });
}

/** Average over all pixels and a linear layer: "classifier" `["N",classes]`, the graph's output. */
export function classify(builder: GraphBuilder, src: string, classes: number): void {
  const pooled = builder.flatten("head.flatten", builder.globalAveragePooling("head.pool", src));
  builder.output(builder.linear("classifier", pooled, classes));
}

/** Stages of blocks, `counts` says how many each. The first block of each stage but the first halves the image. */
export function stages(
  src: string,
  counts: readonly number[],
  block: (name: string, src: string, place: { readonly stage: number; readonly strides: 1 | 2 }) => string,
): string {
  let stream = src;
  for (const [stage, count] of counts.entries()) {
    for (let index = 0; index < count; index++) {
      const strides = stage > 0 && index === 0 ? 2 : 1;
      stream = block(`stage${stage + 1}.block${index + 1}`, stream, { stage, strides });
    }
  }
  return stream;
}
