/** Forms of ops over images, each with the outputs of ONNX Runtime, or refused by the node's name. */
import { describe, expect, test } from "vitest";
import { valueMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { normal, relativeDifference } from "../../engine/random-data.ts";
import { BATCH, expectRight, ownAnswer, type RefusedForm, runtimeAnswer, testRefusals } from "./expect-right.ts";
import {
  type AttributeValues,
  attributes,
  counted,
  floats,
  integers,
  type ModelParts,
  node,
  onnxModel,
} from "./models.ts";

/** A transposed convolution of 4 channels by `weights`, on images of 5 × 4. */
function transposed(weights: readonly number[], values: AttributeValues, bias = false): ModelParts {
  const group = typeof values["group"] === "number" ? values["group"] : 1;
  return {
    features: [4, 5, 4],
    tensors: [counted("weights", weights), ...(bias ? [counted("bias", [(weights[1] ?? 0) * group])] : [])],
    nodes: [node("ConvTranspose", bias ? ["x", "weights", "bias"] : ["x", "weights"], "y", attributes(values))],
  };
}

/** A `Gather` along `axis`. */
function taken(indices: number[], dims: number[], axis: number): ModelParts {
  return {
    features: [4, 5, 6],
    tensors: [integers("indices", indices, dims)],
    nodes: [node("Gather", ["x", "indices"], "y", attributes({ axis }))],
  };
}

type Range = readonly [start: number, end: number, axis: number, step: number];

/** A `Slice` of axes of images of 5 × 6. */
function sliced(...ranges: readonly Range[]): ModelParts {
  const at = (place: 0 | 1 | 2 | 3): number[] => ranges.map((range) => range[place]);
  const numbers = Object.entries({ starts: at(0), ends: at(1), axes: at(2), steps: at(3) });
  return {
    features: [4, 5, 6],
    tensors: numbers.map(([name, values]) => integers(name, values)),
    nodes: [node("Slice", ["x", ...numbers.map(([name]) => name)], "y")],
  };
}

/** A `Tile` of `features`. */
function tiled(features: readonly number[], repeats: number[]): ModelParts {
  return { features, tensors: [integers("repeats", repeats)], nodes: [node("Tile", ["x", "repeats"], "y")] };
}

/** A reshape, a transpose and a reshape of `features`. */
function rearranged(features: readonly number[], apart: number[], perm: number[], to: number[]): ModelParts {
  return {
    features,
    tensors: [integers("apart", [0, ...apart]), integers("to", [0, ...to])],
    nodes: [
      node("Reshape", ["x", "apart"], "split"),
      node("Transpose", ["split"], "turned", attributes({ perm })),
      node("Reshape", ["turned", "to"], "y"),
    ],
  };
}

/** The op of the one node that each becomes. */
const rearrangements: readonly (readonly [name: string, parts: ModelParts, op: string])[] = [
  ["a shuffle of channels", rearranged([6, 3, 4], [2, 3, 3, 4], [0, 2, 1, 3, 4], [6, 3, 4]), "gather"],
  ["a shuffle of three axes", rearranged([8, 5], [2, 2, 2, 5], [0, 3, 1, 2, 4], [8, 5]), "gather"],
  ["a shuffle of features", rearranged([6], [3, 2], [0, 2, 1], [6]), "gather"],
  [
    "pixels from channels, DCR",
    rearranged([8, 3, 2], [2, 2, 2, 3, 2], [0, 3, 4, 1, 5, 2], [2, 6, 4]),
    "depth_to_space",
  ],
  [
    "pixels from channels, CRD",
    rearranged([8, 3, 2], [2, 2, 2, 3, 2], [0, 1, 4, 2, 5, 3], [2, 6, 4]),
    "depth_to_space",
  ],
  [
    "channels from pixels, DCR",
    rearranged([2, 6, 4], [2, 3, 2, 2, 2], [0, 3, 5, 1, 2, 4], [8, 3, 2]),
    "space_to_depth",
  ],
  [
    "channels from pixels, CRD",
    rearranged([2, 6, 4], [2, 3, 2, 2, 2], [0, 1, 3, 5, 2, 4], [8, 3, 2]),
    "space_to_depth",
  ],
];

describe("a reshape, a transpose and a reshape become one node", () => {
  test.each(rearrangements)("%s", async (_, parts, op) => {
    const { graph } = await expectRight(parts);
    expect(graph.nodes.map((one) => one.op)).toEqual([op]);
  });
});

/** A node over signals of 4 × 9, with `weights` if it is a layer. */
function signal(opType: string, values: AttributeValues, weights?: readonly number[]): ModelParts {
  return {
    features: [4, 9],
    tensors: weights === undefined ? [] : [counted("weights", weights)],
    nodes: [node(opType, weights === undefined ? ["x"] : ["x", "weights"], "y", attributes(values))],
  };
}

/** A node over volumes of 4 × 5 × 6 with 4 channels, with `weights` if it is a layer. */
function volume(opType: string, values: AttributeValues, weights?: readonly number[]): ModelParts {
  return { ...signal(opType, values, weights), features: [4, 4, 5, 6] };
}

/** A `Resize` of images of 5 × 6, by `scales` or to `sizes`. */
function resized(values: AttributeValues, scales: number[] | undefined, sizes: number[] = [], opset = 17): ModelParts {
  const named = scales === undefined ? ["x", "", "", "sizes"] : opset < 11 ? ["x", "scales"] : ["x", "", "scales"];
  return {
    features: [3, 5, 6],
    opset,
    tensors: scales === undefined ? [integers("sizes", sizes)] : [floats("scales", scales)],
    nodes: [node("Resize", named, "y", attributes(values))],
  };
}

interface ResizeTarget {
  readonly scales?: readonly number[];
  readonly sizes?: readonly number[];
  readonly opset?: number;
}

/** A `Resize` of signals of 4 × 9 or volumes of 2 × 4 × 5 × 6, by `scales` or to `sizes`. */
function resizedPixels(
  features: readonly number[],
  values: AttributeValues,
  { scales, sizes = [], opset = 17 }: ResizeTarget,
): ModelParts {
  return { ...resized(values, scales && [...scales], [...sizes], opset), features };
}

/** A `Pad` of images of 5 × 6 with pixels of their own. */
function bordered(mode: string, pads: number[], opset = 17): ModelParts {
  return {
    features: [3, 5, 6],
    opset,
    tensors: [integers("pads", pads)],
    nodes: [node("Pad", ["x", "pads"], "y", attributes({ mode }))],
  };
}

/** A `Pad` with a number. */
function padded(value: number, pads: number[]): ModelParts {
  return {
    features: [3, 5, 6],
    tensors: [integers("pads", pads), floats("value", [value], [])],
    nodes: [node("Pad", ["x", "pads", "value"], "y")],
  };
}

const right: readonly (readonly [name: string, parts: ModelParts])[] = [
  ["a transposed convolution without attributes", transposed([4, 3, 2, 3], {})],
  ["one that doubles", transposed([4, 3, 2, 2], { strides: [2, 2], kernel_shape: [2, 2] }, true)],
  [
    "one with output padding",
    transposed([4, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] }, true),
  ],
  ["one in groups, with dilations", transposed([4, 3, 3, 3], { group: 2, dilations: [2, 1], strides: [1, 2] }, true)],
  ["a depthwise one", transposed([4, 1, 4, 4], { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] })],
  ["one that names its output", transposed([4, 3, 3, 3], { strides: [2, 2], output_shape: [10, 8] })],
  ["one with more padding above", transposed([4, 3, 4, 4], { strides: [2, 2], auto_pad: "SAME_LOWER" })],
  ["one with more padding below", transposed([4, 3, 3, 4], { strides: [2, 3], auto_pad: "SAME_UPPER" })],
  ["one with padding on one side", transposed([4, 3, 3, 3], { pads: [0, 2, 1, 0], strides: [1, 2] })],
  ["one without padding", transposed([4, 3, 3, 3], { auto_pad: "VALID" })],
  ["a convolution of signals", signal("Conv", { pads: [1, 2], strides: [2] }, [6, 4, 3])],
  ["one in groups, with holes", signal("Conv", { dilations: [2], group: 2, pads: [2, 1] }, [6, 2, 3])],
  ["a transposed convolution of signals", signal("ConvTranspose", { strides: [2], output_padding: [1] }, [4, 3, 3])],
  ["the maxima of a signal", signal("MaxPool", { kernel_shape: [3], strides: [2], pads: [1, 1] })],
  ["the means of a signal", signal("AveragePool", { kernel_shape: [2], ceil_mode: 1, strides: [2] })],
  ["the mean of a signal", signal("GlobalAveragePool", {})],
  ["a convolution of volumes", volume("Conv", { pads: [1, 0, 2, 0, 1, 1], strides: [1, 2, 1] }, [6, 4, 3, 2, 3])],
  ["one in groups, with holes", volume("Conv", { dilations: [1, 2, 2], group: 2 }, [6, 2, 3, 2, 3])],
  ["one padded as far as it needs", volume("Conv", { auto_pad: "SAME_LOWER", strides: [2, 1, 3] }, [6, 4, 3, 2, 2])],
  [
    "a transposed convolution of volumes",
    volume(
      "ConvTranspose",
      { strides: [2, 1, 3], output_padding: [1, 0, 2], pads: [0, 1, 0, 1, 0, 1] },
      [4, 3, 2, 3, 3],
    ),
  ],
  [
    "the maxima of a volume",
    volume("MaxPool", { kernel_shape: [2, 3, 2], strides: [1, 2, 2], pads: [0, 1, 1, 1, 0, 0], ceil_mode: 1 }),
  ],
  ["maxima of a volume with holes", volume("MaxPool", { kernel_shape: [2, 2, 3], dilations: [3, 1, 2] })],
  [
    "the means of a volume, padding counted where it is asked for",
    volume("AveragePool", {
      ...{ kernel_shape: [2, 3, 3], strides: [1, 2, 2], pads: [0, 1, 1, 0, 1, 0] },
      ...{ count_include_pad: 1, ceil_mode: 1 },
    }),
  ],
  ["the mean of a volume", volume("GlobalAveragePool", {})],
  ["the maximum of a volume", volume("GlobalMaxPool", {})],
  ["a mean over the pixels of a volume", volume("ReduceMean", { axes: [2, 3, 4], keepdims: 0 })],
  [
    "an instance norm of a volume",
    {
      features: [4, 3, 2, 3],
      tensors: [floats("gain", [1, 2, 0.5, -1]), floats("shift", [0, 1, 2, 3])],
      nodes: [node("InstanceNormalization", ["x", "gain", "shift"], "y")],
    },
  ],
  [
    "signals through two convolutions",
    {
      features: [3, 9],
      tensors: [counted("a", [4, 3, 3]), counted("b", [5, 4, 2]), counted("shift", [4])],
      nodes: [
        node("Conv", ["x", "a", "shift"], "first"),
        node("Relu", ["first"], "open"),
        node("Conv", ["open", "b"], "y"),
      ],
    },
  ],
  ["linear, doubled", resized({ mode: "linear" }, [1, 1, 2, 2])],
  ["linear, by a factor that is no ratio", resized({ mode: "linear" }, [1, 1, 1.3, 0.7])],
  ["linear before opset 11", resized({ mode: "linear" }, [1, 1, 2, 1.5], [], 10)],
  [
    "linear, with corners that stay",
    {
      ...resized({ mode: "linear", coordinate_transformation_mode: "align_corners" }, [1, 1, 1.8, 2.5]),
    },
  ],
  ["two axes named", resized({ mode: "linear", axes: [2, 3] }, undefined, [7, 4], 18)],
  ["the nearest of fewer pixels", resized({ mode: "nearest" }, [1, 1, 0.6, 0.5])],
  ["the nearest of fewer pixels before opset 11", resized({ mode: "nearest" }, [1, 1, 0.7, 0.3], [], 10)],
  ...(["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"] as const).flatMap((coordinates) =>
    (["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] as const).map(
      (rounding): [name: string, parts: ModelParts] => [
        `the nearest pixel where two are equally near: ${coordinates}, ${rounding}`,
        {
          ...resized({ coordinate_transformation_mode: coordinates, nearest_mode: rounding }, [1, 1, 0.6, 2.3], [], 19),
          features: [2, 10, 8],
        },
      ],
    ),
  ),
  ["cubic", resized({ mode: "cubic", exclude_outside: 1 }, [1, 1, 1.6, 2])],
  ...(
    [
      ["linear", { mode: "linear" }, { scales: [1, 1, 2] }],
      [
        "linear, with corners that stay",
        { mode: "linear", coordinate_transformation_mode: "align_corners" },
        { scales: [1, 1, 3] },
      ],
      ["the nearest", { mode: "nearest" }, { scales: [1, 1, 0.7] }],
      [
        "repeated",
        { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
        { scales: [1, 1, 3] },
      ],
      ["linear, of a named axis", { mode: "linear", axes: [-1] }, { sizes: [13], opset: 18 }],
      ["linear before opset 11", { mode: "linear" }, { scales: [1, 1, 1.6], opset: 10 }],
    ] as const
  ).map(([name, values, target]): [string, ModelParts] => [
    `a signal of another length: ${name}`,
    resizedPixels([4, 9], values, target),
  ]),
  ...(
    [
      ["linear", { mode: "linear" }, { scales: [1, 1, 2, 1.5, 2] }],
      ["linear to sizes", { mode: "linear", axes: [2, 3, 4] }, { sizes: [3, 7, 4], opset: 18 }],
      [
        "linear, with corners that stay",
        { mode: "linear", coordinate_transformation_mode: "align_corners" },
        { scales: [1, 1, 2, 3, 1] },
      ],
      ["the nearest", { mode: "nearest" }, { scales: [1, 1, 0.7, 2, 1] }],
      [
        "repeated",
        { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
        { scales: [1, 1, 2, 3, 1] },
      ],
      ["of two named axes", { mode: "linear", axes: [2, -1] }, { sizes: [7, 9], opset: 18 }],
    ] as const
  ).map(([name, values, target]): [string, ModelParts] => [
    `a volume of another size: ${name}`,
    resizedPixels([2, 4, 5, 6], values, target),
  ]),
  ...(["reflect", "edge", "wrap"] as const).flatMap((mode): [string, ModelParts][] => [
    [`a border of a signal: ${mode}`, { ...bordered(mode, [0, 0, 3, 0, 0, 2], 19), features: [4, 9] }],
    [
      `a border of a volume: ${mode}`,
      { ...bordered(mode, [0, 0, 1, 2, 0, 0, 0, 3, 1, 4], 19), features: [2, 4, 5, 6] },
    ],
  ]),
  [
    "a border of a signal along a named axis",
    {
      features: [4, 9],
      opset: 18,
      tensors: [integers("pads", [2, 3]), integers("axes", [-1])],
      nodes: [node("Pad", ["x", "pads", "", "axes"], "y", attributes({ mode: "reflect" }))],
    },
  ],
  ["a mirrored border", bordered("reflect", [0, 0, 1, 2, 0, 0, 3, 0])],
  ["a border of the last pixels", bordered("edge", [0, 0, 7, 0, 0, 0, 1, 2])],
  ["a border from the other side", bordered("wrap", [0, 0, 2, 1, 0, 0, 0, 3], 19)],
  ["a border of ones", padded(1, [0, 0, 1, 2, 0, 0, 0, 3])],
  ["a border of low numbers, and a channel of them", padded(-1e30, [0, 0, 0, 1, 0, 1, 0, 0])],
  ["columns of a negative number", padded(-0.25, [0, 0, 0, 2, 0, 0, 0, 0])],
  ["pixels that stay apart", rearranged([6, 3, 4], [2, 3, 3, 4], [0, 2, 3, 1, 4], [6, 3, 4])],
  ["a reshape back", { ...rearranged([6, 3, 4], [2, 3, 12], [0, 1, 2, 3], [6, 12]) }],
  ["one channel", taken([2], [], 1)],
  ["the last row", taken([-1], [], 2)],
  ["every other column", taken([0, 2, 4], [3], 3)],
  ["channels in another order", taken([3, 0, 0, -2], [4], 1)],
  ["columns in another order", taken([0, 2, 1, 1], [4], 3)],
  ["mirrored images", sliced([-1, -(2 ** 31), 3, -1])],
  ["every other row from below", sliced([3, -6, 2, -2])],
  ["images turned by half", sliced([-1, -(2 ** 31), 2, -1], [-1, -(2 ** 31), 3, -1])],
  ["rows forwards, columns and channels backwards", sliced([1, 4, 2, 2], [-2, 0, 3, -1], [2, -9, -3, -1])],
  ["channels from behind", sliced([10, 0, 1, -1])],
  ["tiles of channels and rows", tiled([4, 3, 2], [1, 2, 3, 1])],
  ["tiles of one pixel", tiled([4, 1, 1], [1, 1, 3, 2])],
  ["tiles of one row, and of columns", tiled([4, 1, 3], [1, 1, 2, 2])],
  ["tiles of a vector", tiled([4], [1, 3])],
  ["pads that cut off", padded(0, [0, -1, -2, 0, 0, 0, 0, -1])],
  ["pads that cut off and add", padded(0, [0, 0, -1, 2, 0, 1, 0, -1])],
  ["pads that cut off and add a number", padded(0.5, [0, 0, -1, 2, 0, 1, 0, -1])],
  [
    "channels from pixels",
    { features: [3, 4, 6], nodes: [node("SpaceToDepth", ["x"], "y", attributes({ blocksize: 2 }))] },
  ],
  [
    "pixels from channels before opset 11",
    { features: [8, 2, 3], opset: 10, nodes: [node("DepthToSpace", ["x"], "y", attributes({ blocksize: 2 }))] },
  ],
];

describe("forms with the outputs of ONNX Runtime", () => {
  test.each(right)("%s", async (_, parts) => {
    await expectRight(parts);
  });
});

describe("a file of opset 28", () => {
  const parts = (opset: number, blocks: AttributeValues, cast: AttributeValues): ModelParts => ({
    features: [3, 4, 6],
    opset,
    nodes: [
      node("Cast", ["x"], "images", attributes({ to: 1, ...cast })),
      node("SpaceToDepth", ["images"], "y", attributes({ blocksize: 2, ...blocks })),
    ],
  });

  test("is read, and written in the newest opset that runtimes run", () => {
    const bytes = onnxModel(parts(28, { mode: "CRD" }, { round_mode: "nearest" }));
    const network = readOnnx(bytes, "new.onnx");
    expect(network.graph.nodes.map(({ attributes: own }) => own)).toEqual([{ block: 2, mode: "CRD" }]);
    expect(network.graph.header?.opset).toBe(26);
    const older = readOnnx(onnxModel(parts(26, {}, {})), "older.onnx");
    expect(older.graph.nodes.map(({ attributes: own }) => own)).toEqual([{ block: 2, mode: "DCR" }]);
  });
});

describe("an open height and width", () => {
  const parts = (dims: readonly (string | number)[]): ModelParts => ({
    features: [],
    tensors: [counted("weights", [4, 3, 3, 3])],
    nodes: [node("Conv", ["x", "weights"], "maps"), node("GlobalMaxPool", ["maps"], "y")],
    change: ({ graph }) => {
      if (graph) graph.input = [valueMessage("x", 1, [...dims])];
    },
  });

  test("are bound by the size that is asked for", async () => {
    const bytes = onnxModel(parts(["batch", 3, "h", "w"]));
    const images = normal([BATCH, 3, 6, 7], 6, "images");
    const network = readOnnx(bytes, "open.onnx", undefined, { size: [6, 7] });
    expect(network.graph.inputs[0]?.shape).toEqual(["N", 3, 6, 7]);
    const expected = await runtimeAnswer(bytes, images);
    expect(relativeDifference(ownAnswer(network, images).data, expected.data)).toBeLessThan(1e-5);
  });

  test("an axis with a size keeps it, and open channels are refused", () => {
    const { graph } = readOnnx(onnxModel(parts(["batch", 3, 5, "w"])), "open.onnx", undefined, { size: [6, 7] });
    expect(graph.inputs[0]?.shape).toEqual(["N", 3, 5, 7]);
    const read = (): unknown =>
      readOnnx(onnxModel(parts(["batch", "c", 5, 5])), "open.onnx", undefined, { size: [6, 7] });
    expect(read).toThrow(/axis 1 must have a fixed size/);
  });
});

const refused: readonly RefusedForm[] = [
  ["kernels of images over a volume", volume("Conv", {}, [6, 4, 3, 3]), /its weights have other axes than its pixels/],
  [
    "more channels of a volume",
    {
      features: [4, 3, 5, 6],
      tensors: [floats("scales", [1, 2, 2, 2, 2])],
      nodes: [node("Resize", ["x", "", "scales"], "y", attributes({ mode: "linear" }))],
    },
    /its scales resize other axes than those of pixels/,
  ],
  [
    "a transposed convolution whose weights are computed",
    { features: [4, 5, 4], nodes: [node("ConvTranspose", ["x", "x"], "y")] },
    /its weights must be a constant/,
  ],
  ["one of uneven groups", transposed([4, 3, 2, 2], { group: 3 }), /its groups do not divide the channels/],
  ["one with output padding of a stride", transposed([4, 3, 2, 2], { output_padding: [1, 0] }), /output padding/],
  ["a slice backwards of the batch", sliced([-1, -4, 0, -1]), /Slice "y\/node".*must take the whole batch/],
  ["a slice backwards of nothing", sliced([0, 3, 3, -1]), /Slice "y\/node".*its result is empty/],
  ["tiles of the batch", tiled([4, 3], [2, 1, 1]), /Tile "y\/node".*repeats the images of the batch/],
  ["pads that leave nothing", padded(0, [0, 0, -3, 0, 0, 0, -2, 0]), /Pad "y\/node".*its pads leave nothing/],
  ["images of the batch", taken([0], [1], 0), /takes single images of the batch/],
  ["channels that are not there", taken([4], [1], 1), /takes indices beyond the axis/],
  ["a border of channels", bordered("edge", [0, 1, 0, 0, 0, 0, 0, 0]), /pads other axes than those of pixels/],
  ["a region of interest", resized({ coordinate_transformation_mode: "tf_crop_and_resize" }, [1, 1, 2, 2]), /coord/],
  ["more rows of fewer columns before opset 11", resized({ mode: "nearest" }, [1, 1, 2, 0.3], [], 10), /in two ways/],
  ["no pixels", resized({ mode: "nearest" }, [1, 1, 0.1, 1]), /leaves no pixels/],
  ["a blur", resized({ mode: "linear", antialias: 1 }, [1, 1, 0.5, 0.5], [], 18), /blurs/],
  ["a mode that there is not", resized({ mode: "sinc" }, [1, 1, 2, 2]), /its mode is not known/],
  ["one with unknown padding", transposed([4, 3, 2, 2], { auto_pad: "SAME" }), /auto_pad is not known/],
];

testRefusals(refused);
