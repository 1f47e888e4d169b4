/**
 * ONNX `ConvTranspose` ↔ deconvolution. ONNX has the weights as [C,O/G,K,L], the graph as [O,C/G,K,L], with a row for
 * each output as in every other layer. A file stores them as ONNX has them. Weights that scaling factors or several
 * layers read are stored as the graph has them, and nodes bring them into ONNX's order.
 */
import { elementCount, type Shape, tensor } from "../../../core/tensor.ts";
import type { Extents, Padding } from "../../../graph/attributes.ts";
import { extentsOf, paddingOf, type Sides } from "../../../graph/windows.ts";
import { exchangedAxes } from "../exchanged-axes.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { kernelOf, padsOf, pixelsOf } from "./conv.ts";

export const writeConvTranspose: WriteRule<"deconvolution"> = (node, context) => {
  const { strides, padding, dilation, groups, outputPadding } = node.attributes;
  const [src = "", weights = "", ...bias] = node.inputs;
  context.write(
    "ConvTranspose",
    node,
    [src, context.exchanged(weights, groups), ...bias.map((value) => context.view(value))],
    {
      kernel_shape: context.shape(weights).slice(2),
      strides,
      pads: padsOf(padding, strides.length),
      dilations: dilation,
      group: groups,
      ...(outputPadding.some((size) => size > 0) ? { output_padding: outputPadding } : {}),
    },
  );
};

export const readConvTranspose: ReadRule = (node, context) => {
  const pixels = pixelsOf(node, context);
  const groups = node.int("group", 1);
  const weights = weightsOf(node, context, groups);
  const inputs = [node.input(0), weights];
  if ((node.inputs[2] ?? "") !== "") inputs.push(context.parameter(node, node.input(2)));
  const kernel = kernelOf(node, context, weights, pixels);
  const strides = node.extents("strides", pixels.length, 1);
  const dilation = node.extents("dilations", pixels.length, 1);
  const added = node.ints(
    "output_padding",
    pixels.map(() => 0),
  );
  const fits = added.length === pixels.length && added.every((size) => size >= 0);
  node.check(fits, "output_padding must be a number for each axis, none negative", "0 or more", `${added}`);
  const outputPadding = extentsOf(added);
  const spans = pixels.map(
    (size, axis) =>
      (size - 1) * (strides[axis] ?? 1) +
      ((kernel[axis] ?? 1) - 1) * (dilation[axis] ?? 1) +
      1 +
      (outputPadding[axis] ?? 0),
  );
  const padding = paddingFor(node, spans, pixels, strides);
  context.add(node, "deconvolution", inputs, { strides, padding, dilation, groups, outputPadding });
};

/** The padding: `pads`, or what makes the result as large as `output_shape` or `auto_pad` says. */
function paddingFor(node: NodeReader, spans: readonly number[], pixels: Extents, strides: Extents): Padding {
  const automatic = node.string("auto_pad", "NOTSET");
  const isSame = automatic === "SAME_UPPER" || automatic === "SAME_LOWER";
  const isKnown = isSame || automatic === "NOTSET" || automatic === "" || automatic === "VALID";
  node.check(isKnown, "auto_pad is not known", "SAME_UPPER, SAME_LOWER, VALID", automatic);
  const asked = node.ints("output_shape", []).slice(-pixels.length);
  if (asked.length === 0 && !isSame) {
    const pads = node.pads(pixels.length);
    return automatic === "VALID" ? node.noPads(pixels.length) : pads;
  }
  node.ints("pads", []);
  const sides = pixels.map((size, axis): Sides => {
    const total = (spans[axis] ?? 0) - (asked[axis] ?? size * (strides[axis] ?? 1));
    node.check(total >= 0, "its result is larger than what the kernel reaches", `${spans[axis]}`, `${asked[axis]}`);
    const less = Math.floor(total / 2);
    return automatic === "SAME_UPPER" ? [less, total - less] : [total - less, less];
  });
  return paddingOf(sides);
}

/** The second input as a parameter [O,C/G,…]. */
function weightsOf(node: NodeReader, context: ReadContext, groups: number): string {
  const value = node.input(1);
  const view = context.view(value);
  if (view === undefined) throw node.unsupported("its weights must be a constant, not computed from the images");
  const [channels = 0, perGroup = 0, ...kernel] = view.dims;
  const rank = context.shape(node.input(0)).length;
  node.check(
    view.dims.length === rank,
    "its weights have other axes than [C,O,…]",
    `${rank} axes`,
    `${view.dims.length}`,
  );
  node.check(channels % groups === 0, "its groups do not divide the channels", `a divisor of ${channels}`, `${groups}`);
  const shape: Shape = [perGroup * groups, channels / groups, ...kernel];
  const from = exchangedAxes(shape, groups);
  const stored = context.constant(value);
  if (stored !== undefined) {
    const { values } = stored;
    if (!(values instanceof Float32Array)) throw node.unsupported(`constant "${value}" must be of floats`);
    const exchanged = tensor(shape);
    for (const [place, index] of from.entries()) exchanged.data[index] = values[place] ?? 0;
    return context.derived(node, value, "weights", exchanged);
  }
  const isOwn = view.indices?.every((index, place) => index === from[place]) ?? elementCount(shape) === 0;
  node.check(isOwn, "its weights are computed by nodes that cannot be read");
  return context.parameter(node, view.source, shape);
}
