/**
 * ResNeXts (Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017): bottlenecks with a
 * grouped 3x3 convolution. There are ResNeXt-50 and -101 (32x4d) for large images, and ResNeXt-20 and -164 of the
 * pruning papers for small images.
 *
 * The last two are not in the ResNeXt paper, and Huang and Wang (arXiv 1707.01213) give no table of them. Their
 * structure here follows these sources:
 * - their published code (TuSimple/sparse-structure-selection, symbol/resnext.py) has 32 groups, a 3x3 convolution of
 *   half the block's output channels, the ReLU after the addition, and a 1x1 convolution as shortcut of each stage's
 *   first block;
 * - Li et al. ("Group Sparsity: The Hinge Between Filter Pruning and Decomposition", CVPR 2020), who compare with their
 *   ResNeXt-20 and -164, start with one channel per group (ofsoundof/group_sparsity, scripts/baseline_test.sh:
 *   cardinality 32, width 1).
 *
 * Together these give stages of 64, 128 and 256 channels, as in ResNet-164, and ResNeXt-164 costs about as much as
 * ResNet-164. No source describes the first convolution; it is that of ResNet-164 (3x3, 16 channels).
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { bottleneck, classify, convolveNormRelu, largeStem, stages } from "./layers.ts";
import { type ImageOptions, imageShape, large } from "./options.ts";
import { checkDepth } from "./resnet.ts";
import { imagenetBlocks } from "./resnet-imagenet.ts";

export const resnextDepths = [20, 164] as const;
export type ResnextDepth = (typeof resnextDepths)[number];

/** The options of `resnext`. */
export interface ResnextOptions extends ImageOptions {
  /** Layers with weights along the longest path. */
  readonly depth: ResnextDepth;
  /** Groups of each 3x3 convolution; default 32. */
  readonly cardinality?: number;
  /** Channels of a group in the first stage; they double with each stage. Default 1. */
  readonly groupWidth?: number;
}

const stemWidth = 16;

/**
 * A ResNeXt for small images: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`.
 * Throws `UserError("bad-option")` on a depth that is not in `resnextDepths`.
 */
export function resnext(options: ResnextOptions): Graph {
  requireArguments("resnext", { options: [options, "object"] });
  const { depth, classes, cardinality = 32, groupWidth = 1 } = options;
  checkDepth("CIFAR ResNeXt", resnextDepths, depth);
  const builder = new GraphBuilder(`resnext-${depth}`);
  const images = builder.input("images", imageShape(options));
  const stem = convolveNormRelu(builder, "stem", "", images, { channels: stemWidth, kernel: 3 });
  const blocks = (depth - 2) / 9;
  const stream = stages(stem, [blocks, blocks, blocks], (name, src, { stage, strides }) => {
    const width = cardinality * groupWidth * 2 ** stage;
    return bottleneck(builder, name, src, { channels: 2 * width, width, strides, groups: cardinality });
  });
  classify(builder, stream, classes);
  return builder.build();
}

export const imagenetResnextDepths = [50, 101] as const;
export type ImagenetResnextDepth = (typeof imagenetResnextDepths)[number];

/** The options of `imagenetResnext`. */
export interface ImagenetResnextOptions extends ImageOptions {
  /** Layers with weights along the longest path. */
  readonly depth: ImagenetResnextDepth;
}

/**
 * A ResNeXt 32x4d for large images: "images" `["N",channels,size,size]` (224 pixels by default) →
 * "classifier" `["N",classes]`. Throws `UserError("bad-option")` on a depth that is not in `imagenetResnextDepths`.
 */
export function imagenetResnext(options: ImagenetResnextOptions): Graph {
  requireArguments("imagenetResnext", { options: [options, "object"] });
  const { depth, classes } = options;
  checkDepth("ImageNet ResNeXt", imagenetResnextDepths, depth);
  const builder = new GraphBuilder(`resnext-${depth}`);
  const stem = largeStem(builder, builder.input("images", imageShape(options, large)));
  const stream = stages(stem, imagenetBlocks[depth], (name, src, { stage, strides }) => {
    const width = 128 * 2 ** stage;
    return bottleneck(builder, name, src, { channels: 2 * width, width, strides, groups: 32 });
  });
  classify(builder, stream, classes);
  return builder.build();
}
