/** The graphs of the conformance suite over volumes [N,C,D,H,W]: each op that knows their layouts, and a network. */
import type { ResamplingAttributes } from "../../src/graph/attributes.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { ConvolutionOptions, DeconvolutionOptions, PoolingOptions } from "../../src/graph/builder-options.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Case } from "./cases.ts";

type Build = (builder: GraphBuilder, src: string) => string;
type Dimensions = readonly [channels: number, depth: number, height: number, width: number];

function from(shape: readonly number[], build: Build): Graph {
  const builder = new GraphBuilder("case");
  builder.output(build(builder, builder.input("src", ["N", ...shape])));
  return builder.build();
}

const uneven = { front: 0, top: 1, left: 0, back: 1, bottom: 0, right: 2 };

const convolutions: readonly (readonly [string, number, Dimensions, ConvolutionOptions])[] = [
  ["3x3x3 with bias", 2, [3, 4, 5, 6], { channels: 4, kernel: 3, padding: 1, bias: true }],
  ["3x3x3, 16 to 32 channels, stride 2", 2, [16, 4, 5, 4], { channels: 32, kernel: 3, padding: 1, strides: 2 }],
  ["3x3x3, 17 to 33 channels", 1, [17, 3, 4, 3], { channels: 33, kernel: 3, padding: 1, bias: true }],
  ["1x3x3", 2, [5, 3, 4, 5], { channels: 6, kernel: [1, 3, 3], padding: { ...uneven, back: 0 } }],
  ["3x1x1", 2, [16, 5, 3, 3], { channels: 16, kernel: [3, 1, 1], padding: { ...uneven, top: 0, right: 0 } }],
  [
    "2x3x2, uneven strides and padding",
    2,
    [3, 5, 6, 7],
    { channels: 5, kernel: [2, 3, 2], strides: [2, 1, 3], padding: uneven },
  ],
  ["3x3x3, dilated", 1, [2, 6, 5, 7], { channels: 3, kernel: 3, padding: 2, dilation: [1, 2, 3] }],
  ["2 groups", 2, [6, 3, 4, 4], { channels: 4, kernel: 3, padding: 1, groups: 2, bias: true }],
  ["depthwise, 16 channels", 2, [16, 3, 5, 4], { channels: 16, kernel: 3, padding: 1, groups: 16 }],
  ["1x1x1", 3, [8, 2, 3, 4], { channels: 5, kernel: 1 }],
];

const deconvolutions: readonly (readonly [string, number, Dimensions, DeconvolutionOptions])[] = [
  ["2x2x2, stride 2", 2, [16, 2, 3, 3], { channels: 16, kernel: 2, strides: 2, bias: true }],
  [
    "3x3x3, uneven",
    1,
    [4, 3, 2, 3],
    { channels: 3, kernel: 3, strides: [1, 2, 3], padding: 1, outputPadding: [0, 1, 2] },
  ],
  ["2 groups", 2, [6, 2, 3, 2], { channels: 4, kernel: [1, 3, 2], strides: 2, groups: 2 }],
];

const poolings: readonly PoolingOptions[] = [
  { kernel: 2 },
  { kernel: [1, 3, 2], strides: [1, 2, 1], padding: { ...uneven, back: 0, right: 1 } },
  { kernel: 3, strides: 2, padding: 1 },
];

const others: Readonly<Record<string, Build>> = {
  "a batch norm": (b, src) => b.batchNormalization("layer", b.convolution("before", src, { channels: 17, kernel: 1 })),
  "a batch norm and a ReLU": (b, src) => b.relu("layer", b.batchNormalization("norm", pointwise(b, src, 16))),
  "global average pooling": (b, src) => b.globalAveragePooling("layer", pointwise(b, src, 5)),
  "a sum behind a ReLU": (b, src) =>
    b.relu("layer", b.add("sum", pointwise(b, src, 16), b.relu("open", pointwise(b, src, 16, "other")))),
  "a bias, a gain and a factor": (b, src) =>
    b.scale("layer", b.gain("gain", b.bias("bias", pointwise(b, src, 16))), 16),
  "parts joined at a block": (b, src) =>
    b.concatenation("layer", [pointwise(b, src, 16), pointwise(b, src, 3, "other")]),
  "parts joined inside a block": (b, src) =>
    b.concatenation("layer", [pointwise(b, src, 3), pointwise(b, src, 18, "other")]),
  "zeros around": (b, src) => b.pad("layer", pointwise(b, src, 16), [0, 1, 0, 2, 1], [0, 0, 1, 0, 2]),
  "every other pixel of some channels": (b, src) =>
    b.node("slice", "layer", [pointwise(b, src, 5)], {
      starts: [0, 1, 0, 0, 1],
      ends: ["N", 4, 3, 4, 4],
      steps: [1, 1, 2, 2, 1],
    }),
  "a gate a channel": (b, src) => {
    const inside = pointwise(b, src, 16);
    const gate = pointwise(b, b.globalAveragePooling("pool", inside), 16, "gate");
    return b.multiply("layer", inside, b.activation("open", gate, { function: "sigmoid" }));
  },
  "a gate a pixel": (b, src) => b.multiply("layer", pointwise(b, src, 16), pointwise(b, src, 1, "gate")),
  "a norm over pixels": (b, src) => b.normalization("layer", pointwise(b, src, 5), { axes: [2, 3, 4], epsilon: 1e-5 }),
  "pixels in a row": (b, src) => b.flatten("layer", pointwise(b, src, 16)),
  "channels last": (b, src) => b.transpose("layer", pointwise(b, src, 16), [0, 2, 3, 4, 1]),
};

function pointwise(b: GraphBuilder, src: string, channels: number, name = "before"): string {
  return b.convolution(name, src, { channels, kernel: 1 });
}

/** Large enough for batch norms that bf16 does not upset. */
function residual(b: GraphBuilder, src: string): string {
  const unit = (name: string, from: string, channels: number, strides: number): string => {
    const first = b.convolution(`${name}.a`, from, { channels, kernel: 3, padding: 1, strides });
    const open = b.relu(`${name}.open`, b.batchNormalization(`${name}.norm`, first));
    const second = b.convolution(`${name}.b`, open, { channels, kernel: 3, padding: 1 });
    const short = strides === 1 ? from : b.convolution(`${name}.short`, from, { channels, kernel: 1, strides });
    return b.relu(name, b.add(`${name}.sum`, b.batchNormalization(`${name}.last`, second), short));
  };
  const stem = b.maxPooling("pool", pointwise(b, src, 8), { kernel: [1, 3, 3], strides: [1, 2, 2], padding: 0 });
  const last = unit("two", unit("one", stem, 8, 1), 16, 2);
  return b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("mean", last)), 3);
}

/** Methods, on volumes of 3 × 5 × 4. */
const resamplings: readonly ResamplingAttributes[] = [
  { method: "linear", size: [6, 8, 7], coordinates: "half_pixel" },
  { method: "linear", size: [5, 3, 4], coordinates: "align_corners" },
  { method: "linear", size: [1, 7, 2], coordinates: "pytorch_half_pixel" },
  { method: "linear", size: [4, 7, 5], scales: [1.5, 1.5, 1.25], coordinates: "half_pixel" },
  { method: "nearest", size: [6, 10, 2], coordinates: "asymmetric", rounding: "floor" },
  { method: "cubic", size: [4, 8, 5], coordinates: "half_pixel", coefficient: -0.75 },
  { method: "reflect", padding: { front: 2, top: 1, left: 2, back: 1, bottom: 4, right: 3 } },
  { method: "edge", padding: { front: 1, top: 0, left: 3, back: 4, bottom: 6, right: 1 } },
];

const resamplingCases: readonly Case[] = resamplings.map((attributes) => ({
  name: `resampling of volumes: ${JSON.stringify(attributes)}`,
  batch: 2,
  graph: from([3, 3, 5, 4], (builder, src) => builder.resampling("layer", src, attributes)),
}));

export const volumeCases: readonly Case[] = [
  ...resamplingCases,
  ...convolutions.map(([name, batch, shape, options]) => ({
    name: `convolution of volumes: ${name}`,
    batch,
    graph: from(shape, (b, src) => b.convolution("layer", src, options)),
  })),
  ...deconvolutions.map(([name, batch, shape, options]) => ({
    name: `transposed convolution of volumes: ${name}`,
    batch,
    graph: from(shape, (b, src) => b.deconvolution("layer", src, options)),
  })),
  ...poolings.flatMap((options) => {
    const where = JSON.stringify(options);
    return [
      {
        name: `max pooling of volumes: ${where}`,
        batch: 2,
        graph: from([17, 4, 5, 6], (b, src) => b.maxPooling("layer", src, options)),
      },
      ...[false, true].map((countIncludePad) => ({
        name: `average pooling of volumes ${countIncludePad ? "with" : "without"} padding counted: ${where}`,
        batch: 2,
        graph: from([5, 4, 5, 6], (b, src) => b.averagePooling("layer", src, { ...options, countIncludePad })),
      })),
    ];
  }),
  ...Object.entries(others).flatMap(([name, build]) =>
    (name.startsWith("a batch norm") ? [false, true] : [false]).map((frozen) => ({
      name: `volumes: ${name}${frozen ? ", frozen" : ""}`,
      batch: 2,
      frozen,
      graph: from([4, 3, 4, 5], build),
    })),
  ),
  { name: "volumes: a residual network", batch: 4, graph: from([3, 6, 8, 8], residual) },
];
