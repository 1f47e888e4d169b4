/** ONNX `Conv` (opset 11) ↔ convolution. */
import type { Padding, Pair } from "../../../graph/attributes.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";

/** Pads in ONNX's order: begins of all axes, then ends. */
export function padsOf({ top, left, bottom, right }: Padding): readonly number[] {
  return [top, left, bottom, right];
}

/** Height and width of the node's input. Throws if the input is not a batch of images. */
export function imageSize(node: NodeReader, context: ReadContext): Pair {
  const [, , height = 1, width = 1, ...rest] = context.shape(node.input(0));
  const rank = context.shape(node.input(0)).length;
  node.check(rank === 4 && rest.length === 0, "only images are supported", "4 axes (N, C, H, W)", `${rank}`);
  return [height, width];
}

export const writeConv: WriteRule<"convolution"> = (node, context) => {
  const { strides, padding, dilation, groups } = node.attributes;
  const [src = "", ...parameters] = node.inputs;
  context.write("Conv", node, [src, ...parameters.map((parameter) => context.view(parameter))], {
    kernel_shape: context.shape(parameters[0] ?? "").slice(2),
    strides,
    pads: padsOf(padding),
    dilations: dilation,
    group: groups,
  });
};

export const readConv: ReadRule = (node, context) => {
  const weights = context.parameter(node, node.input(1));
  const inputs = [node.input(0), weights];
  if (node.inputs.length > 2) inputs.push(context.parameter(node, node.input(2)));
  const [, , height = 0, width = 0] = context.shape(weights);
  const kernel = node.pair("kernel_shape", [height, width]);
  node.check(kernel[0] === height && kernel[1] === width, "kernel_shape does not match the weights");
  const window = { kernel, strides: node.pair("strides", [1, 1]), dilation: node.pair("dilations", [1, 1]) };
  context.add(node, "convolution", inputs, {
    strides: window.strides,
    padding: node.padding(imageSize(node, context), window),
    dilation: window.dilation,
    groups: node.int("group", 1),
  });
};
