/**
 * ONNX `Clip` ↔ clip. The bounds are scalar inputs; before opset 11 they are attributes. A missing bound is infinite.
 */
import { shortestDecimal } from "../decimal.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";

const bounds = [
  { attribute: "minimum", old: "min", unbounded: Number.NEGATIVE_INFINITY },
  { attribute: "maximum", old: "max", unbounded: Number.POSITIVE_INFINITY },
] as const;

export const writeClip: WriteRule<"clip"> = (node, context) => {
  const scalars = bounds.map(({ attribute, unbounded }) => {
    const value = node.attributes[attribute];
    if (value === unbounded) return "";
    context.keepExact(node, attribute, value, shortestDecimal(value));
    return context.scalar(`${node.name}/${attribute}`, value);
  });
  while (scalars.at(-1) === "") scalars.pop();
  context.write("Clip", node, [...node.inputs, ...scalars]);
};

export const readClip: ReadRule = (node, context) => {
  const [minimum = 0, maximum = 0] = bounds.map((bound, index) => readBound(node, context, index + 1, bound));
  // As in ONNX, the maximum wins: if the minimum is larger, every value becomes the maximum.
  context.add(node, "clip", [node.input(0)], { minimum: Math.min(minimum, maximum), maximum });
};

function readBound(
  node: NodeReader,
  context: ReadContext,
  index: number,
  { attribute, old, unbounded }: (typeof bounds)[number],
): number {
  if (node.has(old))
    return context.exact(node, attribute, shortestDecimal(node.float(old, unbounded)), shortestDecimal);
  if ((node.inputs[index] ?? "") === "") return unbounded;
  const stored = context.scalar(node, node.input(index));
  if (!Number.isFinite(stored)) return stored;
  return context.exact(node, attribute, shortestDecimal(stored), shortestDecimal);
}
