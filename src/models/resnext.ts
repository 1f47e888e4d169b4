/**
 * ResNeXt-20 for small images (Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017): a 3x3
 * convolution of 64 channels, three stages of two bottleneck blocks (256, 512 and 1024 channels out), average pooling, a
 * linear layer. 32 groups, 4 channels a group in the first stage: the form known as 32x4d (3,295,562 parameters at 10
 * classes, 4.2 % error on CIFAR-10 in the imgclsmob collection); 558.6 M MACs.
 */
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { type ImageOptions, imageShape } from "./options.ts";

export interface ResnextOptions extends ImageOptions {
  /** Groups of each 3x3 convolution; default 32. */
  readonly cardinality?: number;
  /** Channels of a group in the first stage; they double with each stage. Default 4. */
  readonly groupWidth?: number;
}

const stemWidth = 64;
const stageWidths = [256, 512, 1024] as const;
const blocksPerStage = 2;

/** ResNeXt-20: "images" `["N",channels,size,size]` → "classifier" `["N",classes]`. */
export function resnext20(options: ResnextOptions): Graph {
  const { classes, cardinality = 32, groupWidth = 4 } = options;
  const builder = new GraphBuilder("resnext-20");
  const images = builder.input("images", imageShape(options));
  let stream = builder.convolution("stem.conv", images, { channels: stemWidth, kernel: 3, padding: 1 });
  stream = builder.relu("stem.relu", builder.batchNormalization("stem.norm", stream));
  for (const [stage, channels] of stageWidths.entries()) {
    for (let block = 0; block < blocksPerStage; block++) {
      stream = bottleneck(builder, `stage${stage + 1}.block${block + 1}`, stream, {
        channels,
        width: cardinality * groupWidth * 2 ** stage,
        strides: stage > 0 && block === 0 ? 2 : 1,
        groups: cardinality,
      });
    }
  }
  const pooled = builder.flatten("head.flatten", builder.globalAveragePooling("head.pool", stream));
  builder.output(builder.linear("classifier", pooled, classes));
  return builder.build();
}

interface BottleneckOptions {
  /** Channels the block puts out. */
  readonly channels: number;
  /** Channels of its grouped convolution, all groups together. */
  readonly width: number;
  readonly strides: number;
  readonly groups: number;
}

/** 1x1 down, grouped 3x3, 1x1 up; a 1x1 convolution with batch norm as shortcut where the shape changes. */
function bottleneck(builder: GraphBuilder, name: string, src: string, options: BottleneckOptions): string {
  const { channels, width, strides, groups } = options;
  let branch = builder.convolution(`${name}.conv1`, src, { channels: width, kernel: 1 });
  branch = builder.relu(`${name}.relu1`, builder.batchNormalization(`${name}.norm1`, branch));
  branch = builder.convolution(`${name}.conv2`, branch, { channels: width, kernel: 3, strides, padding: 1, groups });
  branch = builder.relu(`${name}.relu2`, builder.batchNormalization(`${name}.norm2`, branch));
  branch = builder.convolution(`${name}.conv3`, branch, { channels, kernel: 1 });
  branch = builder.batchNormalization(`${name}.norm3`, branch);
  let shortcut = src;
  if (strides !== 1 || builder.shape(src)[1] !== channels) {
    shortcut = builder.convolution(`${name}.shortcut.conv`, src, { channels, kernel: 1, strides });
    shortcut = builder.batchNormalization(`${name}.shortcut.norm`, shortcut);
  }
  return builder.relu(`${name}.relu3`, builder.add(`${name}.add`, branch, shortcut));
}
