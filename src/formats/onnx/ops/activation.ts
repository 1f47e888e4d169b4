/**
 * ONNX `Sigmoid`, `Tanh`, `HardSwish`, `LeakyRelu`, `HardSigmoid` ↔ activation; `Softmax`, `LogSoftmax` over the
 * channels ↔ softmax.
 */
import type { Attributes } from "../../../graph/ops.ts";
import { shortestDecimal } from "../decimal.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { writeAffine } from "./affine.ts";
import { writeFunction } from "./functions.ts";
import { writeGelu } from "./gelu.ts";

export const writeActivation: WriteRule<"activation"> = (node, context) => {
  const { attributes, inputs } = node;
  const float = (attribute: string, value: number): { readonly float: number } => {
    context.keepExact(node, attribute, value, shortestDecimal(value));
    return { float: value };
  };
  switch (attributes.function) {
    case "sigmoid":
      context.write("Sigmoid", node, inputs);
      return;
    case "tanh":
      context.write("Tanh", node, inputs);
      return;
    case "hard_swish":
      context.write("HardSwish", node, inputs);
      return;
    case "gelu":
      writeGelu(node, attributes.approximation, context);
      return;
    case "leaky_relu":
      context.write("LeakyRelu", node, inputs, { alpha: float("slope", attributes.slope) });
      return;
    case "hard_sigmoid":
      context.write("HardSigmoid", node, inputs, {
        alpha: float("slope", attributes.slope),
        beta: float("offset", attributes.offset),
      });
      return;
    case "linear":
      writeAffine(node, attributes, context);
      return;
    default:
      writeFunction(node, attributes, context);
  }
};

/** The float attribute `name`, which is called `attribute` in our op. */
function readFloat(node: NodeReader, context: ReadContext, name: string, attribute: string, absent: number): number {
  return context.exact(node, attribute, shortestDecimal(node.float(name, absent)), shortestDecimal);
}

export const readSigmoid: ReadRule = (node, context) => {
  context.add(node, "activation", [node.input(0)], { function: "sigmoid" });
};

export const readTanh: ReadRule = (node, context) => {
  context.add(node, "activation", [node.input(0)], { function: "tanh" });
};

export const readHardSwish: ReadRule = (node, context) => {
  context.add(node, "activation", [node.input(0)], { function: "hard_swish" });
};

export const readLeakyRelu: ReadRule = (node, context) => {
  const slope = readFloat(node, context, "alpha", "slope", 0.01);
  context.add(node, "activation", [node.input(0)], { function: "leaky_relu", slope });
};

export const readHardSigmoid: ReadRule = (node, context) => {
  const slope = readFloat(node, context, "alpha", "slope", 0.2);
  const offset = readFloat(node, context, "beta", "offset", 0.5);
  context.add(node, "activation", [node.input(0)], { function: "hard_sigmoid", slope, offset });
};

export const writeSoftmax: WriteRule<"softmax"> = (node, context) => {
  const isLogarithm = node.attributes.isLogarithm === true;
  context.write(isLogarithm ? "LogSoftmax" : "Softmax", node, node.inputs, { axis: node.attributes.axis ?? 1 });
};

export const readSoftmax: ReadRule = (node, context) => {
  readOverAxis(node, context, {});
};

export const readLogSoftmax: ReadRule = (node, context) => {
  readOverAxis(node, context, { isLogarithm: true });
};

/** Before opset 13, `Softmax` and `LogSoftmax` normalise over all axes from `axis` on. */
function readOverAxis(node: NodeReader, context: ReadContext, attributes: Attributes<"softmax">): void {
  const shape = context.shape(node.input(0));
  const isOfOneAxis = node.opset >= 13;
  const axis = frontAxis(node, node.int("axis", isOfOneAxis ? -1 : 1), shape.length);
  const isAlone = isOfOneAxis || shape.slice(axis + 1).every((extent) => extent === 1);
  node.check(
    axis >= 1 && isAlone,
    "is over the batch, or over several axes",
    "one axis",
    `axis ${axis} of [${["N", ...shape.slice(1)]}]`,
  );
  context.add(node, "softmax", [node.input(0)], axis === 1 ? attributes : { ...attributes, axis });
}
