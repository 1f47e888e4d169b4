/**
 * ONNX `Pad` with zeros ↔ pad; with pixels of the image ↔ resampling. Another number is a limit of zeros: it is read as
 * a maximum or minimum behind them. The pads are an input; before opset 11 they are an attribute.
 */
import { elementCount, rowMajorStrides, type Tensor, tensor } from "../../../core/tensor.ts";
import { hasPixels, PIXELS_FROM, paddingOf } from "../../../graph/windows.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, Step, WriteRule } from "../rules.ts";
import { LARGEST } from "./binary.ts";

export const writePad: WriteRule<"pad"> = (node, context) => {
  const { before, after } = node.attributes;
  context.write("Pad", node, [...node.inputs, context.integers(`${node.name}/pads`, [...before, ...after])]);
};

export const readPad: ReadRule = (node, context) => {
  const mode = node.string("mode", "constant");
  const isBorder = mode === "reflect" || mode === "edge" || mode === "wrap";
  node.check(isBorder || mode === "constant", "its mode is not known", "constant, reflect, edge, wrap", mode);
  const rank = context.shape(node.input(0)).length;
  const isOld = node.has("pads");
  const pads = isOld ? node.ints("pads") : context.integers(node, node.input(1));
  const value = isOld || (node.inputs[2] ?? "") === "" ? node.float("value", 0) : context.scalar(node, node.input(2));
  node.check(value === 0 || !isOld, "only padding with zeros is supported before opset 11", "0", `${value}`);
  const axes =
    (node.inputs[3] ?? "") === ""
      ? Array.from({ length: rank }, (_, axis) => axis)
      : context.integers(node, node.input(3)).map((axis) => frontAxis(node, axis, rank));
  node.check(
    pads.length === 2 * axes.length && (!isBorder || pads.every((side) => side >= 0)),
    isBorder ? "pads must be two numbers for each axis, none negative" : "pads must be two numbers for each axis",
  );
  // PyTorch's older exporter puts an empty padding before each average pooling.
  if (isOld && pads.every((width) => width === 0)) {
    context.alias(node, node.input(0));
    return;
  }
  const side = (first: number): number[] =>
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? (pads[first + axes.indexOf(axis)] ?? 0) : 0));
  const given = [side(0), side(axes.length)] as const;
  node.check(given[0][0] === 0 && given[1][0] === 0, "pads the batch", "0, 0", `${given[0][0]}, ${given[1][0]}`);
  const [before, after] = [given[0].map(notNegative), given[1].map(notNegative)];
  if (isBorder) {
    const isOfPixels = hasPixels(rank) && before[1] === 0 && after[1] === 0;
    node.check(isOfPixels, `pads other axes than those of pixels with "${mode}"`, "axes from 2 on", `[${pads}]`);
    const sides = before.slice(PIXELS_FROM).map((own, axis) => [own, after[axis + PIXELS_FROM] ?? 0] as const);
    context.add(node, "resampling", [node.input(0)], { method: mode, padding: paddingOf(sides) });
    return;
  }
  const isCrop = pads.some((width) => width < 0);
  const isPad = pads.some((width) => width > 0);
  const src = isCrop ? cropped(node, context, given, isPad ? { part: "cropped" } : undefined) : node.input(0);
  if (isCrop && !isPad) return;
  if (value === 0 || !isPad) {
    context.add(node, "pad", [src], { before, after });
    return;
  }
  const zeros = context.add(node, "pad", [src], { before, after }, { part: "zeros" });
  const border = borderOf(context.shape(src), [before, after], value);
  const parameter = context.derived(node, node.input(2), "border", border);
  context.add(node, "binary", [zeros, parameter], { function: value > 0 ? "maximum" : "minimum" });
};

function notNegative(width: number): number {
  return Math.max(0, width);
}

/** Negative pads cut off what is at the sides. */
function cropped(
  node: NodeReader,
  context: ReadContext,
  [before, after]: readonly [readonly number[], readonly number[]],
  step: Step | undefined,
): string {
  const shape = context.shape(node.input(0));
  const starts = before.map((width) => notNegative(-width));
  const ends = shape.map((extent, axis) => extent - notNegative(-(after[axis] ?? 0)));
  const isLeft = ends.every((end, axis) => end > (starts[axis] ?? 0));
  node.check(isLeft, "its pads leave nothing", `less than [${shape}]`, `[${before}, ${after}]`);
  const attributes = {
    starts,
    ends: ends.map((end, axis) => (axis === 0 ? ("N" as const) : end)),
    steps: shape.map(() => 1),
  };
  return context.add(node, "slice", [node.input(0)], attributes, step);
}

/** For a padded image of `shape`: limits that are `value` outside of the image, and no limits inside. */
function borderOf(
  [, ...shape]: readonly number[],
  [[, ...before], [, ...after]]: readonly [readonly number[], readonly number[]],
  value: number,
): Tensor {
  const dims = shape.map((extent, axis) => {
    const added = (before[axis] ?? 0) + (after[axis] ?? 0);
    return added === 0 ? 1 : extent + added;
  });
  const strides = rowMajorStrides(dims);
  const [inside, outside] = [value > 0 ? -LARGEST : LARGEST, Math.min(LARGEST, Math.max(-LARGEST, value))];
  const isInside = (index: number): boolean =>
    dims.every((extent, axis) => {
      const place = (Math.floor(index / (strides[axis] ?? 1)) % extent) - (before[axis] ?? 0);
      return extent === 1 || (place >= 0 && place < (shape[axis] ?? 1));
    });
  const limits = Float32Array.from({ length: elementCount(dims) }, (_, index) => (isInside(index) ? inside : outside));
  return tensor(dims, limits);
}
