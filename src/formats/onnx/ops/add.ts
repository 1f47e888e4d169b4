/**
 * ONNX `Add` and `Sub` ↔ add (two values), bias (a value and one number for each channel), or linear activation (a
 * value and one number).
 */
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { numberIn, readAffine } from "./affine.ts";
import { readPerChannel, writePerChannel } from "./per-channel.ts";

export const writeAdd: WriteRule<"add"> = (node, context) => {
  context.write("Add", node, node.inputs);
};

export const writeBias: WriteRule<"bias"> = (node, context) => {
  writePerChannel("Add", node, context);
};

export const readAdd: ReadRule = (node, context) => {
  const [first, second] = [node.input(0), node.input(1)];
  node.int("broadcast", 1);
  if (!context.isConstant(first) && !context.isConstant(second)) {
    addValues(node, context, first, second);
    return;
  }
  const [src, constant] = context.isConstant(first) ? [second, first] : [first, second];
  node.check(!context.isConstant(src), "adds two constants");
  readPerChannel(node, context, "bias", { src, constant });
};

/** Subtracts two values, or a value and a constant: a − c is a + (−c), c − a is −a + c. */
export const readSub: ReadRule = (node, context) => {
  const [first, second] = [node.input(0), node.input(1)];
  if (context.isConstant(first)) {
    const offset = numberIn(context, first, context.shape(second));
    if (offset === undefined) throw node.unsupported("subtracts a value from a constant with several numbers");
    readAffine(node, context, second, { slope: -1, offset });
    return;
  }
  if (context.isConstant(second)) {
    readPerChannel(node, context, "bias", { src: first, constant: second, transform: (value) => -value });
    return;
  }
  const negative = { function: "linear", slope: -1, offset: 0 } as const;
  const subtracted = context.add(node, "activation", [second], negative, { part: "negative" });
  addValues(node, context, first, subtracted);
};

function addValues(node: NodeReader, context: ReadContext, first: string, second: string): void {
  const [shape, other] = [first, second].map((value) => ["N", ...context.shape(value).slice(1)].join());
  node.check(shape === other, "adds or subtracts values of different shapes", `both [${shape}]`, `[${other}]`);
  context.add(node, "add", [first, second], {});
}
