/**
 * ONNX `Mul` by a constant ↔ scale, the scaling factors λ. One factor for each channel is stored with dims [C,1,1], the
 * factor of a block with [1], ready to be broadcast. `Slice` takes a part of the factors of a residual stream. Factors
 * of groups are stored as [F,1]; `Expand` repeats them and `Reshape` lays them along the channels. ONNX Runtime
 * computes this once, when it loads the file. Factors along axis 1 scale activations, along axis 0 parameters.
 */

import { UserError } from "../../../core/errors.ts";
import { optional } from "../../../core/optional.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import { readNormalization } from "../normalization-forms.ts";
import type { ReadContext, ReadRule, View, WriteContext, WriteRule } from "../rules.ts";
import { numberIn } from "./affine.ts";
import { combineValues } from "./binary.ts";
import { isMish } from "./functions.ts";
import { readPerChannel, writePerChannel } from "./per-channel.ts";

export const writeMul: WriteRule<"scale"> = (node, context) => {
  const [src = "", factor = ""] = node.inputs;
  const { axis } = node.attributes;
  if (context.isConstant(src) !== (axis === 0)) {
    throw new UserError(
      "unsupported",
      "only factors along axis 1 of activations or axis 0 of parameters can be written",
      {
        about: `scale "${node.name}"`,
        hint: "Fold the factors into the weights first (bake), or place them on these axes",
      },
    );
  }
  const shape = context.shape(src);
  const dims = shape.slice(axis).map((size, index) => (index === 0 ? size : 1));
  const { first } = node.attributes;
  const factors =
    first === undefined
      ? factorsAs(dims, node.name, factor, context)
      : partAs(dims, node.name, { factor, first }, context);
  context.write("Mul", node, [axis === 0 ? context.view(src) : src, factors]);
};

/** One factor for each channel, from factor `first` on. */
function partAs(dims: Shape, name: string, part: { factor: string; first: number }, context: WriteContext): string {
  const [channels = 0] = dims;
  const taken = context.helper("Slice", `${name}/part`, [
    context.view(part.factor),
    context.integers(`${name}/first`, [part.first]),
    context.integers(`${name}/end`, [part.first + channels]),
    context.integers(`${name}/axis`, [0]),
  ]);
  return context.helper("Reshape", `${name}/factors`, [taken, context.integers(`${name}/dims`, dims)]);
}

function factorsAs(dims: Shape, name: string, factor: string, context: WriteContext): string {
  const [factors = 0] = context.shape(factor);
  const [channels = 0] = dims;
  if (factors === 1) return context.view(factor, [1]);
  if (factors === channels) return context.view(factor, dims);
  const column = context.view(factor, [factors, 1]);
  const grid = context.integers(`${name}/grid`, [factors, channels / factors]);
  const repeated = context.helper("Expand", `${name}/repeated`, [column, grid]);
  return context.helper("Reshape", `${name}/factors`, [repeated, context.integers(`${name}/dims`, dims)]);
}

export const writeMultiply: WriteRule<"multiply"> = (node, context) => {
  context.write("Mul", node, node.inputs);
};

export const writeGain: WriteRule<"gain"> = (node, context) => {
  writePerChannel("Mul", node, context);
};

/** Suffix of the parameter name of every scaling factor. */
const factorSuffix = ".factor";

export const readMul: ReadRule = (node, context) => {
  const [a, b] = [node.input(0), node.input(1)];
  node.int("broadcast", 1);
  if (!context.isConstant(a) && !context.isConstant(b)) {
    const mish = isMish(context, a, b) ? a : isMish(context, b, a) ? b : undefined;
    if (mish === undefined) combineValues(node, context, "multiply", [a, b]);
    else context.add(node, "activation", [mish], { function: "mish" });
    return;
  }
  if (!context.isConstant(a) || !context.isConstant(b)) {
    const [src, constant] = context.isConstant(a) ? [b, a] : [a, b];
    if (context.view(constant)?.source.endsWith(factorSuffix) !== true) {
      readPerChannel(node, context, "gain", { src, constant });
      return;
    }
  }
  const axis = context.isConstant(a) && context.isConstant(b) ? 0 : 1;
  const [src, factor] = axis === 1 && context.isConstant(a) ? [b, a] : [a, b];
  const view = context.view(factor);
  if (view === undefined) throw node.unsupported("multiplies a constant by a value that is not constant");
  const source = axis === 0 ? context.parameter(node, src) : src;
  const { factors, first } = factorsAlong(node, view, context.shape(source), axis, context);
  context.add(node, "scale", [source, context.parameter(node, view.source, [factors])], {
    axis,
    ...optional({ first }),
  });
};

/**
 * Reads the division by a constant as a product with its inverse, and that of a constant by a value as a product with
 * the value's inverse.
 */
export const readDiv: ReadRule = (node, context) => {
  const [dividend, divisor] = [node.input(0), node.input(1)];
  node.int("broadcast", 1);
  if (context.isConstant(divisor)) {
    readPerChannel(node, context, "gain", { src: dividend, constant: divisor, transform: (value) => 1 / value });
    return;
  }
  if (!context.isConstant(dividend)) {
    if (readNormalization(node, context, dividend, divisor)) return;
    combineValues(node, context, "divide", [dividend, divisor]);
    return;
  }
  const inverse = { function: "reciprocal" } as const;
  if (numberIn(context, dividend, context.shape(divisor)) === 1) {
    context.add(node, "activation", [divisor], inverse);
    return;
  }
  const src = context.add(node, "activation", [divisor], inverse, { part: "inverse" });
  readPerChannel(node, context, "gain", { src, constant: dividend });
};

interface Factors {
  readonly factors: number;
  readonly first?: number;
}

/**
 * The number of factors behind `view`, and the first one it takes. Throws unless channel c takes factor ⌊c·F/C⌋ or
 * factor first + c.
 */
function factorsAlong(node: NodeReader, view: View, shape: Shape, axis: number, context: ReadContext): Factors {
  const factors = elementCount(context.view(view.source)?.dims ?? []);
  const channels = shape[axis] ?? 0;
  const spread = elementCount(view.dims);
  const aligned = [...shape.map(() => 1), ...view.dims].slice(-shape.length);
  const alongChannels = aligned.every((size, index) => size === 1 || (index === axis && size === channels));
  node.check(
    view.dims.length <= shape.length && alongChannels && (spread === 1 || spread === channels),
    "its factors do not lie along the channels",
    `${channels} or 1 on axis ${axis} of ${shape.length}`,
    `dims [${view.dims.join()}]`,
  );
  const [first = 0] = view.indices ?? [];
  const isPart = spread < factors && spread === channels;
  if (isPart && view.indices?.every((factor, channel) => factor === first + channel) === true)
    return { factors, first };
  const inOrder = view.indices?.every((factor, channel) => factor === Math.floor((channel * factors) / spread)) ?? true;
  node.check(channels % factors === 0 && inOrder, "its factors are not spread evenly over the channels");
  return { factors };
}
