/**
 * MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2). Each
 * block expands its input by a 1x1 convolution, applies a depthwise convolution, and projects to fewer channels without
 * an activation. All other activations are ReLU6.
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { classify, convolveNorm, type UnitOptions } from "./layers.ts";
import { type ImageOptions, imageShape, large, small } from "./options.ts";

/** A row of the paper's table: t, c, n and s. */
interface Stage {
  readonly expansion: number;
  readonly channels: number;
  readonly blocks: number;
  /** Stride of the first block. */
  readonly strides: 1 | 2;
}

function stage(expansion: number, channels: number, blocks: number, strides: 1 | 2): Stage {
  return { expansion, channels, blocks, strides };
}

const imagenetStages: readonly Stage[] = [
  stage(1, 16, 1, 1),
  stage(6, 24, 2, 2),
  stage(6, 32, 3, 2),
  stage(6, 64, 4, 2),
  stage(6, 96, 3, 1),
  stage(6, 160, 3, 2),
  stage(6, 320, 1, 1),
];

const stemWidth = 32;
const lastWidth = 1280;

/**
 * MobileNetV2 of width 1: "images" `["N",channels,size,size]` (224 pixels by default) → "classifier" `["N",classes]`.
 */
export function mobilenetV2(options: ImageOptions): Graph {
  requireArguments("mobilenetV2", { options: [options, "object"] });
  const builder = new GraphBuilder("mobilenet-v2");
  const images = builder.input("images", imageShape(options, large));
  return build(builder, images, { strides: 2, stages: imagenetStages, classes: options.classes });
}

/**
 * MobileNetV2 of width 1 for small images: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`. The
 * first convolution and the second stage keep the size of the image, as is common for CIFAR (kuangliu/pytorch-cifar).
 * So an image of 32 pixels ends as 4 x 4 pixels.
 */
export function smallMobilenetV2(options: ImageOptions): Graph {
  requireArguments("smallMobilenetV2", { options: [options, "object"] });
  const builder = new GraphBuilder("mobilenet-v2-cifar");
  const images = builder.input("images", imageShape(options, small));
  const stages = imagenetStages.map((one, index) => (index === 1 ? { ...one, strides: 1 as const } : one));
  return build(builder, images, { strides: 1, stages, classes: options.classes });
}

interface NetworkOptions {
  /** Stride of the first convolution. */
  readonly strides: 1 | 2;
  readonly stages: readonly Stage[];
  readonly classes: number;
}

function build(builder: GraphBuilder, images: string, { strides, stages, classes }: NetworkOptions): Graph {
  let stream = unit(builder, "stem", "", images, { channels: stemWidth, kernel: 3, strides });
  for (const [index, { expansion, channels, blocks, strides: first }] of stages.entries()) {
    for (let block = 1; block <= blocks; block++) {
      const options = { expansion, channels, strides: block === 1 ? first : 1 };
      stream = invertedResidual(builder, `stage${index + 1}.block${block}`, stream, options);
    }
  }
  classify(builder, unit(builder, "last", "", stream, { channels: lastWidth, kernel: 1 }), classes);
  return builder.build();
}

/** Convolution, batch norm, ReLU6. */
function unit(builder: GraphBuilder, block: string, index: number | string, src: string, options: UnitOptions): string {
  return builder.relu6(`${block}.relu${index}`, convolveNorm(builder, block, index, src, options));
}

function invertedResidual(
  builder: GraphBuilder,
  name: string,
  src: string,
  { expansion, channels, strides }: Omit<Stage, "blocks">,
): string {
  const sourceChannels = builder.shape(src)[1] ?? 0;
  const width = sourceChannels * expansion;
  let branch = src;
  if (expansion > 1) branch = unit(builder, name, 1, branch, { channels: width, kernel: 1 });
  branch = unit(builder, name, 2, branch, { channels: width, kernel: 3, strides, groups: width });
  branch = convolveNorm(builder, name, 3, branch, { channels, kernel: 1 });
  return strides === 1 && sourceChannels === channels ? builder.add(`${name}.add`, branch, src) : branch;
}
