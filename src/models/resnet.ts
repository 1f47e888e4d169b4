/**
 * ResNets for small images (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2): a 3x3
 * convolution, three stages of 16, 32 and 64 channels with (depth − 2) / 6 basic blocks each, average pooling and a
 * linear layer.
 */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { classify, convolveNorm, convolveNormRelu, projection, stages } from "./layers.ts";
import { type ImageOptions, imageShape } from "./options.ts";

export const resnetDepths = [20, 32, 44, 56, 110] as const;
export type ResnetDepth = (typeof resnetDepths)[number];

/**
 * The shortcut of a block that changes the shape. "A" takes every second pixel and pads the channels with zeros, half
 * on each side; it has no parameters. "B" is a 1x1 convolution of stride 2 with a batch norm.
 */
export type Shortcut = "A" | "B";

/** The options of `resnet`. */
export interface ResnetOptions extends ImageOptions {
  /** Layers with weights along the longest path. */
  readonly depth: ResnetDepth;
  /** Default "A", the paper's choice for CIFAR-10. */
  readonly shortcut?: Shortcut;
}

const stageWidths = [16, 32, 64] as const;

/**
 * A CIFAR ResNet of `depth` layers: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`.
 * Throws `UserError("bad-option")` on a depth that is not in `resnetDepths`.
 */
export function resnet(options: ResnetOptions): Graph {
  requireArguments("resnet", { options: [options, "object"] });
  const { depth, classes, shortcut = "A" } = options;
  checkDepth("CIFAR ResNet", resnetDepths, depth);
  requireOneOf("resnet", "options.shortcut", shortcut, ["A", "B"]);
  const builder = new GraphBuilder(`resnet-${depth}${shortcut === "B" ? "-b" : ""}`);
  const images = builder.input("images", imageShape(options));
  const stem = convolveNormRelu(builder, "stem", "", images, { channels: stageWidths[0], kernel: 3 });
  const blocks = (depth - 2) / 6;
  const stream = stages(stem, [blocks, blocks, blocks], (name, src, { stage, strides }) =>
    basicBlock(builder, name, src, { channels: stageWidths[stage] ?? 0, strides, shortcut }),
  );
  classify(builder, stream, classes);
  return builder.build();
}

/** Throws `UserError("bad-option")` if `depths` does not contain `depth`. */
export function checkDepth(family: string, depths: readonly number[], depth: number): void {
  if (depths.includes(depth)) return;
  throw new UserError("bad-option", `no ${family} has this depth`, {
    expected: `one of ${depths.join(", ")}`,
    received: `${depth}`,
    hint: "Choose one of these depths",
  });
}

interface BlockOptions {
  readonly channels: number;
  readonly strides: number;
  readonly shortcut: Shortcut;
}

/** Two 3x3 convolutions, the addition of the shortcut, and a ReLU (the paper's figure 2). */
export function basicBlock(builder: GraphBuilder, name: string, src: string, options: BlockOptions): string {
  const { channels, strides } = options;
  let branch = convolveNormRelu(builder, name, 1, src, { channels, kernel: 3, strides });
  branch = convolveNorm(builder, name, 2, branch, { channels, kernel: 3 });
  const sum = builder.add(`${name}.add`, branch, shortcutOf(builder, name, src, options));
  return builder.relu(`${name}.relu2`, sum);
}

function shortcutOf(builder: GraphBuilder, name: string, src: string, options: BlockOptions): string {
  const { channels, strides, shortcut } = options;
  const sourceChannels = builder.shape(src)[1] ?? 0;
  if (shortcut === "B" || (strides === 1 && sourceChannels === channels))
    return projection(builder, name, src, options);
  const side = (channels - sourceChannels) / 2;
  const sampled = builder.subsample(`${name}.shortcut.subsample`, src, strides);
  return builder.pad(`${name}.shortcut.pad`, sampled, [0, side, 0, 0], [0, side, 0, 0]);
}
