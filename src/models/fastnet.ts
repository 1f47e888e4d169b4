/**
 * FastNet: a network for images of 32 × 32 pixels that a few epochs are enough for. It is the network of airbench94
 * (Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, section 3): a frozen convolution that
 * whitens patches of 2 × 2 pixels, three groups of two 3 × 3 convolutions, and a linear layer whose logits are scaled.
 * Batch norms have no scale to train, and trust the last batches most. It has no shortcuts, so each width can be
 * pruned.
 */
import { requireArguments } from "../core/arguments.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, InitialWeights } from "../graph/graph.ts";
import { convolve } from "./layers.ts";
import { type ImageOptions, imageShape, type NativeImages } from "./options.ts";

const widths: readonly number[] = [64, 256, 256];
const patch = 2;
const whitening: InitialWeights = { kind: "whitening", epsilon: 5e-4 };
/** Running statistics are 0.6 of the old and 0.4 of the batch. */
const normalization = { epsilon: 1e-12, momentum: 0.4, isScaleFrozen: true } as const;
/** Smaller logits at the start, so that the first steps are not decided by chance. */
const logitScale = 1 / 9;

/** Whitening loses a pixel, and three poolings must leave at least one. */
const images: NativeImages = { size: 32, smallest: 9 };

/**
 * FastNet: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`. Throws `UserError("bad-option")` on a
 * size below 9.
 */
export function fastnet(options: ImageOptions): Graph {
  requireArguments("fastnet", { options: [options, "object"] });
  const builder = new GraphBuilder("fastnet-cifar");
  const input = builder.input("images", imageShape(options, images));
  const filters = 2 * patch * patch * (builder.shape(input)[1] ?? 0);
  const whitened = builder.convolution("whitening.conv", input, {
    ...{ channels: filters, kernel: patch, bias: true },
    weights: { initial: whitening, isFrozen: true },
  });
  let stream = builder.gelu("whitening.gelu", whitened);
  for (const [index, channels] of widths.entries()) stream = group(builder, `group${index + 1}`, stream, channels);
  const pooled = builder.maxPooling("head.pool", stream, { kernel: builder.shape(stream)[2] ?? 1 });
  const logits = builder.linear("head.linear", builder.flatten("head.flatten", pooled), options.classes, {
    bias: false,
    weights: { initial: { kind: "uniform" } },
  });
  builder.output(builder.activation("classifier", logits, { function: "linear", slope: logitScale, offset: 0 }));
  return builder.build();
}

/** Two convolutions, each with a batch norm and GELU; the image is halved behind the first. */
function group(builder: GraphBuilder, name: string, src: string, channels: number): string {
  const unit = { channels, kernel: 3, weights: { initial: { kind: "identity" } } } as const;
  const halved = builder.maxPooling(`${name}.pool`, convolve(builder, name, 1, src, unit), { kernel: 2 });
  const first = builder.gelu(`${name}.gelu1`, builder.batchNormalization(`${name}.norm1`, halved, normalization));
  const second = builder.batchNormalization(`${name}.norm2`, convolve(builder, name, 2, first, unit), normalization);
  return builder.gelu(`${name}.gelu2`, second);
}
