/**
 * DenseNets (Huang et al., "Densely Connected Convolutional Networks", CVPR 2017). Each layer adds `growth` channels,
 * and all later layers of its block read them. Batch norm and ReLU come before each convolution. Between two blocks are
 * a 1x1 convolution and a 2x2 average pooling.
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { classify, convolve, largeStem, normRelu } from "./layers.ts";
import { type ImageOptions, imageShape, type NativeImages } from "./options.ts";

interface DenseOptions {
  /** Layers of each block. */
  readonly blocks: readonly number[];
  /** Channels that a layer adds. */
  readonly growth: number;
  /** Channels of the 1x1 convolution in front of each 3x3; undefined if there is none. */
  readonly bottleneck?: number;
  /** The share of the channels that a transition between blocks keeps. */
  readonly compression: number;
  readonly classes: number;
}

/** DenseNet-40 with growth 12 for small images: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`. */
export function densenet40(options: ImageOptions): Graph {
  requireArguments("densenet40", { options: [options, "object"] });
  const builder = new GraphBuilder("densenet-40");
  const images = builder.input("images", imageShape(options, { size: 32, smallest: 4 }));
  const stem = convolve(builder, "stem", "", images, { channels: 16, kernel: 3 });
  const { classes } = options;
  return densenet(builder, stem, { blocks: [12, 12, 12], growth: 12, compression: 1, classes });
}

const largeImages: NativeImages = { size: 224, smallest: 32 };

/**
 * DenseNet-121 (growth 32, bottlenecks of 128 channels): "images" `["N",channels,size,size]` (224 pixels by default) →
 * "classifier" `["N",classes]`. Throws `UserError("bad-option")` on a size below 32.
 */
export function densenet121(options: ImageOptions): Graph {
  requireArguments("densenet121", { options: [options, "object"] });
  const builder = new GraphBuilder("densenet-121");
  const stem = largeStem(builder, builder.input("images", imageShape(options, largeImages)));
  const { classes } = options;
  return densenet(builder, stem, { blocks: [6, 12, 24, 16], growth: 32, bottleneck: 128, compression: 0.5, classes });
}

function densenet(builder: GraphBuilder, stem: string, options: DenseOptions): Graph {
  const { blocks, compression, classes } = options;
  let features = stem;
  for (const [index, layers] of blocks.entries()) {
    for (let layer = 1; layer <= layers; layer++) {
      features = denseLayer(builder, `block${index + 1}.layer${layer}`, features, options);
    }
    if (index === blocks.length - 1) break;
    const name = `transition${index + 1}`;
    const channels = Math.floor((builder.shape(features)[1] ?? 0) * compression);
    features = convolve(builder, name, "", normRelu(builder, name, "", features), { channels, kernel: 1 });
    features = builder.averagePooling(`${name}.pool`, features, { kernel: 2 });
  }
  classify(builder, normRelu(builder, "head", "", features), classes);
  return builder.build();
}

function denseLayer(builder: GraphBuilder, name: string, src: string, { growth, bottleneck }: DenseOptions): string {
  let added = normRelu(builder, name, 1, src);
  if (bottleneck !== undefined) {
    added = normRelu(builder, name, 2, convolve(builder, name, 1, added, { channels: bottleneck, kernel: 1 }));
  }
  added = convolve(builder, name, bottleneck === undefined ? 1 : 2, added, { channels: growth, kernel: 3 });
  return builder.concatenation(`${name}.join`, [src, added]);
}
