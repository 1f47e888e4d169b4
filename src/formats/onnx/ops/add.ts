/** ONNX `Add`, and `Sub` of a constant, ↔ add (two values), bias (a value and one number a channel), or a line (a value and a number). */
import { tensor } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { numberIn, readLine } from "./line.ts";

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
  node.int("broadcast", 1);
  if (!context.isConstant(first) && !context.isConstant(second)) {
    context.add(node, "add", [first, second], {});
    return;
  }
  const [src, bias] = context.isConstant(first) ? [second, first] : [first, second];
  node.check(!context.isConstant(src), "adds two constants");
  const offset = numberIn(context, bias, context.shape(src));
  if (offset !== undefined) readLine(node, context, src, { slope: 1, offset });
  else context.add(node, "bias", [src, context.parameter(node, bias, [perChannel(node, context, src, bias)])], {});
};

/** Of two values, or of constants: a − c is a + (−c), c − a is −a + c. */
export const readSub: ReadRule = (node, context) => {
  const [first, second] = [node.input(0), node.input(1)];
  if (context.isConstant(first)) {
    const offset = numberIn(context, first, context.shape(second));
    if (offset === undefined) throw node.unsupported("takes a value from constants of several channels");
    readLine(node, context, second, { slope: -1, offset });
    return;
  }
  if (!context.isConstant(second)) {
    const negative = { function: "linear", slope: -1, offset: 0 } as const;
    const subtracted = context.add(node, "activation", [second], negative, { part: "negative" });
    context.add(node, "add", [first, subtracted], {});
    return;
  }
  const offset = numberIn(context, second, context.shape(first));
  if (offset !== undefined) {
    readLine(node, context, first, { slope: 1, offset: -offset });
    return;
  }
  const channels = perChannel(node, context, first, second);
  const { values } = context.constant(second) ?? {};
  if (!(values instanceof Float32Array)) throw node.unsupported(`constant "${second}" must be of floats`);
  const bias = context.derived(
    node,
    second,
    "bias",
    tensor(
      [channels],
      values.map((value) => -value),
    ),
  );
  context.add(node, "bias", [first, bias], {});
};

/** How many channels `src` has; refused unless `constant` has a number for each of them. */
export function perChannel(node: NodeReader, context: ReadContext, src: string, constant: string): number {
  const [, channels = 0, ...pixels] = context.shape(src);
  const dims = context.view(constant)?.dims ?? [];
  // [C,1,1] or, with the batch axis spelled out, [1,C,1,1].
  const expected = [channels, ...pixels.map(() => 1)];
  node.check(
    [expected.join(), `1,${expected.join()}`].includes(dims.join()),
    "its constant is not one number a channel",
    `dims [${expected.join()}]`,
    `[${dims.join()}]`,
  );
  return channels;
}
