/** ONNX `Resize` and the older `Upsample` ↔ upsampling: nearest pixel, integer factors. */
import type { Pair } from "../../../graph/ops.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { isBatch } from "./batch.ts";
import { imageSize } from "./conv.ts";

export const writeUpsampling: WriteRule<"upsampling"> = (node, context) => {
  const scales = context.floats(`${node.name}/scales`, [1, 1, ...node.attributes.factors]);
  context.write("Resize", node, [...node.inputs, "", scales], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  });
};

export const readResize: ReadRule = (node, context) => {
  const mode = node.string("mode", "nearest");
  node.check(mode === "nearest", "only nearest-neighbour resizing is supported", "nearest", mode);
  const image = imageSize(node, context);
  const isOld = node.opType === "Upsample" || node.opset < 11;
  const coordinates = node.string("coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel");
  const rounding = node.string("nearest_mode", isOld ? "floor" : "round_prefer_floor");
  node.float("cubic_coeff_a", 0);
  node.float("extrapolation_value", 0);
  node.int("exclude_outside", 0);
  node.int("antialias", 0);
  node.string("keep_aspect_ratio_policy", "stretch");
  node.check(!node.has("axes"), "the axes attribute is not supported");
  const [height, width] = targetSize(node, context, image, isOld);
  const factors: Pair = [height / image[0], width / image[1]];
  node.check(
    factors.every((factor) => Number.isInteger(factor) && factor >= 1),
    "only integer factors are supported",
    `multiples of ${image[0]} × ${image[1]}`,
    `${height} × ${width}`,
  );
  const isRepeating = ([0, 1] as const).every((axis) => repeats(image[axis], factors[axis], coordinates, rounding));
  node.check(
    isRepeating,
    "does not repeat each pixel equally often",
    "asymmetric, floor",
    `${coordinates}, ${rounding}`,
  );
  context.add(node, "upsampling", [node.input(0)], { factors });
};

function targetSize(node: NodeReader, context: ReadContext, image: Pair, isOld: boolean): Pair {
  const [scaleSlot, sizeSlot] = isOld ? [1, 3] : [2, 3];
  if (!isOld && (node.inputs[sizeSlot] ?? "") !== "") {
    const [batch, channels, height = 0, width = 0] = context.scalars(node, node.input(sizeSlot));
    const [, own] = context.shape(node.input(0));
    node.check(isBatch(batch, context) && channels === own, "its sizes resize other axes than height and width");
    return [Number(height), Number(width)];
  }
  const scales = node.has("scales") ? node.floats("scales") : context.constant(node.input(scaleSlot))?.values;
  const [batch, channels, rows, columns] = Array.from(scales ?? [], Number);
  node.check(
    batch === 1 && channels === 1,
    "its scales resize other axes than height and width",
    "1, 1, …",
    `${batch}, ${channels}`,
  );
  return [Math.floor(image[0] * (rows ?? 0)), Math.floor(image[1] * (columns ?? 0))];
}

const roundings: Readonly<Record<string, (place: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: (place) => Math.ceil(place - 0.5),
  round_prefer_ceil: (place) => Math.floor(place + 0.5),
};

/** Whether pixel i of the large image is pixel ⌊i / factor⌋ of the small one, for every i. */
function repeats(size: number, factor: number, coordinates: string, rounding: string): boolean {
  const large = size * factor;
  const place: Readonly<Record<string, (index: number) => number>> = {
    asymmetric: (index) => index / factor,
    half_pixel: (index) => (index + 0.5) / factor - 0.5,
    half_pixel_symmetric: (index) => (index + 0.5) / factor - 0.5,
    pytorch_half_pixel: (index) => (large > 1 ? (index + 0.5) / factor - 0.5 : 0),
    tf_half_pixel_for_nn: (index) => (index + 0.5) / factor,
    align_corners: (index) => (large > 1 ? (index * (size - 1)) / (large - 1) : 0),
  };
  const [at, round] = [place[coordinates], roundings[rounding]];
  if (at === undefined || round === undefined) return false;
  const within = (index: number): number => Math.min(size - 1, Math.max(0, index));
  return Array.from({ length: large }, (_, index) => index).every(
    (index) => within(round(at(index))) === Math.floor(index / factor),
  );
}
