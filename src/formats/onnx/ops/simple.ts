/** ONNX ops that map one to one to ops without attributes: `Relu`, and `Concat` along the channels. */
import { frontAxis } from "../folding/movement.ts";
import type { ReadRule, WriteRule } from "../rules.ts";

export const writeRelu: WriteRule<"relu"> = (node, context) => {
  context.write("Relu", node, node.inputs);
};

export const readRelu: ReadRule = (node, context) => {
  context.add(node, "relu", [node.input(0)], {});
};

export const writeConcat: WriteRule<"concatenation"> = (node, context) => {
  context.write("Concat", node, node.inputs, { axis: 1 });
};

export const readConcat: ReadRule = (node, context) => {
  const axis = frontAxis(node, node.int("axis"), context.shape(node.input(0)).length);
  node.check(axis === 1, "only concatenation along the channels is supported", "axis 1", `${axis}`);
  const sources = node.inputs.map((_, index) => node.input(index));
  context.add(node, "concatenation", sources, {});
};
