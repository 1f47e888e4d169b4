/**
 * ONNX `Add` and `Sub` ↔ add (two values), bias (a value and one number for each channel), or linear activation (a
 * value and one number).
 */
import { sameShape } from "../../../core/tensor.ts";
import type { ReadRule, WriteRule } from "../rules.ts";
import { numberIn, readAffine } from "./affine.ts";
import { combineValues } from "./binary.ts";
import { readPerChannel, writePerChannel } from "./per-channel.ts";

const minus = { function: "linear", slope: -1, offset: 0 } as const;

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
    combineValues(node, context, "add", [first, second]);
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
    if (offset !== undefined) {
      readAffine(node, context, second, { slope: -1, offset });
      return;
    }
    const negative = context.add(node, "activation", [second], minus, { part: "negative" });
    readPerChannel(node, context, "bias", { src: negative, constant: first });
    return;
  }
  if (context.isConstant(second)) {
    readPerChannel(node, context, "bias", { src: first, constant: second, transform: (value) => -value });
    return;
  }
  if (!sameShape(context.shape(first), context.shape(second))) {
    combineValues(node, context, "subtract", [first, second]);
    return;
  }
  const subtracted = context.add(node, "activation", [second], minus, { part: "negative" });
  combineValues(node, context, "add", [first, subtracted]);
};
