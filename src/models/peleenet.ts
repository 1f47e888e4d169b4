/**
 * PeleeNet (Wang et al., "Pelee: A Real-Time Object Detection System on Mobile Devices", NeurIPS 2018, table 1; widths
 * as in the authors' code, Robert-JunWang/PeleeNet). The stem has two branches. Each dense layer has two branches with
 * receptive fields of 3x3 and 5x5. Batch norm and ReLU follow every convolution.
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { classify, convolveNormRelu } from "./layers.ts";
import { type ImageOptions, imageShape, type NativeImages } from "./options.ts";

const stemWidth = 32;
/** The channels that a dense layer adds, half of them in each branch. */
const growth = 32;

/** For each block: its layers, and the width of the 1x1 convolutions as a multiple of the channels a branch adds. */
const blocks = [
  { layers: 3, bottleneck: 1 },
  { layers: 4, bottleneck: 2 },
  { layers: 8, bottleneck: 4 },
  { layers: 6, bottleneck: 4 },
] as const;

/** The size is a multiple of 4, because both branches of the stem have to halve the image to the same size. */
const images: NativeImages = { size: 224, smallest: 32, multiple: 4 };

/**
 * PeleeNet: "images" `["N",channels,size,size]` (224 pixels by default) → "classifier" `["N",classes]`. Throws
 * `UserError("bad-option")` on a size that is below 32 or not a multiple of 4.
 */
export function peleenet(options: ImageOptions): Graph {
  requireArguments("peleenet", { options: [options, "object"] });
  const builder = new GraphBuilder("peleenet");
  let features = stem(builder, builder.input("images", imageShape(options, images)));
  for (const [index, { layers, bottleneck }] of blocks.entries()) {
    const stage = `stage${index + 1}`;
    for (let layer = 1; layer <= layers; layer++) {
      features = denseLayer(builder, `${stage}.layer${layer}`, features, bottleneck);
    }
    const channels = builder.shape(features)[1] ?? 0;
    features = convolveNormRelu(builder, `${stage}.transition`, "", features, { channels, kernel: 1 });
    if (index < blocks.length - 1) {
      features = builder.averagePooling(`${stage}.transition.pool`, features, { kernel: 2 });
    }
  }
  classify(builder, features, options.classes);
  return builder.build();
}

function stem(builder: GraphBuilder, src: string): string {
  const first = convolveNormRelu(builder, "stem", 1, src, { channels: stemWidth, kernel: 3, strides: 2 });
  const narrow = convolveNormRelu(builder, "stem", "2a", first, { channels: stemWidth / 2, kernel: 1 });
  const convolved = convolveNormRelu(builder, "stem", "2b", narrow, { channels: stemWidth, kernel: 3, strides: 2 });
  const pooled = builder.maxPooling("stem.pool", first, { kernel: 2 });
  const joined = builder.concatenation("stem.join", [pooled, convolved]);
  return convolveNormRelu(builder, "stem", 3, joined, { channels: stemWidth, kernel: 1 });
}

function denseLayer(builder: GraphBuilder, name: string, src: string, bottleneck: number): string {
  const channels = growth / 2;
  const sourceChannels = builder.shape(src)[1] ?? 0;
  const wanted = channels * bottleneck;
  // The bottleneck has at most half of the input channels, rounded down to a multiple of 4.
  const width = wanted > sourceChannels / 2 ? 4 * Math.floor(sourceChannels / 8) : wanted;
  const unit = (index: string, value: string, kernel: 1 | 3): string =>
    convolveNormRelu(builder, name, index, value, { channels: kernel === 1 ? width : channels, kernel });
  const near = unit("1b", unit("1a", src, 1), 3);
  const far = unit("2c", unit("2b", unit("2a", src, 1), 3), 3);
  return builder.concatenation(`${name}.join`, [src, near, far]);
}
