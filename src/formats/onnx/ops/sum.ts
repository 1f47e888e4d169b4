/** ONNX `Sum` and `Mean` of values and constants → additions. */
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, Step } from "../rules.ts";
import { readAffine } from "./affine.ts";
import { chain, combineValues, valuesFirst } from "./binary.ts";
import { readPerChannel } from "./per-channel.ts";

function sumOf(node: NodeReader, context: ReadContext, inputs: readonly string[], last: Step | undefined): string {
  return chain(inputs, (a, b, step = last) =>
    context.isConstant(b)
      ? readPerChannel(node, context, "bias", { src: a, constant: b }, step)
      : combineValues(node, context, "add", [a, b], step),
  );
}

export const readSum: ReadRule = (node, context) => {
  const inputs = valuesFirst(node, context);
  if (inputs.length === 1) context.alias(node, inputs[0] ?? "");
  else sumOf(node, context, inputs, undefined);
};

export const readMean: ReadRule = (node, context) => {
  const inputs = valuesFirst(node, context);
  const sum = sumOf(node, context, inputs, { part: "sum" });
  readAffine(node, context, sum, { slope: 1 / inputs.length, offset: 0 });
};
