/** ONNX ops that change the dims of an activation and keep the order of its values ↔ flatten, reshape, or no node. */
import { elementCount, sameShape } from "../../../core/tensor.ts";
import { toChannelsLast } from "../channels-last-inputs.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import { readGroups } from "../normalization-forms.ts";
import type { ReadContext, ReadRule, Step, WriteRule } from "../rules.ts";
import { isBatch } from "./batch.ts";
import { readRearrangement } from "./rearrangement.ts";
import { readReshapedConstant } from "./views.ts";

export const writeFlatten: WriteRule<"flatten"> = (node, context) => {
  const [src = ""] = node.inputs;
  const rank = context.shape(src).length;
  const perm = [0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2), 1];
  const isLast = node.attributes.channelsLast === true;
  const image = isLast ? context.helper("Transpose", `${node.name}/channels_last`, [src], { perm }) : src;
  context.write("Flatten", node, [image], { axis: 1 });
};

export const writeReshape: WriteRule<"reshape"> = (node, context) => {
  const dims = context.integers(`${node.name}/dims`, [0, ...node.attributes.shape]);
  context.write("Reshape", node, [...node.inputs, dims]);
};

/** Reads the node's input with dims [N, ...features]. */
function reshaped(node: NodeReader, context: ReadContext, features: readonly number[]): void {
  const src = node.input(0);
  const [, ...own] = context.shape(src);
  if (sameShape(own, features)) {
    context.alias(node, src);
    return;
  }
  node.check(
    elementCount(own) === elementCount(features),
    "moves values from one image to another",
    `${elementCount(own)} values for each image`,
    `[${features.join()}]`,
  );
  if (readRearrangement(node, context, src, features) !== undefined || readGroups(node, context, src, features)) return;
  const whole = beforeReshape(context, src);
  if (sameShape(context.shape(whole).slice(1), features)) {
    context.alias(node, whole);
    return;
  }
  if (features.length === 1) {
    addFlatten(node, context, whole);
    return;
  }
  // Undo a flatten: (C) was [C,1,1], or, for one pixel with its channels last, [1,1,C].
  const before = context.producer(src);
  const [unflattened = ""] = before?.op === "flatten" ? before.inputs : [];
  const [channels = 0, ...pixels] = unflattened === "" ? [] : context.shape(unflattened).slice(1);
  const isOnePixel = pixels.length === 2 && elementCount(pixels) === 1;
  if (isOnePixel && sameShape([...pixels, channels], features)) {
    context.add(node, "transpose", [unflattened], { permutation: toChannelsLast });
    return;
  }
  node.check(features.length > 0, "leaves an image one number without an axis", "an axis behind the batch", "none");
  if (unflattened !== "" && sameShape(context.shape(unflattened).slice(1), features)) context.alias(node, unflattened);
  else context.add(node, "reshape", [whole], { shape: features });
}

/** The value that reshapes in a row began with: only the dims of the last one count. */
function beforeReshape(context: ReadContext, src: string): string {
  const before = context.producer(src);
  return before?.op === "reshape" ? beforeReshape(context, before.inputs[0] ?? "") : src;
}

/**
 * Adds a flatten. Behind a transpose to channels last, the flatten takes the values in that order itself. Returns its
 * value.
 */
export function addFlatten(node: NodeReader, context: ReadContext, src: string, step?: Step): string {
  const before = context.producer(src);
  if (before?.op !== "transpose") return context.add(node, "flatten", [src], {}, step);
  const { permutation } = before.attributes;
  const [image = ""] = before.inputs;
  const isOnePixel = elementCount(context.shape(image).slice(2)) === 1;
  const isLast = permutation.at(-1) === 1 && permutation.slice(1, -1).every((axis, index) => axis === index + 2);
  if (isOnePixel) return context.add(node, "flatten", [image], {}, step);
  return isLast
    ? context.add(node, "flatten", [image], { channelsLast: true }, step)
    : context.add(node, "flatten", [src], {}, step);
}

export const readFlatten: ReadRule = (node, context) => {
  const shape = context.shape(node.input(0));
  const asked = node.int("axis", 1);
  // An axis equal to the rank is legal: a batch of numbers becomes a batch of vectors.
  const axis = asked === shape.length ? asked : frontAxis(node, asked, shape.length);
  node.check(axis === 1, "only flattening all axes but the batch is supported", "axis 1", `${axis}`);
  reshaped(node, context, [elementCount(shape.slice(1))]);
};

export const readReshape: ReadRule = (node, context) => {
  if (context.isConstant(node.input(0))) {
    readReshapedConstant(node, context);
    return;
  }
  const extents = context.extents(node.input(0));
  const copiesZero = node.int("allowzero", 0) === 0;
  const asked = node.has("shape") ? node.ints("shape") : context.scalars(node, node.input(1));
  const [first, ...rest] = asked.map((size, axis) => (size === 0 && copiesZero ? (extents[axis] ?? 0) : size));
  const features = rest.map((size) => {
    node.check(typeof size === "number", "moves the batch behind the first axis");
    return typeof size === "number" ? size : 0;
  });
  const open = features.indexOf(-1);
  const perImage = elementCount(context.shape(node.input(0)).slice(1));
  if (open >= 0) features[open] = perImage / elementCount(features.toSpliced(open, 1));
  node.check(
    first === -1 || isBatch(first, context),
    "does not keep the batch as its first axis",
    context.fixedBatch === undefined ? "the batch size" : `${context.fixedBatch}`,
    `${first}`,
  );
  reshaped(node, context, features);
};

/** The axes of the node: an input since opset 13, an attribute before; undefined if the node names none. */
function axesOf(node: NodeReader, context: ReadContext): readonly number[] | undefined {
  if (node.inputs.length > 1) return context.integers(node, node.input(1));
  return node.has("axes") ? node.ints("axes") : undefined;
}

export const readSqueeze: ReadRule = (node, context) => {
  const shape = context.shape(node.input(0));
  const axes = axesOf(node, context)?.map((axis) => frontAxis(node, axis, shape.length));
  const takesBatch = axes === undefined ? context.fixedBatch === 1 : axes.includes(0);
  node.check(!takesBatch, "removes the batch axis");
  const isTaken = (size: number, axis: number): boolean => (axes === undefined ? size === 1 : axes.includes(axis));
  const features = shape.filter((size, axis) => axis > 0 && !isTaken(size, axis));
  node.check(axes?.every((axis) => shape[axis] === 1) ?? true, "removes an axis whose size is not 1");
  reshaped(node, context, features);
};

export const readUnsqueeze: ReadRule = (node, context) => {
  const shape = context.shape(node.input(0));
  const axes = axesOf(node, context) ?? [];
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => frontAxis(node, axis, rank)));
  node.check(!added.has(0), "inserts an axis before the batch");
  const rest = shape.values();
  const dims = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.next().value ?? 1)));
  reshaped(node, context, dims.slice(1));
};
