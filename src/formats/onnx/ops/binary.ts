/**
 * ONNX `Add`, `Sub`, `Mul`, `Div`, `Max` and `Min` of values and constants of any shape that broadcasts ↔ binary. Forms
 * that have an op of their own (add, multiply, bias, gain, clip, linear activation) are read as that op.
 */
import { type Shape, sameShape } from "../../../core/tensor.ts";
import type { BinaryAttributes } from "../../../graph/attributes.ts";
import { shortestDecimal } from "../decimal.ts";
import { aligned } from "../folding/broadcast.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, Step, WriteRule } from "../rules.ts";
import { numberIn } from "./affine.ts";

type Name = BinaryAttributes["function"];

const opTypes: { readonly [K in Name]: string } = {
  add: "Add",
  subtract: "Sub",
  multiply: "Mul",
  divide: "Div",
  maximum: "Max",
  minimum: "Min",
};

export const writeBinary: WriteRule<"binary"> = (node, context) => {
  const [a = "", b = ""] = node.inputs;
  context.write(opTypes[node.attributes.function], node, [a, context.isConstant(b) ? context.view(b) : b]);
};

/** Stands for infinity in constants, which have to be finite. */
export const LARGEST = 3.4028234663852886e38;

/** The value that `value` is expanded from, if it is, and if broadcasting with `other` expands it as well. */
function unexpanded(context: ReadContext, value: string, other: string): string {
  const node = context.producer(value);
  if (node?.op !== "binary" || node.attributes.function !== "maximum") return value;
  const [src = "", bound = ""] = node.inputs;
  const isLowest = context.constant(bound)?.values.every((number) => number === -LARGEST) === true;
  return isLowest && sameShape(context.shape(other), context.shape(value)) ? src : value;
}

/** Combines two values, one of which may be broadcast. */
export function combineValues(
  node: NodeReader,
  context: ReadContext,
  name: Name,
  values: readonly [string, string],
  step?: Step,
): string {
  const [left, right] = values;
  const a = unexpanded(context, left, right);
  const b = a === left ? unexpanded(context, right, left) : right;
  const [shape, other] = [context.shape(a), context.shape(b)];
  node.check(
    shape.length === other.length,
    "combines values with different numbers of axes",
    `${shape.length} axes`,
    `${other.length}`,
  );
  if (name === "add" && sameShape(shape, other)) return context.add(node, "add", [a, b], {}, step);
  if (name === "multiply") return context.add(node, "multiply", [a, b], {}, step);
  return context.add(node, "binary", [a, b], { function: name }, step);
}

/** Combines the value `src`, as the first operand, with a constant that broadcasts with it. */
export function combineConstant(
  node: NodeReader,
  context: ReadContext,
  name: Name,
  { src, constant }: { readonly src: string; readonly constant: string },
  step?: Step,
): string {
  const parameter = context.parameter(node, constant, constantShape(node, context, src, constant));
  return context.add(node, "binary", [src, parameter], { function: name }, step);
}

/** The shape of a constant that is broadcast with the value `src`, without the batch axis. */
function constantShape(node: NodeReader, context: ReadContext, src: string, constant: string): Shape {
  const shape = context.shape(src);
  const dims = context.view(constant)?.dims ?? [];
  const [batch = 1, ...others] = aligned(dims, shape.length);
  const fits = others.every((size, axis) => size === 1 || shape[axis + 1] === 1 || size === shape[axis + 1]);
  node.check(
    dims.length <= shape.length && batch === 1 && fits,
    "its constant cannot be broadcast with the value",
    `dims that fit [N,${shape.slice(1)}]`,
    `[${dims.join()}]`,
  );
  return others;
}

/** Limits `src` by a number. */
export function limit(
  node: NodeReader,
  context: ReadContext,
  name: "maximum" | "minimum",
  { src, bound }: { readonly src: string; readonly bound: number },
  step?: Step,
): string {
  const exact = (attribute: string): number => context.exact(node, attribute, shortestDecimal(bound), shortestDecimal);
  const limits =
    name === "maximum"
      ? { minimum: exact("minimum"), maximum: Number.POSITIVE_INFINITY }
      : { minimum: Number.NEGATIVE_INFINITY, maximum: exact("maximum") };
  return context.add(node, "clip", [src], limits, step);
}

/** Folds the inputs of a node from left to right; the last step has the node's own name. */
export function chain(
  inputs: readonly string[],
  combine: (a: string, b: string, step: Step | undefined) => string,
): string {
  const [first = "", ...others] = inputs;
  return others.reduce((partial, input, index) => {
    const isLast = index === others.length - 1;
    return combine(partial, input, isLast ? undefined : { part: `${index + 1}` });
  }, first);
}

/** The inputs of a node, values first; at least one is a value. */
export function valuesFirst(node: NodeReader, context: ReadContext): readonly string[] {
  const inputs = node.inputs.map((_, index) => node.input(index));
  const values = inputs.filter((input) => !context.isConstant(input));
  return [...values, ...inputs.filter((input) => context.isConstant(input))];
}

/** The largest or smallest of values and constants. One number is a bound of a clip. */
function readExtreme(name: "maximum" | "minimum"): ReadRule {
  return (node, context) => {
    const inputs = valuesFirst(node, context);
    if (inputs.length === 1) context.alias(node, inputs[0] ?? "");
    chain(inputs, (a, b, step) => {
      if (!context.isConstant(b)) return combineValues(node, context, name, [a, b], step);
      const bound = numberIn(context, b, context.shape(a));
      if (bound === undefined) return combineConstant(node, context, name, { src: a, constant: b }, step);
      return limit(node, context, name, { src: a, bound }, step);
    });
  };
}

/** By ONNX op: how it is read. */
export const binaryRules: readonly (readonly [opType: string, rule: ReadRule])[] = [
  ["Max", readExtreme("maximum")],
  ["Min", readExtreme("minimum")],
];
