/**
 * ONNX `Resize` and the older `Upsample` ↔ upsampling, where each pixel is repeated equally often, or resampling: the
 * nearest pixel, linear and cubic, with all of ONNX's coordinates but those of a region of interest.
 */
import { UserError } from "../../../core/errors.ts";
import type { Extents, Pair, ResamplingAttributes, ResizeCoordinates } from "../../../graph/attributes.ts";
import type { Node } from "../../../graph/graph.ts";
import { tapsOf } from "../../../graph/resampling.ts";
import { extentsOf, PIXELS_FROM, sidesOf } from "../../../graph/windows.ts";
import { shortestDecimal } from "../decimal.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteContext, WriteRule } from "../rules.ts";
import { isBatch } from "./batch.ts";
import { pixelsOf } from "./conv.ts";

export const writeUpsampling: WriteRule<"upsampling"> = (node, context) => {
  const scales = context.floats(`${node.name}/scales`, [1, 1, ...node.attributes.factors]);
  context.write("Resize", node, [...node.inputs, "", scales], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  });
};

export const writeResampling: WriteRule<"resampling"> = (node, context) => {
  const { attributes } = node;
  if ("padding" in attributes) {
    const sides = sidesOf(attributes.padding, context.shape(node.inputs[0] ?? "").length - PIXELS_FROM);
    const [before, after] = ([0, 1] as const).map((side) => [0, 0, ...sides.map((own) => own[side])]);
    const pads = context.integers(`${node.name}/pads`, [...(before ?? []), ...(after ?? [])]);
    // Opset 19 has the mode "wrap".
    if (attributes.method === "wrap" && context.opset < 19) {
      throw new UserError("unsupported", `opset ${context.opset} has no padding that wraps around`, {
        about: `resampling "${node.name}"`,
        hint: "Write the network in opset 19 or later",
      });
    }
    context.write("Pad", node, [...node.inputs, pads], { mode: attributes.method });
    return;
  }
  const scales = context.floats(`${node.name}/scales`, [1, 1, ...scalesOf(node, context)]);
  context.write("Resize", node, [...node.inputs, "", scales], {
    mode: attributes.method,
    coordinate_transformation_mode: attributes.coordinates,
    ...(attributes.method === "nearest" ? { nearest_mode: attributes.rounding } : {}),
    ...(attributes.method === "cubic" ? { cubic_coeff_a: { float: attributes.coefficient } } : {}),
    ...(attributes.method === "cubic" && attributes.excludesOutside === true ? { exclude_outside: 1 } : {}),
  });
  if (attributes.method === "cubic") {
    context.keepExact(node, "coefficient", attributes.coefficient, shortestDecimal(attributes.coefficient));
  }
};

/**
 * The factors in 32 bits, the first from the ratio of the sizes up with which a runtime finds the size again. A file
 * with an open batch size cannot name the sizes themselves.
 */
function scalesOf({ attributes, inputs }: Node<"resampling">, context: WriteContext): readonly number[] {
  if ("padding" in attributes) return [];
  const [, , ...own] = context.shape(inputs[0] ?? "");
  return own.map((from, axis) => {
    const to = attributes.size[axis] ?? 1;
    let scale = Math.fround(attributes.scales?.[axis] ?? to / from);
    while (Math.floor(Math.fround(from * scale)) < to) scale = Math.fround(scale * (1 + 2 ** -23));
    return scale;
  });
}

const coordinateNames: ReadonlySet<string> = new Set<ResizeCoordinates>([
  ...(["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"] as const),
  "tf_half_pixel_for_nn",
]);

function isCoordinates(name: string): name is ResizeCoordinates {
  return coordinateNames.has(name);
}

export const readResize: ReadRule = (node, context) => {
  const mode = node.string("mode", "nearest");
  const image = pixelsOf(node, context);
  const isOld = node.opType === "Upsample" || node.opset < 11;
  const coordinates = node.string("coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel");
  const coefficient = node.float("cubic_coeff_a", -0.75);
  node.float("extrapolation_value", 0);
  const excludesOutside = node.int("exclude_outside", 0) === 1;
  const policy = node.string("keep_aspect_ratio_policy", "stretch");
  node.check(policy === "stretch", "keeps the aspect ratio of images", "stretch", policy);
  const { size, scales } = targetOf(node, context, image, isOld);
  const leavesPixels = size.every((extent) => extent >= 1);
  node.check(leavesPixels, "leaves no pixels", "1 or more along each axis", size.join(" x "));
  const isSmaller = size.some((extent, axis) => extent < (image[axis] ?? 1));
  const isLarger = size.some((extent, axis) => extent > (image[axis] ?? 1));
  // Before opset 11, ONNX Runtime rounds up where an axis becomes smaller and down elsewhere.
  const isMixed = isOld && mode === "nearest" && isSmaller && isLarger;
  node.check(!isMixed, "makes one axis smaller and the other larger, which opset 10 rounds in two ways");
  const oldRounding = isSmaller ? "ceil" : "floor";
  const rounding = node.string("nearest_mode", isOld ? oldRounding : "round_prefer_floor");
  const blurs = node.int("antialias", 0) === 1 && mode !== "nearest" && isSmaller;
  node.check(!blurs, "blurs images that it makes smaller (antialias)");
  if (!isCoordinates(coordinates)) {
    throw node.unsupported("its coordinates are not supported", [...coordinateNames].join(", "), coordinates);
  }
  const resized = { size, coordinates, ...(scales === undefined ? {} : { scales }) };
  if (mode === "nearest") {
    const attributes = { method: mode, rounding: roundingOf(node, rounding), ...resized } as const;
    const [rows = 0, columns = 0, ...others] = size.map((extent, axis) => extent / (image[axis] ?? 1));
    if (others.length === 0 && repeats(image, [rows, columns], attributes))
      context.add(node, "upsampling", [node.input(0)], { factors: [rows, columns] });
    else context.add(node, "resampling", [node.input(0)], attributes);
    return;
  }
  node.check(mode === "linear" || mode === "cubic", "its mode is not known", "nearest, linear, cubic", mode);
  if (mode === "linear") {
    context.add(node, "resampling", [node.input(0)], { method: mode, ...resized });
    return;
  }
  context.add(node, "resampling", [node.input(0)], {
    method: "cubic",
    ...resized,
    coefficient: context.exact(node, "coefficient", shortestDecimal(coefficient), shortestDecimal),
    ...(excludesOutside ? { excludesOutside } : {}),
  });
};

type Rounding = Extract<ResamplingAttributes, { method: "nearest" }>["rounding"];
const roundingNames: readonly Rounding[] = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"];

function roundingOf(node: NodeReader, name: string): Rounding {
  const found = roundingNames.find((known) => known === name);
  if (found === undefined) throw node.unsupported("its nearest_mode is not known", roundingNames.join(", "), name);
  return found;
}

/** Whether pixel i of the large image is pixel ⌊i / factor⌋ of the small one, for every i along each axis. */
function repeats(
  image: Extents,
  factors: Pair,
  attributes: Extract<ResamplingAttributes, { method: "nearest" }>,
): boolean {
  if (!factors.every(Number.isInteger)) return false;
  return tapsOf(attributes, image).every((taps, axis) =>
    taps.every(([[place] = [0]], index) => place === Math.floor(index / (factors[axis] ?? 1))),
  );
}

interface Target {
  readonly size: Extents;
  /** Undefined if they are the ratios of the sizes, as exactly as 32 bits can tell. */
  readonly scales: Extents | undefined;
}

/** Factors that 32 bits cannot tell from the ratio of the sizes differ by less than this, relatively. */
const ROUNDING = 1e-6;

function targetOf(node: NodeReader, context: ReadContext, image: Extents, isOld: boolean): Target {
  const [scaleSlot, sizeSlot] = isOld ? [1, 3] : [2, 3];
  const rank = image.length + PIXELS_FROM;
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const named = node.has("axes") ? node.ints("axes").map((axis) => frontAxis(node, axis, rank)) : all;
  const at = <T>(values: readonly T[], axis: number): T | undefined => values[named.indexOf(axis)];
  if (!isOld && (node.inputs[sizeSlot] ?? "") !== "") {
    const sizes = context.scalars(node, node.input(sizeSlot));
    const [batch, channels] = [at(sizes, 0), at(sizes, 1)];
    const [, own] = context.shape(node.input(0));
    node.check(
      (batch === undefined || isBatch(batch, context)) && (channels === undefined || channels === own),
      "its sizes resize other axes than those of pixels",
    );
    const size = image.map((own, axis) => Number(at(sizes, axis + PIXELS_FROM) ?? own));
    return { size: extentsOf(size), scales: undefined };
  }
  const given = node.has("scales") ? node.floats("scales") : context.constant(node.input(scaleSlot))?.values;
  const scales = Array.from(given ?? [], Number);
  const [batch = 1, channels = 1] = [at(scales, 0), at(scales, 1)];
  node.check(
    batch === 1 && channels === 1,
    "its scales resize other axes than those of pixels",
    "1, 1, …",
    `${batch}, ${channels}`,
  );
  const factors = image.map((_, axis) => at(scales, axis + PIXELS_FROM) ?? 1);
  const size = image.map((own, axis) => Math.floor(Math.fround(own * (factors[axis] ?? 1))));
  const isRatio = factors.every((scale, axis) => {
    const ratio = (size[axis] ?? 1) / (image[axis] ?? 1);
    return Math.abs(scale - ratio) <= ROUNDING * ratio;
  });
  return { size: extentsOf(size), scales: isRatio ? undefined : extentsOf(factors) };
}
