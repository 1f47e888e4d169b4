/** ONNX `Mul`, `Div`, `Add` and `Sub` of a value and one number ↔ linear activation, slope·x + offset. */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { shortestDecimal } from "../decimal.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, Step, WriteContext } from "../rules.ts";

interface Affine {
  readonly slope: number;
  readonly offset: number;
}

/**
 * The single number that `constant` adds to, or multiplies with, a value of `shape`; undefined if the constant has one
 * number for each channel.
 */
export function numberIn(context: ReadContext, constant: string, shape: Shape): number | undefined {
  const found = context.constant(constant);
  const [number] = found?.values ?? [];
  const rank = found?.dims.length ?? 0;
  const isOfChannels = shape[1] === 1 && rank > 0 && rank >= shape.length - 1;
  // A constant with more axes would add axes to the value.
  if (found?.type !== "float" || typeof number !== "number" || elementCount(found.dims) !== 1) return undefined;
  if (isOfChannels || rank > shape.length) return undefined;
  return number;
}

export function readAffine(node: NodeReader, context: ReadContext, src: string, line: Affine, step?: Step): string {
  const exact = (attribute: keyof Affine): number =>
    context.exact(node, attribute, shortestDecimal(line[attribute]), shortestDecimal);
  const attributes = { function: "linear", slope: exact("slope"), offset: exact("offset") } as const;
  return context.add(node, "activation", [src], attributes, step);
}

/**
 * Writes slope·x + offset as one node or two: with both a slope and an offset, the product is a node of its own, except
 * that offset − x is one `Sub`.
 */
export function writeAffine(node: Node<"activation">, { slope, offset }: Affine, context: WriteContext): void {
  const [src = ""] = node.inputs;
  const number = (attribute: keyof Affine, value: number): string => {
    context.keepExact(node, attribute, value, shortestDecimal(value));
    return context.scalar(`${node.name}/${attribute}`, value);
  };
  if (offset === 0) {
    context.write("Mul", node, [src, number("slope", slope)]);
    return;
  }
  if (slope === -1) {
    context.write("Sub", node, [number("offset", offset), src]);
    return;
  }
  const scaled = slope === 1 ? src : context.helper("Mul", `${node.name}/scaled`, [src, number("slope", slope)]);
  context.write("Add", node, [scaled, number("offset", offset)]);
}
