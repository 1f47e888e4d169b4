/** Small networks for images of 3 × 8 × 8 that have every op with an integer form. */
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";

const classes = 4;

function network(name: string, body: (builder: GraphBuilder, images: string) => string): Graph {
  const builder = new GraphBuilder(name);
  builder.output(body(builder, builder.input("images", ["N", 3, 8, 8])));
  return builder.build();
}

function convolved(builder: GraphBuilder, name: string, src: string, channels: number, strides = 1): string {
  const value = builder.convolution(`${name}.conv`, src, { channels, kernel: 3, padding: 1, strides });
  return builder.relu(`${name}.relu`, builder.batchNormalization(`${name}.norm`, value));
}

function classified(builder: GraphBuilder, value: string): string {
  const pooled = builder.flatten("flat", builder.globalAveragePooling("pool", value));
  return builder.linear("classifier", pooled, classes);
}

/** Names of the nodes that stay on floats by network; all others have none. */
export const floatsOf: Readonly<Record<string, readonly string[]>> = {
  vgg: ["probabilities"],
  tanh: ["tanh"],
  "floats-before-moves": ["tanh", "pool", "flat"],
};

export const networks: readonly Graph[] = [
  network("growing-residual", (builder, images) => {
    const stem = convolved(builder, "stem", images, 4);
    const branch = builder.convolution("branch", stem, { channels: 8, kernel: 3, padding: 1, strides: 2 });
    const wide = builder.pad("channels", builder.subsample("sub", stem, 2), [0, 2, 0, 0], [0, 2, 0, 0]);
    return classified(builder, builder.relu("relu", builder.add("add", branch, wide)));
  }),
  network("pre-activation", (builder, images) => {
    const stem = builder.convolution("stem", images, { channels: 6, kernel: 3, padding: 1 });
    const active = builder.relu("relu1", builder.batchNormalization("norm1", stem));
    const sum = builder.add("add", stem, builder.convolution("conv1", active, { channels: 6, kernel: 3, padding: 1 }));
    return classified(builder, builder.relu("relu2", builder.batchNormalization("norm2", sum)));
  }),
  network("dense", (builder, images) => {
    const stem = convolved(builder, "stem", images, 4);
    const joined = builder.concatenation("join", [stem, convolved(builder, "new", stem, 6)]);
    return classified(builder, convolved(builder, "last", builder.averagePooling("halve", joined, { kernel: 2 }), 8));
  }),
  network("gates", (builder, images) => {
    const stem = convolved(builder, "stem", images, 8);
    const pooled = builder.globalAveragePooling("squeeze", stem);
    const less = builder.relu("less.relu", builder.convolution("less", pooled, { channels: 4, kernel: 1, bias: true }));
    const more = builder.convolution("more", less, { channels: 8, kernel: 1, bias: true });
    const gated = builder.multiply("gated", stem, builder.activation("sigmoid", more, { function: "sigmoid" }));
    const hard = builder.activation("hard", more, { function: "hard_sigmoid", slope: 0.2, offset: 0.5 });
    const both = builder.multiply("both", gated, hard);
    const swish = builder.convolution("before-swish", both, { channels: 8, kernel: 1, bias: true });
    return classified(builder, builder.activation("swish", swish, { function: "hard_swish" }));
  }),
  network("vgg", (builder, images) => {
    const first = builder.convolution("first", images, { channels: 6, kernel: 3, padding: 1, bias: true });
    const pooled = builder.maxPooling("pool1", builder.relu("relu1", first), { kernel: 2 });
    const second = builder.convolution("second", pooled, { channels: 6, kernel: 3, padding: 1, bias: true });
    const active = builder.relu("relu2", builder.maxPooling("pool2", second, { kernel: 2 }));
    const hidden = builder.relu("relu3", builder.linear("hidden", builder.flatten("flat", active), 12));
    return builder.softmax("probabilities", builder.linear("classifier", hidden, classes));
  }),
  network("mobile", (builder, images) => {
    const stem = builder.convolution("stem", images, { channels: 8, kernel: 3, padding: 1, bias: true });
    const deep = builder.convolution("deep", builder.relu6("relu6", stem), {
      ...{ channels: 8, kernel: 3, padding: 1, groups: 8, bias: true },
    });
    const grouped = builder.convolution(
      "grouped",
      builder.activation("leaky", deep, { function: "leaky_relu", slope: 0.1 }),
      {
        ...{ channels: 8, kernel: 1, groups: 2 },
      },
    );
    return classified(builder, grouped);
  }),
  network("floats-before-moves", (builder, images) => {
    const stem = builder.convolution("stem", images, { channels: 6, kernel: 3, padding: 1 });
    const active = builder.activation("tanh", stem, { function: "tanh" });
    const pooled = builder.flatten("flat", builder.maxPooling("pool", active, { kernel: 4 }));
    return builder.linear("classifier", pooled, classes);
  }),
  network("moves", (builder, images) => {
    const stem = convolved(builder, "stem", images, 4, 2);
    const large = builder.upsampling("up", stem, 2);
    const around = builder.pad("around", large, [0, 0, 1, 1], [0, 0, 1, 1]);
    const last = builder.convolution("last", around, { channels: 4, kernel: 3, bias: true });
    const flat = builder.flatten("flat", builder.subsample("sub", last, 2), { channelsLast: true });
    return builder.linear("classifier", flat, classes);
  }),
  network("ends-in-relu", (builder, images) =>
    builder.relu("last", classified(builder, convolved(builder, "stem", images, 4))),
  ),
  network("tanh", (builder, images) => {
    const stem = convolved(builder, "stem", images, 4);
    return classified(builder, convolved(builder, "last", builder.activation("tanh", stem, { function: "tanh" }), 4));
  }),
];
