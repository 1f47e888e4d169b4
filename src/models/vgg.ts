/**
 * VGG-16: the 13 convolutions of Simonyan and Zisserman ("Very Deep Convolutional Networks for Large-Scale Image
 * Recognition", ICLR 2015, configuration D), each with a batch norm. The version for small images has one linear layer
 * instead of three, as in Huang and Wang (arXiv 1707.01213, section 4.1). The version for large images has all three,
 * without the dropout between them.
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { convolveNormRelu } from "./layers.ts";
import { type ImageOptions, imageShape, type NativeImages } from "./options.ts";

const stageWidths: readonly (readonly number[])[] = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

/** Units of each hidden linear layer for large images. */
const hiddenUnits = 4096;

const smallImages: NativeImages = { size: 32, smallest: 16 };
const largeImages: NativeImages = { size: 224, smallest: 32 };

/**
 * VGG-16 for small images: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`. Each stage ends in a 2x2
 * max pooling. With a size below 32 the last stage has none, because only one pixel is left. Throws
 * `UserError("bad-option")` on a size below 16.
 */
export function vgg16(options: ImageOptions): Graph {
  requireArguments("vgg16", { options: [options, "object"] });
  const builder = new GraphBuilder("vgg-16");
  const features = convolutions(builder, builder.input("images", imageShape(options, smallImages)));
  builder.output(builder.linear("classifier", features, options.classes));
  return builder.build();
}

/**
 * VGG-16 for large images: "images" `["N",channels,size,size]` (224 pixels by default) → "classifier" `["N",classes]`.
 * The input width of the first linear layer depends on the image size. Throws `UserError("bad-option")` on a size below
 * 32.
 */
export function imagenetVgg16(options: ImageOptions): Graph {
  requireArguments("imagenetVgg16", { options: [options, "object"] });
  const builder = new GraphBuilder("vgg-16-imagenet");
  let features = convolutions(builder, builder.input("images", imageShape(options, largeImages)));
  for (const layer of ["hidden1", "hidden2"]) {
    features = builder.relu(`${layer}.relu`, builder.linear(layer, features, hiddenUnits));
  }
  builder.output(builder.linear("classifier", features, options.classes));
  return builder.build();
}

/** The convolutions of the five stages, and a flatten. */
function convolutions(builder: GraphBuilder, images: string): string {
  let stream = images;
  for (const [stage, widths] of stageWidths.entries()) {
    const name = `stage${stage + 1}`;
    for (const [index, channels] of widths.entries()) {
      stream = convolveNormRelu(builder, name, index + 1, stream, { channels, kernel: 3 });
    }
    if ((builder.shape(stream)[2] ?? 0) > 1) stream = builder.maxPooling(`${name}.pool`, stream, { kernel: 2 });
  }
  return builder.flatten("head.flatten", stream);
}
