/**
 * ResNets with pre-activation (He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016, figure 4e). Batch
 * norm and ReLU come before each convolution, and no layer comes after the addition. If a block changes the shape, its
 * shortcut is a 1x1 convolution that reads the output of the first batch norm and ReLU. The stride is in the 3x3
 * convolution, as in the code of Huang and Wang (TuSimple/sparse-structure-selection, symbol/resnet.py).
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { classify, convolve, largeStem, normRelu, stages } from "./layers.ts";
import { type ImageOptions, imageShape, large } from "./options.ts";
import { checkDepth } from "./resnet.ts";
import { hasBottlenecks, type ImagenetResnetOptions, imagenetBlocks, imagenetResnetDepths } from "./resnet-imagenet.ts";

/**
 * ResNet-164 for small images, bottlenecks of 64, 128 and 256 channels: "images" `["N",channels,size,size]` →
 * "classifier" `["N",classes]`.
 */
export function resnet164(options: ImageOptions): Graph {
  requireArguments("resnet164", { options: [options, "object"] });
  const blocks = (164 - 2) / 9;
  const builder = new GraphBuilder("resnet-164");
  const images = builder.input("images", imageShape(options));
  const stem = convolve(builder, "stem", "", images, { channels: 16, kernel: 3 });
  const stream = stages(stem, [blocks, blocks, blocks], (name, src, { stage, strides }) =>
    preactBottleneck(builder, name, src, { width: 16 * 2 ** stage, strides }),
  );
  classify(builder, normRelu(builder, "head", "", stream), options.classes);
  return builder.build();
}

/**
 * A ResNet of `depth` layers with pre-activation: "images" `["N",channels,size,size]` (224 pixels by default) →
 * "classifier" `["N",classes]`. Throws `UserError("bad-option")` on a depth that is not in `imagenetResnetDepths`.
 */
export function preactResnet(options: ImagenetResnetOptions): Graph {
  requireArguments("preactResnet", { options: [options, "object"] });
  const { depth, classes } = options;
  checkDepth("ImageNet ResNet", imagenetResnetDepths, depth);
  const builder = new GraphBuilder(`resnet-${depth}-preact`);
  const stem = largeStem(builder, builder.input("images", imageShape(options, large)));
  const block = hasBottlenecks(depth) ? preactBottleneck : preactBasicBlock;
  const stream = stages(stem, imagenetBlocks[depth], (name, src, { stage, strides }) =>
    block(builder, name, src, { width: 64 * 2 ** stage, strides }),
  );
  classify(builder, normRelu(builder, "head", "", stream), classes);
  return builder.build();
}

interface PreactOptions {
  /** Channels of the 3x3 convolutions. */
  readonly width: number;
  readonly strides: number;
}

function preactBottleneck(builder: GraphBuilder, name: string, src: string, options: PreactOptions): string {
  const { width, strides } = options;
  const channels = 4 * width;
  const first = normRelu(builder, name, 1, src);
  let branch = convolve(builder, name, 1, first, { channels: width, kernel: 1 });
  branch = convolve(builder, name, 2, normRelu(builder, name, 2, branch), { channels: width, kernel: 3, strides });
  branch = convolve(builder, name, 3, normRelu(builder, name, 3, branch), { channels, kernel: 1 });
  return builder.add(`${name}.add`, branch, shortcut(builder, name, { src, first, channels, strides }));
}

function preactBasicBlock(builder: GraphBuilder, name: string, src: string, options: PreactOptions): string {
  const { width: channels, strides } = options;
  const first = normRelu(builder, name, 1, src);
  let branch = convolve(builder, name, 1, first, { channels, kernel: 3, strides });
  branch = convolve(builder, name, 2, normRelu(builder, name, 2, branch), { channels, kernel: 3 });
  return builder.add(`${name}.add`, branch, shortcut(builder, name, { src, first, channels, strides }));
}

interface ShortcutOptions {
  readonly src: string;
  /** The output of the block's first batch norm and ReLU. */
  readonly first: string;
  readonly channels: number;
  readonly strides: number;
}

function shortcut(builder: GraphBuilder, name: string, { src, first, channels, strides }: ShortcutOptions): string {
  if (strides === 1 && builder.shape(src)[1] === channels) return src;
  return convolve(builder, `${name}.shortcut`, "", first, { channels, kernel: 1, strides });
}
