/**
 * ResNets for small images (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2): a 3x3
 * convolution, three stages of 16, 32 and 64 channels with (depth − 2) / 6 basic blocks each, average pooling, a linear layer.
 */
import { UserError } from "../core/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { type ImageOptions, imageShape } from "./options.ts";

export const resnetDepths = [20, 32, 44, 56, 110] as const;
export type ResnetDepth = (typeof resnetDepths)[number];

/**
 * Where a block changes the shape: "A" takes every second pixel and pads the channels with zeros, half on each side, and has
 * no parameters; "B" is a 1x1 convolution of stride 2 with a batch norm.
 */
export type Shortcut = "A" | "B";

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
  const { depth, classes, shortcut = "A" } = options;
  if (!resnetDepths.includes(depth)) {
    throw new UserError("bad-option", "no CIFAR ResNet has this depth", {
      expected: `one of ${resnetDepths.join(", ")}`,
      received: `${depth}`,
    });
  }
  const builder = new GraphBuilder(`resnet-${depth}${shortcut === "B" ? "-b" : ""}`);
  const images = builder.input("images", imageShape(options));
  let stream = builder.convolution("stem.conv", images, { channels: stageWidths[0], kernel: 3, padding: 1 });
  stream = builder.relu("stem.relu", builder.batchNormalization("stem.norm", stream));
  for (const [stage, channels] of stageWidths.entries()) {
    for (let block = 0; block < (depth - 2) / 6; block++) {
      const strides = stage > 0 && block === 0 ? 2 : 1;
      stream = basicBlock(builder, `stage${stage + 1}.block${block + 1}`, stream, { channels, strides, shortcut });
    }
  }
  const pooled = builder.flatten("head.flatten", builder.globalAveragePooling("head.pool", stream));
  builder.output(builder.linear("classifier", pooled, classes));
  return builder.build();
}

interface BlockOptions {
  readonly channels: number;
  readonly strides: number;
  readonly shortcut: Shortcut;
}

function basicBlock(builder: GraphBuilder, name: string, src: string, options: BlockOptions): string {
  const { channels, strides } = options;
  let branch = builder.convolution(`${name}.conv1`, src, { channels, kernel: 3, strides, padding: 1 });
  branch = builder.relu(`${name}.relu1`, builder.batchNormalization(`${name}.norm1`, branch));
  branch = builder.convolution(`${name}.conv2`, branch, { channels, kernel: 3, padding: 1 });
  branch = builder.batchNormalization(`${name}.norm2`, branch);
  const sum = builder.add(`${name}.add`, branch, shortcutOf(builder, `${name}.shortcut`, src, options));
  return builder.relu(`${name}.relu2`, sum);
}

function shortcutOf(builder: GraphBuilder, name: string, src: string, options: BlockOptions): string {
  const { channels, strides, shortcut } = options;
  const sourceChannels = builder.shape(src)[1] ?? 0;
  if (strides === 1 && sourceChannels === channels) return src;
  if (shortcut === "B") {
    return builder.batchNormalization(
      `${name}.norm`,
      builder.convolution(`${name}.conv`, src, { channels, kernel: 1, strides }),
    );
  }
  const side = (channels - sourceChannels) / 2;
  const sampled = builder.subsample(`${name}.subsample`, src, strides);
  return builder.pad(`${name}.pad`, sampled, [0, side, 0, 0], [0, side, 0, 0]);
}
