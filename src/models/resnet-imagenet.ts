/**
 * ResNets for large images (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1): a 7x7
 * convolution and a max pooling, four stages of basic blocks (18, 34) or bottlenecks (50, 101, 152), average pooling
 * and a linear layer. If a block changes the shape, its shortcut is a 1x1 convolution (option B).
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { bottleneck, classify, largeStem, stages } from "./layers.ts";
import { type ImageOptions, imageShape, large } from "./options.ts";
import { basicBlock, checkDepth } from "./resnet.ts";

export const imagenetResnetDepths = [18, 34, 50, 101, 152] as const;
export type ImagenetResnetDepth = (typeof imagenetResnetDepths)[number];

/** The options of `imagenetResnet`. */
export interface ImagenetResnetOptions extends ImageOptions {
  /** Layers with weights along the longest path. */
  readonly depth: ImagenetResnetDepth;
}

/** The numbers of blocks of the four stages. */
export const imagenetBlocks: { readonly [Depth in ImagenetResnetDepth]: readonly number[] } = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
};

/** Whether the blocks of a ResNet of `depth` layers are bottlenecks. */
export function hasBottlenecks(depth: ImagenetResnetDepth): boolean {
  return depth >= 50;
}

/**
 * A ResNet of `depth` layers: "images" `["N",channels,size,size]` (224 pixels by default) → "classifier"
 * `["N",classes]`. Throws `UserError("bad-option")` on a depth that is not in `imagenetResnetDepths`.
 */
export function imagenetResnet(options: ImagenetResnetOptions): Graph {
  requireArguments("imagenetResnet", { options: [options, "object"] });
  const { depth, classes } = options;
  checkDepth("ImageNet ResNet", imagenetResnetDepths, depth);
  const builder = new GraphBuilder(`resnet-${depth}`);
  const stem = largeStem(builder, builder.input("images", imageShape(options, large)));
  const stream = stages(stem, imagenetBlocks[depth], (name, src, { stage, strides }) => {
    const width = 64 * 2 ** stage;
    return hasBottlenecks(depth)
      ? bottleneck(builder, name, src, { channels: 4 * width, width, strides })
      : basicBlock(builder, name, src, { channels: width, strides, shortcut: "B" });
  });
  classify(builder, stream, classes);
  return builder.build();
}
