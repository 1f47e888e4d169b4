/** Random nodes that go over images of one, two or three axes: convolutions, poolings, resizing. */
import { floatsAttribute, maybe } from "./attributes.ts";
import type { Attributes, Draft, Layer } from "./draft.ts";

/** Strides, dilations and padding of a window over `axes` axes. */
function windowAttributes(draft: Draft, axes: number, kernel: readonly number[]): Attributes {
  const { draw } = draft;
  const each = (low: number, high: number): number[] => Array.from({ length: axes }, () => draw.between(low, high));
  // Padding of more than the kernel is now and then asked for.
  const most = draw.chance(0.1) ? 3 : Math.min(2, Math.max(...kernel) - 1);
  const padding = draw.chance(0.7)
    ? maybe(draft, "pads", [...each(0, most), ...each(0, most)])
    : { auto_pad: draw.pick(["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"]) };
  return {
    ...padding,
    ...maybe(draft, "strides", each(1, 3)),
    ...(draw.chance(0.2) ? { dilations: each(1, 2) } : {}),
  };
}

function kernelOf(draft: Draft, axes: number): number[] {
  // One may be larger than the image.
  const most = draft.draw.chance(0.1) ? 7 : 3;
  return Array.from({ length: axes }, () => draft.draw.between(1, most));
}

const conv: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const [, channels = 0, ...pixels] = shape;
  if (pixels.length < 1 || pixels.length > 3) return undefined;
  const divisors = Array.from({ length: channels }, (_, index) => index + 1).filter((one) => channels % one === 0);
  const groups = draw.chance(0.6) ? 1 : draw.pick(divisors);
  const outputs = groups * draw.between(1, groups === 1 ? 18 : 3);
  const kernel = kernelOf(draft, pixels.length);
  const weights = draft.weights([outputs, channels / groups, ...kernel], 0);
  return draft.node("Conv", [name, weights, ...(draw.chance(0.5) ? [draft.floats([outputs])] : [])], {
    ...windowAttributes(draft, pixels.length, kernel),
    ...maybe(draft, "kernel_shape", kernel),
    ...(groups === 1 ? {} : { group: groups }),
  });
};

const convTranspose: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  const [, channels = 0, ...pixels] = shape;
  if (pixels.length < 1 || pixels.length > 3) return undefined;
  const divisors = Array.from({ length: channels }, (_, index) => index + 1).filter((one) => channels % one === 0);
  const groups = draw.chance(0.6) ? 1 : draw.pick(divisors);
  const perGroup = draw.between(1, groups === 1 ? 18 : 3);
  const kernel = kernelOf(draft, pixels.length);
  const weights = draft.weights([channels, perGroup, ...kernel], 1);
  const { strides, ...attributes } = windowAttributes(draft, pixels.length, kernel);
  const asked = draw.chance(0.1) ? pixels.map((size) => 2 * size + draw.between(0, 1)) : undefined;
  return draft.node(
    "ConvTranspose",
    [name, weights, ...(draw.chance(0.5) ? [draft.floats([perGroup * groups])] : [])],
    {
      ...attributes,
      strides: strides ?? (asked === undefined ? undefined : pixels.map(() => 2)),
      ...maybe(draft, "kernel_shape", kernel),
      ...(groups === 1 ? {} : { group: groups }),
      ...(draw.chance(0.2) ? { output_padding: pixels.map(() => draw.between(0, 1)) } : {}),
      ...(asked === undefined ? {} : { output_shape: asked }),
    },
  );
};

function pool(opType: "MaxPool" | "AveragePool"): Layer {
  return (draft, { name, shape }) => {
    const axes = shape.length - 2;
    if (axes < 1 || axes > 3) return undefined;
    const kernel = kernelOf(draft, axes);
    const { dilations, ...attributes } = windowAttributes(draft, axes, kernel);
    const mayDilate = draft.opset >= (opType === "MaxPool" ? 10 : 19);
    return draft.node(opType, [name], {
      ...attributes,
      kernel_shape: kernel,
      ...(mayDilate && dilations !== undefined ? { dilations } : {}),
      ...(draft.opset >= 10 ? maybe(draft, "ceil_mode", draft.draw.between(0, 1)) : {}),
      ...(opType === "AveragePool" ? maybe(draft, "count_include_pad", draft.draw.between(0, 1)) : {}),
    });
  };
}

function globalPool(opType: string): Layer {
  return (draft, { name, shape }) => (shape.length < 3 ? undefined : draft.node(opType, [name]));
}

const reduceMean: Layer = (draft, { name, shape }) => {
  const { draw, opset } = draft;
  const pixels = [2, 3].map((axis) => (draw.chance(0.5) ? axis - shape.length : axis));
  const some = shape.map((_, axis) => axis).filter(() => draw.chance(0.4));
  const axes = shape.length === 4 && draw.chance(0.6) ? pixels : some;
  const keeps = maybe(draft, "keepdims", draw.between(0, 1));
  if (opset < 18) return draft.node("ReduceMean", [name], { axes: axes.length === 0 ? undefined : axes, ...keeps });
  return draft.node("ReduceMean", [name, draft.integers(axes)], {
    ...keeps,
    ...maybe(draft, "noop_with_empty_axes", draw.between(0, 1)),
  });
};

const coordinates = ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"];
const olderCoordinates = "tf_half_pixel_for_nn";
const roundings = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"];

const resize: Layer = (draft, { name, shape }) => {
  const { draw, opset } = draft;
  const [batch = 1, channels = 1, ...pixels] = shape;
  const factors = pixels.map(() => draw.pick([1, 1, 2, 2, 3, 1.5, 0.5]));
  const scales = [1, 1, ...factors];
  const mode = draw.pick(["nearest", "nearest", "linear", ...(opset < 11 ? [] : ["cubic"])]);
  if (opset < 9) return draft.node("Upsample", [name], { mode, scales: floatsAttribute("scales", scales) });
  if (opset < 10) return draft.node("Upsample", [name, draft.tensor(scales, [scales.length])], { mode });
  if (opset < 11) return draft.node("Resize", [name, draft.tensor(scales, [scales.length])], { mode });
  const attributes = {
    mode,
    ...maybe(
      draft,
      "coordinate_transformation_mode",
      draw.pick(opset < 13 ? [...coordinates, olderCoordinates] : coordinates),
    ),
    ...maybe(draft, "nearest_mode", draw.pick(roundings)),
  };
  const sizes = [batch, channels, ...pixels.map((size, axis) => Math.floor(size * (factors[axis] ?? 1)))];
  return draw.chance(0.5)
    ? draft.node("Resize", [name, "", draft.tensor(scales, [scales.length])], attributes)
    : draft.node("Resize", [name, "", "", draft.integers(sizes)], attributes);
};

export const windows: Readonly<Record<string, Layer>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool("MaxPool"),
  AveragePool: pool("AveragePool"),
  GlobalAveragePool: globalPool("GlobalAveragePool"),
  GlobalMaxPool: globalPool("GlobalMaxPool"),
  ReduceMean: reduceMean,
  Resize: resize,
};
