/** ONNX `Add` ↔ add (two values) and bias (a value and one number a channel). */
import type { ReadRule, WriteRule } from "../rules.ts";

export const writeAdd: WriteRule<"add"> = (node, context) => {
  context.write("Add", node, node.inputs);
};

export const writeBias: WriteRule<"bias"> = (node, context) => {
  const [src = "", bias = ""] = node.inputs;
  const [, channels = 0, ...pixels] = context.shape(src);
  context.write("Add", node, [src, context.view(bias, [channels, ...pixels.map(() => 1)])]);
};

export const readAdd: ReadRule = (node, context) => {
  const [first, second] = [node.input(0), node.input(1)];
  if (!context.isConstant(first) && !context.isConstant(second)) {
    context.add(node, "add", [first, second], {});
    return;
  }
  const [src, bias] = context.isConstant(first) ? [second, first] : [first, second];
  node.check(!context.isConstant(src), "adds two constants");
  const [, channels = 0, ...pixels] = context.shape(src);
  const dims = context.view(bias)?.dims ?? [];
  // [C,1,1] or, with the batch axis spelled out, [1,C,1,1].
  const perChannel = [channels, ...pixels.map(() => 1)];
  node.check(
    [perChannel.join(), `1,${perChannel.join()}`].includes(dims.join()),
    "adds a constant that is not one number a channel",
    `dims [${perChannel.join()}]`,
    `[${dims.join()}]`,
  );
  context.add(node, "bias", [src, context.parameter(node, bias, [channels])], {});
};
