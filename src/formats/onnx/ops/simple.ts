/** Ops that have no attributes on our side and map one to one: `Relu`, `Concat` along the channels. */
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
  node.check(axis === 1, "only joining along the channels is read", "axis 1", `${axis}`);
  const sources = node.inputs.map((_, index) => node.input(index));
  context.add(node, "concatenation", sources, {});
};
