/**
 * VGG-16 for small images: the 13 convolutions of Simonyan and Zisserman ("Very Deep Convolutional Networks for Large-Scale Image
 * Recognition", ICLR 2015, configuration D), each with a batch norm, and one linear layer in place of the original three,
 * as in Huang and Wang (arXiv 1707.01213, section 4.1).
 */
import { UserError } from "../core/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { type ImageOptions, imageShape } from "./options.ts";

const stageWidths: readonly (readonly number[])[] = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

const smallestSize = 16;

/**
 * VGG-16: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`. Each stage ends in a 2x2 max pooling; the last one is left
 * out where the image is a single pixel by then (size below 32). Throws `UserError("bad-option")` on a size below 16.
 */
export function vgg16(options: ImageOptions): Graph {
  const shape = imageShape(options);
  if ((options.size ?? 32) < smallestSize) {
    throw new UserError("bad-option", "VGG-16 halves the image four times, which is too small for it", {
      expected: `a size of ${smallestSize} or more`,
      received: `${options.size}`,
    });
  }
  const builder = new GraphBuilder("vgg-16");
  let stream = builder.input("images", shape);
  for (const [stage, widths] of stageWidths.entries()) {
    const name = `stage${stage + 1}`;
    for (const [index, channels] of widths.entries()) {
      const layer = index + 1;
      stream = builder.convolution(`${name}.conv${layer}`, stream, { channels, kernel: 3, padding: 1 });
      stream = builder.relu(`${name}.relu${layer}`, builder.batchNormalization(`${name}.norm${layer}`, stream));
    }
    if ((builder.shape(stream)[2] ?? 0) > 1) stream = builder.maxPooling(`${name}.pool`, stream, { kernel: 2 });
  }
  builder.output(builder.linear("classifier", builder.flatten("head.flatten", stream), options.classes));
  return builder.build();
}
