/**
 * ONNX `ConvTranspose` ↔ deconvolution. ONNX has the weights as [C,O/G,K,L], the graph as [O,C/G,K,L], with a row for
 * each output as in every other layer. A file stores them as ONNX has them. Weights that scaling factors or several
 * layers read are stored as the graph has them, and nodes bring them into ONNX's order.
 */
import { elementCount, type Shape, tensor } from "../../../core/tensor.ts";
import type { Padding, Pair } from "../../../graph/attributes.ts";
import { exchangedAxes } from "../exchanged-axes.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { imageSize, padsOf } from "./conv.ts";

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
      pads: padsOf(padding),
      dilations: dilation,
      group: groups,
      ...(outputPadding.some((size) => size > 0) ? { output_padding: outputPadding } : {}),
    },
  );
};

export const readConvTranspose: ReadRule = (node, context) => {
  const image = imageSize(node, context);
  const groups = node.int("group", 1);
  const weights = weightsOf(node, context, groups);
  const inputs = [node.input(0), weights];
  if ((node.inputs[2] ?? "") !== "") inputs.push(context.parameter(node, node.input(2)));
  const [, , height = 0, width = 0] = context.shape(weights);
  const kernel = node.pair("kernel_shape", [height, width]);
  node.check(kernel[0] === height && kernel[1] === width, "kernel_shape does not match the weights");
  const strides = node.pair("strides", [1, 1]);
  const dilation = node.pair("dilations", [1, 1]);
  const [rows = 0, columns = 0] = node.ints("output_padding", [0, 0]);
  const outputPadding: Pair = [rows, columns];
  node.check(rows >= 0 && columns >= 0, "output_padding must not be negative", "0 or more", `${outputPadding}`);
  const spans = ([0, 1] as const).map(
    (axis) => (image[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilation[axis] + 1 + outputPadding[axis],
  );
  const padding = paddingOf(node, spans, image, strides);
  context.add(node, "deconvolution", inputs, { strides, padding, dilation, groups, outputPadding });
};

/** The padding: `pads`, or what makes the result as large as `output_shape` or `auto_pad` says. */
function paddingOf(node: NodeReader, spans: readonly number[], image: Pair, strides: Pair): Padding {
  const automatic = node.string("auto_pad", "NOTSET");
  const isSame = automatic === "SAME_UPPER" || automatic === "SAME_LOWER";
  const isKnown = isSame || automatic === "NOTSET" || automatic === "" || automatic === "VALID";
  node.check(isKnown, "auto_pad is not known", "SAME_UPPER, SAME_LOWER, VALID", automatic);
  const asked = node.ints("output_shape", []).slice(-2);
  if (asked.length === 0 && !isSame) {
    const pads = node.ints("pads", [0, 0, 0, 0]);
    const [top = 0, left = 0, bottom = 0, right = 0] = pads;
    node.check(pads.length === 4 && pads.every((side) => side >= 0), "pads must be four numbers, none negative");
    return automatic === "VALID" ? { top: 0, left: 0, bottom: 0, right: 0 } : { top, left, bottom, right };
  }
  node.ints("pads", []);
  const sidesOf = (axis: 0 | 1): readonly [before: number, after: number] => {
    const total = (spans[axis] ?? 0) - (asked[axis] ?? image[axis] * strides[axis]);
    node.check(total >= 0, "its result is larger than what the kernel reaches", `${spans[axis]}`, `${asked[axis]}`);
    const less = Math.floor(total / 2);
    return automatic === "SAME_UPPER" ? [less, total - less] : [total - less, less];
  };
  const [[top, bottom], [left, right]] = [sidesOf(0), sidesOf(1)];
  return { top, left, bottom, right };
}

/** The second input as a parameter [O,C/G,K,L]. */
function weightsOf(node: NodeReader, context: ReadContext, groups: number): string {
  const value = node.input(1);
  const view = context.view(value);
  if (view === undefined) throw node.unsupported("its weights must be a constant, not computed from the images");
  const [channels = 0, perGroup = 0, ...kernel] = view.dims;
  node.check(view.dims.length === 4, "its weights have other axes than [C,O,K,L]", "4 axes", `${view.dims.length}`);
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
