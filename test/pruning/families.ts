/**
 * Small networks of the families that have streams: what the zoo's large ones are made of, in a size that tests can
 * run.
 */

import type { NormalizationAttributes } from "../../src/graph/attributes.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";

type Build = (builder: GraphBuilder, images: string) => string;

function classifier(name: string, build: Build, size = 8): Graph {
  const b = new GraphBuilder(name);
  const last = build(b, b.input("images", ["N", 3, size, size]));
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", last)), 4));
  return b.build();
}

function activate(b: GraphBuilder, name: string, src: string): string {
  return b.relu(`${name}.relu`, b.batchNormalization(`${name}.norm`, src));
}

/**
 * Pre-activation bottlenecks (He et al., "Identity Mappings in Deep Residual Networks"); the first unit projects its
 * activation.
 */
export function preActivation(projects: "activation" | "stream" = "activation"): Graph {
  return classifier(`preact-${projects}`, (b, images) => {
    let stream = b.convolution("stem", images, { channels: 4, kernel: 3, padding: 1 });
    for (const [stage, channels] of [8, 12].entries()) {
      for (let unit = 1; unit <= 2; unit++) {
        const name = `stage${stage + 1}.unit${unit}`;
        const strides = stage > 0 && unit === 1 ? 2 : 1;
        const first = activate(b, `${name}.pre`, stream);
        let branch = b.convolution(`${name}.conv1`, first, { channels: 3, kernel: 1 });
        branch = activate(b, `${name}.mid`, branch);
        branch = b.convolution(`${name}.conv2`, branch, { channels: 4, kernel: 3, padding: 1, strides });
        branch = b.convolution(`${name}.conv3`, activate(b, `${name}.last`, branch), { channels, kernel: 1 });
        const source = projects === "activation" ? first : stream;
        const shortcut =
          unit === 1 ? b.convolution(`${name}.shortcut`, source, { channels, kernel: 1, strides }) : stream;
        stream = b.add(`${name}.add`, branch, shortcut);
      }
    }
    return activate(b, "head", stream);
  });
}

/** Post-activation blocks; shortcuts that pad with zeros ("A") or project with a batch norm ("B"). */
export function postActivation(shortcuts: "A" | "B"): Graph {
  return classifier(`postact-${shortcuts}`, (b, images) => {
    let stream = activate(b, "stem", b.convolution("stem", images, { channels: 4, kernel: 3, padding: 1 }));
    for (const [stage, channels] of [4, 8, 12].entries()) {
      for (let unit = 1; unit <= 2; unit++) {
        const name = `stage${stage + 1}.unit${unit}`;
        const strides = stage > 0 && unit === 1 ? 2 : 1;
        let branch = b.convolution(`${name}.conv1`, stream, { channels: 5, kernel: 3, padding: 1, strides });
        branch = activate(b, `${name}.one`, branch);
        branch = b.convolution(`${name}.conv2`, branch, { channels, kernel: 3, padding: 1 });
        branch = b.batchNormalization(`${name}.two`, branch);
        let shortcut = stream;
        if (strides === 2 && shortcuts === "A") {
          shortcut = b.pad(`${name}.pad`, b.subsample(`${name}.half`, stream, 2), [0, 2, 0, 0], [0, 2, 0, 0]);
        } else if (strides === 2) {
          const projected = b.convolution(`${name}.shortcut`, stream, { channels, kernel: 1, strides });
          shortcut = b.batchNormalization(`${name}.shortcut.norm`, projected);
        }
        stream = b.relu(`${name}.out`, b.add(`${name}.add`, branch, shortcut));
      }
    }
    return stream;
  });
}

/** DenseNet: each layer adds `growth` channels to what all layers after it read, through batch norms of their own. */
export function dense(bottleneck: boolean): Graph {
  return classifier(`dense${bottleneck ? "-bottleneck" : ""}`, (b, images) => {
    let features = b.convolution("stem", images, { channels: 6, kernel: 3, padding: 1 });
    for (let block = 1; block <= 2; block++) {
      for (let layer = 1; layer <= 3; layer++) {
        const name = `block${block}.layer${layer}`;
        let added = activate(b, `${name}.pre`, features);
        if (bottleneck)
          added = activate(b, `${name}.mid`, b.convolution(`${name}.squeeze`, added, { channels: 8, kernel: 1 }));
        added = b.convolution(`${name}.conv`, added, { channels: 4, kernel: 3, padding: 1 });
        features = b.concatenation(`${name}.cat`, [features, added]);
      }
      if (block === 2) break;
      features = b.convolution("transition.conv", activate(b, "transition", features), { channels: 9, kernel: 1 });
      features = b.averagePooling("transition.pool", features, { kernel: 2 });
    }
    return activate(b, "head", features);
  });
}

/** Dense layers that end in batch norm and ReLU and are joined behind it (PeleeNet): channels have one writer each. */
export function twoWayDense(): Graph {
  return classifier("two-way-dense", (b, images) => {
    const unit = (name: string, src: string, channels: number, kernel: 1 | 3): string =>
      activate(b, name, b.convolution(`${name}.conv`, src, { channels, kernel, padding: kernel === 3 ? 1 : 0 }));
    let features = unit("stem", images, 6, 3);
    for (const layer of ["layer1", "layer2"]) {
      const left = unit(`${layer}.left2`, unit(`${layer}.left1`, features, 4, 1), 3, 3);
      const deep = unit(`${layer}.right2`, unit(`${layer}.right1`, features, 4, 1), 3, 3);
      features = b.concatenation(`${layer}.cat`, [features, left, unit(`${layer}.right3`, deep, 3, 3)]);
    }
    return unit("transition", features, 8, 1);
  });
}

/** Inverted residuals (MobileNetV2): expansion, depthwise convolution, linear projection into the stream. */
export function invertedResiduals(): Graph {
  return classifier("inverted", (b, images) => {
    let stream = activate(b, "stem", b.convolution("stem", images, { channels: 6, kernel: 3, padding: 1 }));
    const units = [
      [4, 1, 1],
      [6, 2, 2],
      [6, 2, 1],
      [6, 2, 1],
      [8, 2, 2],
    ] as const;
    for (const [index, [channels, expansion, strides]] of units.entries()) {
      const name = `unit${index + 1}`;
      const width = (b.shape(stream)[1] ?? 0) * expansion;
      let value = stream;
      if (expansion > 1)
        value = activate(b, `${name}.expand`, b.convolution(`${name}.expand`, value, { channels: width, kernel: 1 }));
      value = b.convolution(`${name}.depthwise`, value, {
        channels: width,
        kernel: 3,
        padding: 1,
        groups: width,
        strides,
      });
      value = b.convolution(`${name}.project`, activate(b, `${name}.depthwise`, value), { channels, kernel: 1 });
      value = b.batchNormalization(`${name}.project.norm`, value);
      stream = strides === 1 && channels === b.shape(stream)[1] ? b.add(`${name}.add`, stream, value) : value;
    }
    return activate(b, "head", b.convolution("head", stream, { channels: 10, kernel: 1 }));
  });
}

/** Bottlenecks with a grouped convolution (ResNeXt). */
export function grouped(): Graph {
  return classifier("grouped", (b, images) => {
    let stream = activate(b, "stem", b.convolution("stem", images, { channels: 6, kernel: 3, padding: 1 }));
    for (let unit = 1; unit <= 3; unit++) {
      const name = `unit${unit}`;
      let branch = activate(b, `${name}.one`, b.convolution(`${name}.conv1`, stream, { channels: 8, kernel: 1 }));
      branch = b.convolution(`${name}.conv2`, branch, { channels: 8, kernel: 3, padding: 1, groups: 4 });
      branch = b.convolution(`${name}.conv3`, activate(b, `${name}.two`, branch), { channels: 10, kernel: 1 });
      branch = b.batchNormalization(`${name}.three`, branch);
      let shortcut = stream;
      if (unit === 1)
        shortcut = b.batchNormalization("project.norm", b.convolution("project", stream, { channels: 10, kernel: 1 }));
      stream = b.relu(`${name}.out`, b.add(`${name}.add`, branch, shortcut));
    }
    return stream;
  });
}

/** Instance, group and layer norms behind convolutions; the layer norm couples all channels of its layer. */
function normalised(): Graph {
  const builder = new GraphBuilder("norms of the image's own numbers");
  const norm = (name: string, src: string, attributes: NormalizationAttributes): string => {
    const scaled = builder.gain(`${name}.scale`, builder.normalization(name, src, attributes));
    return builder.relu(`${name}.relu`, builder.bias(`${name}.shift`, scaled));
  };
  const convolution = (name: string, src: string, channels: number): string =>
    builder.convolution(name, src, { channels, kernel: 3, padding: 1, bias: true });
  let value = builder.input("images", ["N", 3, 8, 8]);
  value = norm("instance", convolution("conv1", value, 6), { axes: [2, 3], groups: 1, epsilon: 1e-5 });
  value = norm("group", convolution("conv2", value, 8), { axes: [1, 2, 3], groups: 4, epsilon: 1e-5 });
  value = norm("layer", convolution("conv3", value, 5), { axes: [1], epsilon: 1e-5 });
  const pooled = builder.globalAveragePooling("pool", builder.relu("relu", convolution("conv4", value, 6)));
  builder.output(builder.linear("classifier", builder.flatten("flat", pooled), 4));
  return builder.build();
}

/** A small ResNet over volumes (video, computed tomography): residual blocks of 3-D convolutions, one of them apart. */
function volumetric(): Graph {
  const b = new GraphBuilder("volumes");
  const unit = (name: string, src: string, channels: number, kernel: 1 | 3, strides: 1 | 2 = 1): string =>
    b.convolution(name, src, { channels, kernel, padding: kernel === 3 ? 1 : 0, strides });
  let stream = activate(b, "stem", unit("stem", b.input("clips", ["N", 3, 4, 6, 6]), 4, 3));
  stream = b.maxPooling("shrink", stream, { kernel: [1, 2, 2] });
  for (const [index, channels] of [4, 6].entries()) {
    const name = `unit${index + 1}`;
    const strides = index === 0 ? 1 : 2;
    let branch = activate(b, `${name}.one`, unit(`${name}.conv1`, stream, 5, 3, strides));
    const frames = { front: 1, back: 1, top: 0, left: 0, bottom: 0, right: 0 };
    branch = b.convolution(`${name}.frames`, branch, { channels: 6, kernel: [3, 1, 1], padding: frames });
    branch = unit(`${name}.conv2`, activate(b, `${name}.two`, branch), channels, 3);
    branch = b.batchNormalization(`${name}.three`, branch);
    const shortcut = index === 0 ? stream : unit(`${name}.shortcut`, stream, channels, 1, strides);
    stream = b.relu(`${name}.out`, b.add(`${name}.add`, branch, shortcut));
  }
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", stream)), 4));
  return b.build();
}

export const families: readonly Graph[] = [
  preActivation("activation"),
  preActivation("stream"),
  postActivation("A"),
  postActivation("B"),
  dense(false),
  dense(true),
  twoWayDense(),
  invertedResiduals(),
  grouped(),
  normalised(),
  volumetric(),
];
