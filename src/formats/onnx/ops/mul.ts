/**
 * ONNX `Mul` by a constant ↔ scale, the scaling factors λ. A factor a channel is stored with dims [C,1,1], a factor a block with
 * [1], ready to be broadcast. Factors of groups are stored as [F,1], repeated by `Expand` and laid along the channels by
 * `Reshape`; ONNX Runtime computes that once, when it loads the file. Axis 1 scales activations, axis 0 parameters.
 */

import { UserError } from "../../../core/errors.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, View, WriteContext, WriteRule } from "../rules.ts";

export const writeMul: WriteRule<"scale"> = (node, context) => {
  const [src = "", factor = ""] = node.inputs;
  const { axis } = node.attributes;
  if (context.isConstant(src) !== (axis === 0)) {
    throw new UserError("unsupported", "ONNX files hold factors along axis 1 of activations and axis 0 of parameters", {
      about: `scale "${node.name}"`,
    });
  }
  const shape = context.shape(src);
  const dims = shape.slice(axis).map((size, index) => (index === 0 ? size : 1));
  context.write("Mul", node, [axis === 0 ? context.view(src) : src, factorsAs(dims, node.name, factor, context)]);
};

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

export const readMul: ReadRule = (node, context) => {
  const [first, second] = [node.input(0), node.input(1)];
  const axis = context.isConstant(first) && context.isConstant(second) ? 0 : 1;
  const [src, factor] = axis === 1 && context.isConstant(first) ? [second, first] : [first, second];
  const view = context.view(factor);
  if (view === undefined)
    throw node.unsupported("multiplies two activations; only factors that are constants are read");
  const source = axis === 0 ? context.parameter(node, src) : src;
  const factors = factorCount(node, view, context.shape(source), axis, context);
  context.add(node, "scale", [source, context.parameter(node, view.source, [factors])], { axis });
};

/** How many factors `view` spreads over the channels of `shape`; refused unless channel c takes factor ⌊c·F/C⌋. */
function factorCount(node: NodeReader, view: View, shape: Shape, axis: number, context: ReadContext): number {
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
  const inOrder = view.indices?.every((factor, channel) => factor === Math.floor((channel * factors) / spread)) ?? true;
  node.check(channels % factors === 0 && inOrder, "its factors are not spread evenly over the channels");
  return factors;
}
