/** A network and images small enough for the reference engine: whole runs in a second. */
import { RandomStream } from "../../src/core/random.ts";
import { allocateSplit, type Dataset, type SampleShape, type StoredSplit, sampleSize } from "../../src/data/dataset.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";

export const tinyShape: SampleShape = [2, 6, 6];
const classes = ["dark", "first", "second"];

/** Noise, brighter in the first or second channel for two of the three classes: learnt within an epoch or two. */
function tinySplit(count: number, seed: number, shape: SampleShape): StoredSplit {
  const split = allocateSplit(count, shape);
  const [, height, width] = shape;
  const size = sampleSize(shape);
  for (let image = 0; image < count; image++) {
    const random = new RandomStream(seed, "tiny", image);
    const label = random.integer(classes.length);
    split.labels[image] = label;
    for (let at = 0; at < size; at++) {
      const channel = Math.floor(at / (height * width));
      const isBright = label === channel + 1;
      split.images[image * size + at] = random.integer(120) + (isBright ? 110 : 0);
    }
  }
  return split;
}

export function tinyDataset(train = 96, test = 40, shape: SampleShape = tinyShape): Dataset<StoredSplit> {
  return {
    name: "tiny",
    classes,
    sampleShape: shape,
    normalization: { mean: Array(shape[0]).fill(0.35), standardDeviation: Array(shape[0]).fill(0.25) },
    augmentation: { pad: 1, flip: false },
    train: tinySplit(train, 1, shape),
    test: tinySplit(test, 2, shape),
  };
}

/** A stem and two residual blocks of 4 channels, with neurons and blocks to select. */
export function tinyResnet(): Graph {
  const builder = new GraphBuilder("tiny-resnet");
  let stream = builder.convolution("stem.conv", builder.input("images", ["N", ...tinyShape]), {
    channels: 4,
    kernel: 3,
    padding: 1,
  });
  stream = builder.relu("stem.relu", builder.batchNormalization("stem.norm", stream));
  for (const name of ["block1", "block2"]) {
    let branch = builder.convolution(`${name}.conv1`, stream, { channels: 4, kernel: 3, padding: 1 });
    branch = builder.relu(`${name}.relu1`, builder.batchNormalization(`${name}.norm1`, branch));
    branch = builder.convolution(`${name}.conv2`, branch, { channels: 4, kernel: 3, padding: 1 });
    branch = builder.batchNormalization(`${name}.norm2`, branch);
    stream = builder.relu(`${name}.relu2`, builder.add(`${name}.add`, branch, stream));
  }
  const pooled = builder.flatten("flatten", builder.globalAveragePooling("pool", stream));
  builder.output(builder.linear("classifier", pooled, classes.length));
  return builder.build();
}

/** Convolutions with biases and a residual branch, and no batch norm. */
export function tinyWithoutNorms(): Graph {
  const builder = new GraphBuilder("tiny-without-norms");
  const images = builder.input("images", ["N", ...tinyShape]);
  const convolution = { channels: 4, kernel: 3, padding: 1, bias: true } as const;
  const stem = builder.relu("stem.relu", builder.convolution("stem", images, convolution));
  const first = builder.relu("branch.relu", builder.convolution("branch.conv1", stem, convolution));
  const branch = builder.convolution("branch.conv2", first, convolution);
  const sum = builder.relu("relu", builder.add("add", branch, stem));
  builder.output(
    builder.linear("classifier", builder.flatten("flat", builder.globalAveragePooling("pool", sum)), classes.length),
  );
  return builder.build();
}
