/** Graphs whose constants have another layout in ONNX than here: factors and biases of every rank, alone and shared. */
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";

const images = [6, 5, 4] as const;

function graph(name: string, build: (builder: GraphBuilder, src: string) => string): Graph {
  const builder = new GraphBuilder(name);
  builder.output(build(builder, builder.input("images", ["N", ...images])));
  return builder.build();
}

function flat(builder: GraphBuilder, src: string): string {
  return builder.flatten("flat", src);
}

export const layoutGraphs: readonly Graph[] = [
  graph("factors of neurons", (builder, src) => builder.scale("scaled", src, 6)),
  graph("factors of groups", (builder, src) => builder.scale("scaled", src, 3)),
  graph("a factor of a block", (builder, src) => builder.scale("scaled", src, 1)),
  graph("a part of a stream's factors, then all of them", (builder, src) => {
    const factors = builder.parameter("stream.factor", [9], "factor");
    const part = builder.node("scale", "part", [src, factors], { axis: 1, first: 2 });
    const wide = builder.convolution("wide", part, { channels: 9, kernel: 1 });
    return builder.node("scale", "all", [wide, factors], { axis: 1 });
  }),
  graph("all of a stream's factors, then a part, on parameters too", (builder, src) => {
    const wide = builder.scale("stream", builder.convolution("wide", src, { channels: 9, kernel: 1 }), 9);
    const narrow = builder.parameter("narrow.bias", [4], "bias");
    const scaled = builder.node("scale", "narrow.scaled", [narrow, "stream.factor"], { axis: 0, first: 5 });
    return builder.node(
      "bias",
      "shifted",
      [builder.convolution("narrow", wide, { channels: 4, kernel: 1 }), scaled],
      {},
    );
  }),
  graph("factors of features", (builder, src) => builder.scale("scaled", flat(builder, src), 120)),
  graph("factors of groups of features", (builder, src) => builder.scale("scaled", flat(builder, src), 8)),
  graph("a bias of channels", (builder, src) => builder.bias("moved", src)),
  graph("a bias of features", (builder, src) => builder.bias("moved", flat(builder, src))),
  graph("one factor for a block and for a parameter of it", (builder, src) => {
    const once = builder.scale("once", src, 1);
    const weights = builder.parameter("conv.weights", [4, 6, 3, 3], "weights");
    const scaled = builder.node("scale", "conv.scaled", [weights, "once.factor"], { axis: 0 });
    return builder.node("convolution", "conv", [once, scaled], {
      strides: [1, 1],
      padding: { top: 1, left: 1, bottom: 1, right: 1 },
      dilation: [1, 1],
      groups: 1,
    });
  }),
  graph("factors shared by channels and by features", (builder, src) => {
    const channels = builder.scale("channels", src, 6);
    const pooled = builder.flatten("pooled", builder.globalAveragePooling("pool", channels));
    return builder.node("scale", "features", [pooled, "channels.factor"], { axis: 1 });
  }),
  graph("factors shared by channels and by groups", (builder, src) => {
    const groups = builder.scale("groups", src, 3);
    const narrow = builder.convolution("narrow", groups, { channels: 3, kernel: 1 });
    return builder.node("scale", "channels", [narrow, "groups.factor"], { axis: 1 });
  }),
  graph("group factors on weights and bias, the bias added apart", (builder, src) => {
    const moved = builder.bias("moved", src);
    const conv = builder.convolution("conv", moved, { channels: 4, kernel: 3, groups: 2, bias: true });
    const factor = builder.parameter("group.factor", [2], "factor");
    const scaled = builder.node("scale", "moved.scaled", [builder.parameter("late.bias", [4], "bias"), factor], {
      axis: 0,
    });
    return builder.node("bias", "late", [conv, scaled], {});
  }),
  graph("clips with one bound, with bounds that 32 bits cannot hold, and with none", (builder, src) => {
    const above = { minimum: 0.1, maximum: Number.POSITIVE_INFINITY };
    const below = { minimum: Number.NEGATIVE_INFINITY, maximum: 1 / 3 };
    const clipped = builder.node("clip", "below", [builder.node("clip", "above", [src], above)], below);
    const open = { minimum: Number.NEGATIVE_INFINITY, maximum: Number.POSITIVE_INFINITY };
    return builder.node("clip", "six", [builder.node("clip", "open", [clipped], open)], { minimum: 0, maximum: 6 });
  }),
  graph("a name that a helper would take", (builder, src) => {
    const first = builder.scale("scaled", src, 3);
    return builder.scale("scaled/grid", builder.relu("scaled/factors", first), 2);
  }),
];
