/** The graphs of the conformance suite: every op over many shapes, then small whole networks. */

import type { Precision } from "../../src/engine/engine.ts";
import type { ActivationAttributes, ResamplingAttributes } from "../../src/graph/attributes.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { ConvolutionOptions, DeconvolutionOptions } from "../../src/graph/builder-options.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { volumeCases } from "./volume-cases.ts";

export interface Case {
  readonly name: string;
  readonly graph: Graph;
  readonly batch: number;
  /** Normalise by running statistics in the gradient too. */
  readonly frozen?: boolean;
}

type Dimensions = readonly [channels: number, height: number, width: number];

/** A graph from input "src" to the one value that `build` returns. */
function from(shape: readonly number[], build: (builder: GraphBuilder, src: string) => string): Graph {
  const builder = new GraphBuilder("case");
  builder.output(build(builder, builder.input("src", ["N", ...shape])));
  return builder.build();
}

const asymmetric = { top: 1, left: 0, bottom: 2, right: 1 };

const convolutions: readonly (readonly [string, number, Dimensions, ConvolutionOptions])[] = [
  ["3x3, channels no multiple of 16", 2, [5, 6, 7], { channels: 7, kernel: 3, padding: 1 }],
  ["3x3 with bias", 2, [3, 5, 5], { channels: 4, kernel: 3, padding: 1, bias: true }],
  ["3x3, images to 16 channels", 4, [3, 8, 8], { channels: 16, kernel: 3, padding: 1 }],
  ["3x3, 16 to 32 channels, stride 2", 2, [16, 8, 8], { channels: 32, kernel: 3, padding: 1, strides: 2 }],
  ["3x3, 17 to 33 channels", 3, [17, 6, 6], { channels: 33, kernel: 3, padding: 1, bias: true }],
  ["3x3, stride 2 on an odd size", 2, [4, 9, 7], { channels: 6, kernel: 3, padding: 1, strides: 2 }],
  ["3x3 without padding, batch 1", 1, [2, 5, 4], { channels: 3, kernel: 3 }],
  ["1x1", 2, [6, 4, 5], { channels: 3, kernel: 1 }],
  ["1x1, stride 2", 2, [8, 5, 5], { channels: 16, kernel: 1, strides: 2 }],
  ["5x3, asymmetric padding", 2, [3, 7, 6], { channels: 4, kernel: [5, 3], padding: asymmetric }],
  [
    "2x2, asymmetric padding, strides 2 and 1",
    2,
    [3, 6, 5],
    { channels: 5, kernel: 2, strides: [2, 1], padding: asymmetric },
  ],
  ["3x3, dilation 2", 2, [3, 9, 8], { channels: 4, kernel: 3, padding: 2, dilation: 2 }],
  [
    "3x3, dilation 2 and 3, stride 2",
    1,
    [2, 11, 12],
    { channels: 3, kernel: 3, padding: 3, dilation: [2, 3], strides: 2 },
  ],
  ["2 groups", 2, [6, 5, 5], { channels: 4, kernel: 3, padding: 1, groups: 2 }],
  [
    "4 groups of 4 with bias, stride 2",
    2,
    [16, 6, 6],
    { channels: 16, kernel: 3, padding: 1, groups: 4, strides: 2, bias: true },
  ],
  ["2 groups of 16", 2, [32, 5, 5], { channels: 32, kernel: 3, padding: 1, groups: 2 }],
  ["depthwise", 2, [5, 6, 6], { channels: 5, kernel: 3, padding: 1, groups: 5, bias: true }],
  ["depthwise, 16 channels, stride 2", 2, [16, 7, 7], { channels: 16, kernel: 3, padding: 1, groups: 16, strides: 2 }],
  ["depthwise, 2 outputs a channel", 2, [3, 5, 5], { channels: 6, kernel: 3, padding: 1, groups: 3 }],
  ["a kernel as large as the image", 3, [4, 4, 4], { channels: 5, kernel: 4 }],
];

const convolutionCases: readonly Case[] = convolutions.map(([name, batch, shape, options]) => ({
  name: `convolution: ${name}`,
  batch,
  graph: from(shape, (builder, src) => builder.convolution("layer", src, options)),
}));

const deconvolutions: readonly (readonly [string, number, Dimensions, DeconvolutionOptions])[] = [
  ["2x2, stride 2, with bias", 2, [32, 5, 6], { channels: 16, kernel: 2, strides: 2, bias: true }],
  ["3x3, stride 2, output padding", 2, [5, 4, 5], { channels: 7, kernel: 3, strides: 2, padding: 1, outputPadding: 1 }],
  ["4x3, asymmetric padding", 3, [3, 5, 4], { channels: 4, kernel: [4, 3], strides: [2, 1], padding: asymmetric }],
  ["3x3, dilation 2 and 1", 2, [4, 5, 6], { channels: 3, kernel: 3, padding: 1, dilation: [2, 1], bias: true }],
  ["2 groups", 2, [6, 4, 4], { channels: 4, kernel: 3, strides: 2, groups: 2, bias: true }],
  ["depthwise, 16 channels", 2, [16, 4, 5], { channels: 16, kernel: 4, strides: 2, padding: 1, groups: 16 }],
  ["a stride wider than the kernel", 1, [3, 3, 4], { channels: 5, kernel: 1, strides: 3, outputPadding: [2, 1] }],
];

const deconvolutionCases: readonly Case[] = deconvolutions.map(([name, batch, shape, options]) => ({
  name: `transposed convolution: ${name}`,
  batch,
  graph: from(shape, (builder, src) => builder.deconvolution("layer", src, options)),
}));

const normalizationCases: readonly Case[] = (
  [
    [4, [3, 4, 5]],
    [2, [16, 6, 6]],
    [3, [17, 3, 3]],
    [1, [5, 7, 3]],
    [8, [6, 1, 1]],
  ] as const
).flatMap(([batch, shape]) =>
  [false, true].map((frozen) => ({
    name: `batch normalization, ${frozen ? "frozen" : "training"}: ${shape.join("x")}, batch ${batch}`,
    batch,
    frozen,
    graph: from(shape, (builder, src) => builder.batchNormalization("layer", src)),
  })),
);

const poolings = [
  { kernel: 2 },
  { kernel: 3, strides: 2, padding: 1 },
  { kernel: 3, strides: 1, padding: 1 },
  { kernel: [2, 3], strides: [1, 2], padding: { top: 0, left: 1, bottom: 1, right: 2 } },
] as const;

const poolingCases: readonly Case[] = (
  [
    [2, [3, 6, 6]],
    [1, [16, 7, 5]],
    [2, [17, 5, 6]],
  ] as const
).flatMap(([batch, shape]) =>
  poolings.flatMap((options) => {
    const where = `${JSON.stringify(options)} on ${shape.join("x")}, batch ${batch}`;
    return [
      {
        name: `max pooling: ${where}`,
        batch,
        graph: from(shape, (builder, src) => builder.maxPooling("layer", src, options)),
      },
      ...[false, true].map((countIncludePad) => ({
        name: `average pooling ${countIncludePad ? "with" : "without"} padding counted: ${where}`,
        batch,
        graph: from(shape, (builder, src) => builder.averagePooling("layer", src, { ...options, countIncludePad })),
      })),
    ];
  }),
);

function line(slope: number, offset: number): ActivationAttributes {
  return { function: "linear", slope, offset };
}

function pooled(builder: GraphBuilder, src: string): string {
  return builder.globalAveragePooling("pool", src);
}

/** Builders of small graphs, by name, on inputs of several shapes. */
const pointwise: Readonly<Record<string, (builder: GraphBuilder, src: string) => string>> = {
  relu: (builder, src) => builder.relu("layer", src),
  "a clip on both sides of zero": (builder, src) =>
    builder.node("clip", "layer", [src], { minimum: -0.4, maximum: 0.7 }),
  "a ReLU6 behind a batch norm": (builder, src) =>
    builder.relu6("layer", builder.bias("moved", builder.batchNormalization("norm", src))),
  sigmoid: (builder, src) => builder.activation("layer", src, { function: "sigmoid" }),
  tanh: (builder, src) => builder.activation("layer", src, { function: "tanh" }),
  "a hard swish": (builder, src) =>
    builder.activation("layer", builder.activation("wider", src, line(4, 0)), { function: "hard_swish" }),
  "a hard sigmoid": (builder, src) =>
    builder.activation("layer", builder.activation("wider", src, line(4, 0)), {
      function: "hard_sigmoid",
      slope: 0.2,
      offset: 0.4,
    }),
  "a leaky ReLU": (builder, src) => builder.activation("layer", src, { function: "leaky_relu", slope: 0.1 }),
  "a slope, then an offset": (builder, src) =>
    builder.activation("layer", builder.activation("scaled", src, line(-1.7, 0)), line(1, 0.3)),
  "a GELU": (builder, src) => builder.gelu("layer", builder.activation("wider", src, line(2, 0))),
  "a GELU, approximated": (builder, src) =>
    builder.gelu("layer", builder.activation("wider", src, line(2, 0)), { approximation: "tanh" }),
  "a softplus": (builder, src) => builder.activation("layer", src, { function: "softplus" }),
  "an error function": (builder, src) => builder.activation("layer", src, { function: "erf" }),
  "a softsign": (builder, src) => builder.activation("layer", src, { function: "softsign" }),
  "a Mish": (builder, src) => builder.activation("layer", src, { function: "mish" }),
  "an ELU": (builder, src) => builder.activation("layer", src, { function: "elu", alpha: 0.7 }),
  "a CELU": (builder, src) => builder.activation("layer", src, { function: "celu", alpha: 0.7 }),
  "a SELU": (builder, src) =>
    builder.activation("layer", src, { function: "selu", alpha: 1.67326319, gamma: 1.05070102 }),
  "an exponential": (builder, src) => builder.activation("layer", src, { function: "exponential" }),
  "an absolute value": (builder, src) => builder.activation("layer", src, { function: "absolute" }),
  "functions of positive numbers": (builder, src) => {
    const positive = builder.activation(
      "moved",
      builder.activation("positive", src, { function: "sigmoid" }),
      line(1, 0.5),
    );
    const logarithm = builder.activation("logarithm", positive, { function: "logarithm" });
    const root = builder.activation("root", positive, { function: "square_root" });
    const inverse = builder.activation("inverse", positive, { function: "reciprocal" });
    const power = builder.activation("power", positive, { function: "power", exponent: 2.5 });
    return builder.concatenation("layer", [logarithm, root, inverse, power]);
  },
  softmax: (builder, src) => builder.softmax("layer", builder.activation("wider", src, line(3, 0))),
  "a softmax over columns": (builder, src) =>
    builder.softmax("layer", builder.activation("wider", src, line(3, 0)), { axis: 3 }),
  "the logarithm of a softmax": (builder, src) =>
    builder.softmax("layer", builder.activation("wider", src, line(3, 0)), { isLogarithm: true }),
  "a product of two values": (builder, src) =>
    builder.multiply("layer", builder.bias("a", src), builder.activation("b", src, { function: "sigmoid" })),
  "a square": (builder, src) => builder.multiply("layer", src, src),
  "channels squeezed and excited": (builder, src) => {
    const squeezed = builder.relu(
      "relu",
      builder.convolution("squeeze", pooled(builder, src), { channels: 3, kernel: 1 }),
    );
    const excited = builder.convolution("excite", squeezed, {
      channels: builder.shape(src)[1] ?? 0,
      kernel: 1,
      bias: true,
    });
    return builder.multiply("layer", src, builder.activation("gate", excited, { function: "sigmoid" }));
  },
  "a gate in front of what it opens": (builder, src) => builder.multiply("layer", pooled(builder, src), src),
  "a gate for each pixel": (builder, src) =>
    builder.multiply("layer", src, builder.convolution("gate", src, { channels: 1, kernel: 1 })),
  "a product in which both sides are repeated": (builder, src) =>
    builder.multiply("layer", pooled(builder, src), builder.convolution("map", src, { channels: 1, kernel: 1 })),
  "a sum with a value a channel": (builder, src) =>
    builder.binary("layer", src, pooled(builder, src), { function: "add" }),
  "a map less a value a channel": (builder, src) => {
    const map = builder.convolution("map", src, { channels: 1, kernel: 1 });
    return builder.binary("layer", map, pooled(builder, src), { function: "subtract" });
  },
  "a quotient of a value by itself, squashed": (builder, src) => {
    const open = builder.activation("open", src, { function: "sigmoid" });
    return builder.binary("layer", src, builder.activation("divisor", open, line(1, 0.5)), { function: "divide" });
  },
  "the larger of two values": (builder, src) =>
    builder.binary("layer", src, builder.activation("b", src, line(-0.5, 0)), { function: "maximum" }),
  "the smaller of a value and a value a channel": (builder, src) => {
    const mean = builder.activation("moved", pooled(builder, src), line(1, 0.3));
    return builder.binary("layer", src, mean, { function: "minimum" });
  },
  "a sum with a parameter that has pixels": (builder, src) => {
    const parameter = builder.parameter("position", builder.shape(src).slice(1), "bias");
    return builder.binary("layer", src, parameter, { function: "add" });
  },
  "a product with a parameter of one channel": (builder, src) => {
    const [, , height = 1] = builder.shape(src);
    const parameter = builder.parameter("rows", [1, height, 1], "scale");
    return builder.binary("layer", src, parameter, { function: "multiply" });
  },
  "products of matrices of pixels, a matrix a channel": (builder, src) => {
    const turned = builder.transpose("turned", builder.bias("other", src), [0, 1, 3, 2]);
    return builder.matmul("layer", src, turned);
  },
  "a product of channels and pixels": (builder, src) => {
    const [, channels = 0, height = 0, width = 0] = builder.shape(src);
    const rows = builder.reshape("rows", src, [channels, height * width]);
    return builder.matmul("layer", builder.transpose("turned", rows, [0, 2, 1]), rows);
  },
  "matrices in five axes, their rows last": (builder, src) => {
    const [, channels = 0, height = 0, width = 0] = builder.shape(src);
    const apart = builder.reshape("apart", src, [channels, 1, height, width]);
    return builder.transpose(
      "layer",
      builder.matmul("product", apart, builder.transpose("turned", apart, [0, 1, 2, 4, 3])),
      [0, 4, 2, 1, 3],
    );
  },
  "a mean over the channels": (builder, src) =>
    builder.reduction("layer", src, { function: "mean", axes: [1], keepsAxes: true }),
  "a maximum over the channels": (builder, src) =>
    builder.reduction("layer", src, { function: "maximum", axes: [1], keepsAxes: true }),
  "a minimum over rows": (builder, src) =>
    builder.reduction("layer", src, { function: "minimum", axes: [2], keepsAxes: false }),
  "a sum over channels and columns": (builder, src) =>
    builder.reduction("layer", src, { function: "sum", axes: [1, 3], keepsAxes: false }),
  "the sum of all absolute values": (builder, src) =>
    builder.reduction("layer", src, { function: "l1", axes: [1, 2, 3], keepsAxes: false }),
  "a value divided by its norm": (builder, src) => {
    const norm = builder.reduction("norm", src, { function: "l2", axes: [1], keepsAxes: true });
    return builder.binary("layer", src, norm, { function: "divide" });
  },
  "an instance norm": (builder, src) => builder.normalization("layer", src, { axes: [2, 3], epsilon: 1e-5 }),
  "a group norm": (builder, src) => {
    const groups = builder.shape(src)[1] === 5 ? 5 : 2;
    return builder.normalization("layer", src, { axes: [1, 2, 3], groups, epsilon: 1e-3 });
  },
  "a layer norm over the channels": (builder, src) => builder.normalization("layer", src, { axes: [1], epsilon: 1e-6 }),
  "a layer norm over columns": (builder, src) => builder.normalization("layer", src, { axes: [3], epsilon: 1e-5 }),
  "a norm over all numbers of an image": (builder, src) =>
    builder.normalization("layer", src, { axes: [1, 2, 3], epsilon: 1e-5 }),
  "a local response normalization": (builder, src) =>
    builder.localResponseNormalization("layer", src, { size: 5, alpha: 0.8, beta: 0.6, bias: 1.5 }),
  "a PReLU a channel": (builder, src) => builder.prelu("layer", src),
  "a PReLU with one slope": (builder, src) => builder.prelu("layer", src, { shared: true }),
  "a gain a channel": (builder, src) => builder.gain("layer", src),
  "pixels repeated": (builder, src) => builder.upsampling("layer", src, [2, 3]),
  "channels in another order, one of them twice": (builder, src) => {
    const channels = builder.shape(src)[1] ?? 0;
    const order = Array.from({ length: channels - 1 }, (_, place) => (place * 2) % channels);
    return builder.gather("layer", src, [...order, 3]);
  },
  "rows in one line": (builder, src) => {
    const [, channels = 0, height = 0, width = 0] = builder.shape(src);
    return builder.reshape("layer", src, [channels, height * width]);
  },
  "dims in another order": (builder, src) => builder.reshape("layer", src, builder.shape(src).slice(1).toReversed()),
  "channels last": (builder, src) => builder.transpose("layer", src, [0, 2, 3, 1]),
  "channels last and back": (builder, src) =>
    builder.transpose("layer", builder.relu("relu", builder.transpose("last", src, [0, 2, 3, 1])), [0, 3, 1, 2]),
  "rows and columns swapped": (builder, src) => builder.transpose("layer", src, [0, 1, 3, 2]),
  "flattened with the channels last": (builder, src) => builder.flatten("layer", src, { channelsLast: true }),
  "max pooling with holes": (builder, src) =>
    builder.node("max_pooling", "layer", [src], {
      kernel: [2, 2],
      strides: [1, 1],
      padding: { top: 1, left: 0, bottom: 0, right: 1 },
      dilation: [2, 1],
    }),
  "an addition of a value to itself": (builder, src) => builder.add("layer", src, src),
  "an addition, both sides computed": (builder, src) =>
    builder.add("layer", builder.relu("a", src), builder.bias("b", src)),
  "a bias per channel": (builder, src) => builder.bias("layer", src),
  "a concatenation of uneven parts": (builder, src) => {
    const narrow = builder.convolution("narrow", src, { channels: 3, kernel: 1 });
    return builder.concatenation("layer", [narrow, src, builder.relu("relu", src)]);
  },
  "global average pooling": (builder, src) => builder.globalAveragePooling("layer", src),
  flatten: (builder, src) => builder.flatten("layer", src),
  "a padding of channels and pixels": (builder, src) => builder.pad("layer", src, [0, 1, 0, 2], [0, 3, 1, 0]),
  "every other pixel": (builder, src) => builder.subsample("layer", src, 2),
  "an option A shortcut": (builder, src) =>
    builder.pad("layer", builder.subsample("half", src, 2), [0, 2, 0, 0], [0, 2, 0, 0]),
  "a slice of channels": (builder, src) =>
    builder.node("slice", "layer", [src], { starts: [0, 1, 0, 1], ends: ["N", 4, 3, 4], steps: [1, 2, 1, 1] }),
  "one scaling factor": (builder, src) => builder.scale("layer", src, 1),
  "a scaling factor a channel": (builder, src) => builder.scale("layer", src, builder.shape(src)[1] ?? 0),
  "a part of a stream's factors": (builder, src) => {
    const channels = builder.shape(src)[1] ?? 0;
    const factors = builder.parameter("stream.factor", [channels + 5], "factor");
    const once = builder.node("scale", "once", [src, factors], { axis: 1, first: 2 });
    return builder.node("scale", "layer", [builder.relu("relu", once), factors], { axis: 1, first: 4 });
  },
};

const pointwiseCases: readonly Case[] = Object.entries(pointwise).flatMap(([name, build]) =>
  (
    [
      [2, [5, 5, 4]],
      [1, [16, 3, 6]],
      [3, [18, 4, 4]],
    ] as const
  ).map(([batch, shape]) => ({
    name: `${name}: ${shape.join("x")}, batch ${batch}`,
    batch,
    graph: from(shape, build),
  })),
);

/** Ops that take values of any rank, in chains, by what lies behind the batch. */
const rankCases: readonly Case[] = (
  [
    [2, []],
    [3, [5]],
    [2, [5, 7]],
    [1, [18, 3]],
    [2, [4, 3, 5]],
    [2, [3, 2, 5, 4]],
    [2, [3, 2, 2, 3, 2]],
  ] as const
).map(([batch, shape]) => ({
  name: `values of rank ${shape.length + 1}: ${["N", ...shape].join("x")}`,
  batch,
  graph: from(shape, (builder, src) => {
    const curved = builder.activation("tanh", src, { function: "tanh" });
    const positive = builder.relu("relu", builder.activation("line", curved, line(1, -0.2)));
    const sum = builder.add("sum", positive, builder.multiply("product", src, curved));
    if (shape.length === 0) return sum;
    const shifted = builder.bias("bias", builder.gain("gain", builder.scale("scale", sum, 1)));
    const wide = builder.concatenation("join", [shifted, src]);
    const padding = [0, 1, ...shape.slice(1).map((_, axis) => axis)];
    return builder.softmax("softmax", builder.pad("pad", wide, padding, padding.toReversed().with(0, 0)));
  }),
}));

/** The gradient of the reshape has no axes but the batch. */
const singleCase: Case = {
  name: "one number for each image, seen as a value of more axes",
  batch: 3,
  graph: from([2, 3], (builder, src) => {
    const mean = builder.reduction("mean", src, { function: "mean", axes: [1, 2], keepsAxes: false });
    return builder.multiply("product", src, builder.reshape("seen", mean, [1, 1]));
  }),
};

const blockCases: readonly Case[] = (["DCR", "CRD"] as const).flatMap((mode) =>
  (["depth_to_space", "space_to_depth"] as const).flatMap((op) =>
    [2, 3].map((block) => ({
      name: `${op}: blocks of ${block}, ${mode}`,
      batch: 2,
      graph: from(op === "depth_to_space" ? [2 * block ** 2, 3, 2] : [3, 2 * block, block], (builder, src) =>
        builder.node(op, "layer", [src], { block, mode }),
      ),
    })),
  ),
);

const coordinates = [
  ...(["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"] as const),
];

/** Methods, on images of 5 × 4. */
const resamplings: readonly ResamplingAttributes[] = [
  ...coordinates.map((one) => ({ method: "linear", size: [8, 7], coordinates: one }) as const),
  { method: "linear", size: [10, 8], coordinates: "half_pixel" },
  { method: "linear", size: [3, 2], coordinates: "half_pixel" },
  { method: "linear", size: [1, 9], coordinates: "pytorch_half_pixel" },
  { method: "linear", size: [7, 5], scales: [1.5, 1.25], coordinates: "half_pixel" },
  { method: "nearest", size: [7, 9], coordinates: "half_pixel", rounding: "round_prefer_floor" },
  { method: "nearest", size: [3, 2], coordinates: "asymmetric", rounding: "floor" },
  { method: "nearest", size: [10, 8], coordinates: "align_corners", rounding: "ceil" },
  { method: "cubic", size: [8, 9], coordinates: "half_pixel", coefficient: -0.75 },
  { method: "cubic", size: [8, 6], coordinates: "align_corners", coefficient: -0.5, excludesOutside: true },
  { method: "reflect", padding: { top: 1, left: 2, bottom: 4, right: 3 } },
  { method: "edge", padding: { top: 0, left: 3, bottom: 6, right: 1 } },
];

const resamplingCases: readonly Case[] = resamplings.map((attributes) => ({
  name: `resampling: ${JSON.stringify(attributes)}`,
  batch: 2,
  graph: from([18, 5, 4], (builder, src) => builder.resampling("layer", src, attributes)),
}));

/** Slices and paddings along several axes at once, as [start, end, step] of each axis behind the batch. */
const regionCases: readonly Case[] = (
  [
    [
      "some channels of every other row, an odd number of rows",
      [5, 3, 6],
      [
        [3, 5, 1],
        [0, 3, 2],
        [0, 6, 1],
      ],
    ],
    [
      "some channels of every other column, an odd number of columns",
      [18, 4, 5],
      [
        [1, 18, 1],
        [0, 4, 1],
        [0, 5, 2],
      ],
    ],
    [
      "some channels of every third pixel",
      [20, 7, 7],
      [
        [15, 19, 1],
        [0, 7, 3],
        [0, 7, 3],
      ],
    ],
    [
      "a part of a row",
      [6, 7],
      [
        [1, 4, 1],
        [2, 7, 2],
      ],
    ],
    [
      "a part of a volume",
      [5, 3, 5, 3],
      [
        [1, 5, 2],
        [0, 3, 2],
        [1, 5, 1],
        [0, 3, 2],
      ],
    ],
  ] as const
).map(([name, shape, bounds]) => ({
  name: `slice: ${name}`,
  batch: 3,
  graph: from(shape, (builder, src) =>
    builder.node("slice", "layer", [src], {
      starts: [0, ...bounds.map(([start]) => start)],
      ends: ["N" as const, ...bounds.map(([, end]) => end)],
      steps: [1, ...bounds.map(([, , step]) => step)],
    }),
  ),
}));

const otherCases: readonly Case[] = [
  {
    name: "average pooling that rounds up, padding counted",
    batch: 2,
    graph: from([16, 3, 6], (builder, src) =>
      builder.node("average_pooling", "layer", [src], {
        kernel: [3, 2],
        strides: [3, 2],
        padding: { top: 1, left: 1, bottom: 2, right: 1 },
        countIncludePad: true,
        overhang: [1, 0],
      }),
    ),
  },
  {
    name: "scaling factors of 4 groups",
    batch: 2,
    graph: from([12, 3, 3], (builder, src) => builder.scale("layer", src, 4)),
  },
  ...(
    [
      [2, 5, 3, true],
      [1, 7, 10, true],
      [4, 16, 10, false],
      [3, 33, 17, true],
    ] as const
  ).map(([batch, features, outputs, bias]) => ({
    name: `linear: ${features} to ${outputs}, batch ${batch}, ${bias ? "with" : "without"} bias`,
    batch,
    graph: from([features], (builder, src) => builder.linear("layer", src, outputs, { bias })),
  })),
  {
    name: "relu after flatten",
    batch: 3,
    graph: from([4, 2, 2], (builder, src) => builder.relu("layer", builder.flatten("flat", src))),
  },
  {
    name: "batch normalization of features",
    batch: 6,
    graph: from([5], (builder, src) => builder.batchNormalization("layer", src)),
  },
  {
    name: "a folded factor: scaled weights and bias of a convolution",
    batch: 2,
    graph: from([3, 5, 5], (builder, src) => {
      const factor = builder.parameter("layer.neuron.factor", [4], "factor");
      const scaled = (["weights", "bias"] as const).map((kind) =>
        builder.node(
          "scale",
          `layer.${kind}.scaled`,
          [builder.parameter(`layer.${kind}`, kind === "weights" ? [4, 3, 3, 3] : [4], kind), factor],
          { axis: 0 },
        ),
      );
      return builder.node("convolution", "layer", [src, ...scaled], {
        strides: [1, 1],
        padding: { top: 1, left: 1, bottom: 1, right: 1 },
        dilation: [1, 1],
        groups: 1,
      });
    }),
  },
  ...([1, 2] as const).map((groups) => ({
    name: `a folded factor of a transposed convolution that two layers share, ${groups} groups`,
    batch: 2,
    graph: from([4, 4, 4], (builder, src) => {
      const factor = builder.parameter("layer.neuron.factor", [4], "factor");
      const weights = builder.parameter("layer.weights", [4, 4 / groups, 3, 3], "weights");
      const scaled = builder.node("scale", "layer.weights.scaled", [weights, factor], { axis: 0 });
      const attributes = {
        strides: [1, 1],
        padding: { top: 1, left: 1, bottom: 1, right: 1 },
        dilation: [1, 1],
        outputPadding: [0, 0],
        groups,
      } as const;
      const first = builder.node("deconvolution", "first", [src, scaled], attributes);
      return builder.node("deconvolution", "second", [first, scaled], attributes);
    }),
  })),
  {
    name: "weights that two convolutions share",
    batch: 2,
    graph: from([4, 4, 4], (builder, src) => {
      const weights = builder.parameter("shared.weights", [4, 4, 1, 1], "weights");
      const attributes = {
        strides: [1, 1],
        padding: { top: 0, left: 0, bottom: 0, right: 0 },
        dilation: [1, 1],
        groups: 1,
      } as const;
      return builder.node(
        "convolution",
        "second",
        [builder.node("convolution", "first", [src, weights], attributes), weights],
        attributes,
      );
    }),
  },
];

export const opCases: readonly Case[] = [
  ...convolutionCases,
  ...deconvolutionCases,
  ...normalizationCases,
  ...poolingCases,
  ...pointwiseCases,
  ...rankCases,
  singleCase,
  ...blockCases,
  ...resamplingCases,
  ...regionCases,
  ...volumeCases,
  { name: "lookups in tables", batch: 5, graph: lookups() },
  ...otherCases,
];

/** Too large to be differentiated element by element. */
export const wideCases: readonly Case[] = [
  { name: "a wide residual network", batch: 4, graph: residual(16) },
  { name: "a wide residual network, frozen", batch: 1, graph: residual(16), frozen: true },
];

interface FormulationCase extends Case {
  /** By precision: start of the keys to choose for, and what must then be offered. */
  readonly offered: Partial<Record<Precision, readonly (readonly [keys: string, name: string])[]>>;
}

/** Convolutions that can be computed in ways that tuning chooses only on some machines. */
export const formulationCases: readonly FormulationCase[] = [
  {
    name: "2 × 2 pixels as matrix products",
    batch: 5,
    graph: from([64, 2, 2], (b, src) => {
      const first = b.convolution("conv1", b.relu("relu", src), { channels: 80, kernel: 3, padding: 1 });
      return b.convolution("conv2", first, { channels: 64, kernel: 3, padding: 1 });
    }),
    offered: allDirections("16 matrix products, outputs last"),
  },
  {
    name: "a stride and uneven padding as matrix products",
    batch: 3,
    graph: from([64, 5, 4], (b, src) =>
      b.convolution("conv", b.relu("relu", src), {
        channels: 72,
        kernel: 3,
        strides: 2,
        padding: { top: 0, left: 1, bottom: 1, right: 1 },
      }),
    ),
    offered: allDirections("30 matrix products, outputs last"),
  },
  {
    name: "every other pixel as one matrix product",
    batch: 3,
    graph: from([64, 8, 6], (b, src) => {
      const shared = b.relu("relu", src);
      const strided = b.convolution("conv", shared, { channels: 72, kernel: 1, strides: 2 });
      return b.add("sum", strided, b.convolution("again", shared, { channels: 72, kernel: 1, strides: 2 }));
    }),
    offered: allDirections("pixels that are met, one matrix product, outputs last"),
  },
  {
    name: "weights laid out for the backward direction",
    batch: 5,
    graph: from([64, 2, 2], (b, src) =>
      b.convolution("conv", b.relu("relu", src), { channels: 80, kernel: 3, padding: 1 }),
    ),
    offered: {
      f32: [["backward data", "16 matrix products, inputs last"]],
      bf16: [["backward data", "16 matrix products, inputs last"]],
    },
  },
];

/** Likewise, on a processor with AMX. */
export const amxFormulationCases: readonly FormulationCase[] = [
  {
    name: "tiny images as matrix products, pixel by pixel",
    batch: 5,
    graph: from([64, 2, 3], (b, src) =>
      b.convolution("conv", b.relu("relu", src), { channels: 80, kernel: 3, padding: 1 }),
    ),
    offered: {
      bf16: [
        ["forward", "28 matrix products, pixels first, outputs last"],
        ["backward data", "28 matrix products, pixels first, inputs last"],
        ["backward weights", "28 matrix products, pixels first, outputs last"],
      ],
    },
  },
  {
    name: "gradients of weights of images side by side",
    batch: 6,
    graph: from([32, 7, 9], (b, src) =>
      b.convolution("conv", b.relu("relu", src), { channels: 48, kernel: 3, padding: 1 }),
    ),
    offered: {
      bf16: [
        ["backward weights", "6 images side by side, jit"],
        ["backward data", "forward, with turned weights"],
      ],
    },
  },
  {
    name: "turned weights with uneven padding and dilation",
    batch: 2,
    graph: from([32, 9, 10], (b, src) => {
      const padding = { top: 0, left: 1, bottom: 2, right: 0 };
      const first = b.convolution("conv1", b.relu("relu", src), { channels: 40, kernel: [3, 2], padding });
      return b.convolution("conv2", first, { channels: 32, kernel: 3, padding: 1, dilation: 2 });
    }),
    offered: { bf16: [["backward data", "forward, with turned weights"]] },
  },
  {
    name: "images in rows of seventeen, with wide gaps",
    batch: 34,
    graph: from([17, 8, 12], (b, src) => {
      const first = b.convolution("conv1", b.relu("relu", src), { channels: 20, kernel: 5, padding: 2 });
      return b.convolution("conv2", first, { channels: 17, kernel: 5, padding: 2 });
    }),
    offered: { bf16: [["backward weights", "17 images side by side, jit"]] },
  },
];

function allDirections(name: string): FormulationCase["offered"] {
  const directions = ["forward", "backward data", "backward weights"].map((direction) => [direction, name] as const);
  return { f32: directions, bf16: directions };
}

/** Likewise, with 512-bit vectors and bf16: 16 channels fill one. */
export const wideFormulationCases: readonly FormulationCase[] = [
  {
    name: "a thin layer as a volume, and channels-last",
    batch: 4,
    graph: residual(16),
    offered: {
      f32: [
        ["forward 4x16x8x8 16x16x3x3", "volume nCdhw16c jit:avx512_core"],
        ["backward data 4x16x8x8 16x16x3x3", "volume ndhwc jit:avx512_core"],
        ["backward weights 4x16x8x8 16x16x3x3", "nhwc jit:avx512_core"],
      ],
      bf16: [
        ["forward 4x16x8x8 16x16x3x3", "volume ndhwc jit_bf16:avx512_core_bf16"],
        ["backward data 4x16x8x8 16x16x3x3", "volume nCdhw16c jit_bf16:avx512_core_bf16"],
        ["backward weights 4x16x8x8 16x16x3x3", "volume nCdhw16c jit_bf16:avx512_core_bf16"],
      ],
    },
  },
  {
    name: "gradients of weights in f32 beside bf16",
    batch: 32,
    graph: from([64, 8, 8], (b, src) =>
      b.convolution("conv", b.relu("relu", src), { channels: 64, kernel: 3, padding: 1 }),
    ),
    offered: { bf16: [["backward weights", "nChw16c jit_wino_4x3:avx512_core"]] },
  },
];

/** Whole networks of some layers; each has one output, logits of 4 classes. */
export const networkCases: readonly Case[] = [
  { name: "a sequential network", batch: 4, graph: sequential() },
  { name: "a sequential network, frozen", batch: 4, graph: sequential(), frozen: true },
  { name: "a residual network with option A and convolution shortcuts", batch: 3, graph: residual(4) },
  { name: "a grouped network with factors on activations", batch: 2, graph: grouped() },
  { name: "a folded network", batch: 4, graph: folded() },
];

function sequential(): Graph {
  return from([3, 8, 8], (b, src) => {
    const first = b.relu(
      "relu1",
      b.batchNormalization("bn1", b.convolution("conv1", src, { channels: 6, kernel: 3, padding: 1 })),
    );
    const second = b.convolution("conv2", b.maxPooling("pool1", first, { kernel: 2 }), {
      channels: 10,
      kernel: 3,
      padding: 1,
      bias: true,
    });
    const third = b.averagePooling("pool2", b.relu("relu2", second), { kernel: 3, strides: 2, padding: 1 });
    return b.linear("classifier", b.relu("relu3", b.linear("hidden", b.flatten("flat", third), 9)), 4);
  });
}

/** Rows of tables for one number of an image and for the second of two, which are numbers for another node. */
function lookups(): Graph {
  const b = new GraphBuilder("case");
  const features = b.flatten("flat", b.globalAveragePooling("pool", b.input("src", ["N", 3, 4, 5])));
  const [kind, pair] = [b.input("kind", ["N"], "int64"), b.input("pair", ["N", 2], "int32")];
  const rows = [b.lookup("first", kind, 3, 4), b.lookup("second", pair, 5, 2, 1), b.lookup("third", pair, 3, 1)];
  b.output(b.concatenation("join", [features, ...rows, pair]));
  return b.build();
}

/** Three blocks of `width`, twice that, and 4 more channels. */
function residual(width: number): Graph {
  return from([3, 8, 8], (b, src) => {
    const branch = (name: string, value: string, channels: number, strides: number): string => {
      const first = b.convolution(`${name}.conv1`, value, { channels, kernel: 3, padding: 1, strides });
      const second = b.relu(`${name}.relu1`, b.batchNormalization(`${name}.bn1`, first));
      return b.batchNormalization(
        `${name}.bn2`,
        b.convolution(`${name}.conv2`, second, { channels, kernel: 3, padding: 1 }),
      );
    };
    const stem = b.relu(
      "stem.relu",
      b.batchNormalization("stem.bn", b.convolution("stem.conv", src, { channels: width, kernel: 3, padding: 1 })),
    );
    const one = b.relu("one", b.add("one.add", stem, branch("one", stem, width, 1)));
    const shortcut = b.pad("two.pad", b.subsample("two.half", one, 2), [0, width / 2, 0, 0], [0, width / 2, 0, 0]);
    const two = b.relu("two", b.add("two.add", branch("two", one, 2 * width, 2), shortcut));
    const projected = b.batchNormalization(
      "three.bn",
      b.convolution("three.conv", two, { channels: 2 * width + 4, kernel: 1, strides: 2 }),
    );
    const three = b.relu("three", b.add("three.add", branch("three", two, 2 * width + 4, 2), projected));
    return b.linear("classifier", b.flatten("flat", b.globalAveragePooling("pool", three)), 4);
  });
}

function grouped(): Graph {
  return from([4, 6, 6], (b, src) => {
    const wide = b.relu(
      "relu1",
      b.scale(
        "conv1.neuron",
        b.batchNormalization("bn1", b.convolution("conv1", src, { channels: 12, kernel: 1 })),
        12,
      ),
    );
    const group = b.scale(
      "conv2.group",
      b.batchNormalization("bn2", b.convolution("conv2", wide, { channels: 12, kernel: 3, padding: 1, groups: 3 })),
      3,
    );
    const joined = b.concatenation("join", [b.relu("relu2", group), wide, src]);
    const branch = b.scale(
      "conv3.block",
      b.batchNormalization("bn3", b.convolution("conv3", joined, { channels: 4, kernel: 1 })),
      1,
    );
    const sum = b.relu("relu3", b.add("sum", src, branch));
    return b.linear("classifier", b.flatten("flat", b.globalAveragePooling("pool", sum)), 4);
  });
}

/** One factor a channel on the scale and the shift of a batch normalization, and one for all of another's. */
function folded(): Graph {
  return from([3, 6, 6], (b, src) => {
    const layer = (name: string, value: string, channels: number, factors: number): string => {
      const convolved = b.convolution(`${name}.conv`, value, { channels, kernel: 3, padding: 1 });
      const factor = b.parameter(`${name}.factor`, [factors], "factor");
      const affine = (["scale", "shift"] as const).map((kind) =>
        b.node("scale", `${name}.bn.${kind}.scaled`, [b.parameter(`${name}.bn.${kind}`, [channels], kind), factor], {
          axis: 0,
        }),
      );
      const statistics = (["running_mean", "running_variance"] as const).map((kind) =>
        b.parameter(`${name}.bn.${kind}`, [channels], kind),
      );
      return b.node("batch_normalization", `${name}.bn`, [convolved, ...affine, ...statistics], {
        epsilon: 1e-5,
        momentum: 0.1,
      });
    };
    const first = b.relu("relu1", layer("one", src, 5, 5));
    const second = b.relu("relu2", b.add("sum", first, layer("two", first, 5, 1)));
    return b.linear("classifier", b.flatten("flat", b.globalAveragePooling("pool", second)), 4);
  });
}
