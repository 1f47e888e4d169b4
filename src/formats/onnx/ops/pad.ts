/** ONNX `Pad` (opset 13) with zeros ↔ pad. */
import type { ReadRule, WriteRule } from "../rules.ts";

export const writePad: WriteRule<"pad"> = (node, context) => {
  const { before, after } = node.attributes;
  context.write("Pad", node, [...node.inputs, context.integers(`${node.name}/pads`, [...before, ...after])]);
};

export const readPad: ReadRule = (node, context) => {
  const mode = node.string("mode", "constant");
  node.check(mode === "constant", "only constant padding is read", "constant", mode);
  node.check(node.inputs.length === 2, "a padding value or axes are not read", "2 inputs", `${node.inputs.length}`);
  const pads = context.integers(node, node.input(1));
  const rank = pads.length / 2;
  node.check(
    rank === context.shape(node.input(0)).length && pads.every((side) => side >= 0),
    "pads must be two numbers an axis, none negative",
  );
  context.add(node, "pad", [node.input(0)], { before: pads.slice(0, rank), after: pads.slice(rank) });
};
