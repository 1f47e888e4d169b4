/**
 * Reads and writes constants that shift or scale a value: one number for each channel (bias, gain), or one number for
 * all of it (linear activation).
 */
import { tensor } from "../../../core/tensor.ts";
import type { ForwardNode, Node } from "../../../graph/graph.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, Step, WriteContext } from "../rules.ts";
import { numberIn, readAffine } from "./affine.ts";
import { combineConstant } from "./binary.ts";

/** Whether the constant shifts or scales the value. */
type ChannelOp = "bias" | "gain";

const sameNumber = (value: number): number => value;

export function writePerChannel(opType: string, node: Node<ChannelOp> & ForwardNode, context: WriteContext): void {
  const [src = "", constant = ""] = node.inputs;
  const [, channels = 0, ...pixels] = context.shape(src);
  context.write(opType, node, [src, context.view(constant, [channels, ...pixels.map(() => 1)])]);
}

/**
 * Reads the shift or scale of `src` by `constant`. `transform` maps each number of the constant to the one that `op`
 * uses: to its negative or its inverse. A constant that has other numbers than one for each channel is broadcast.
 */
export function readPerChannel(
  node: NodeReader,
  context: ReadContext,
  op: ChannelOp,
  { src, constant, transform = sameNumber }: { src: string; constant: string; transform?: (value: number) => number },
  step?: Step,
): string {
  const number = numberIn(context, constant, context.shape(src));
  if (number !== undefined) {
    const value = Math.fround(transform(number));
    const line = op === "bias" ? { slope: 1, offset: value } : { slope: value, offset: 0 };
    return readAffine(node, context, src, line, step);
  }
  const channels = perChannel(context, src, constant);
  if (channels === undefined) {
    const [name, inverse] = op === "bias" ? (["add", "subtract"] as const) : (["multiply", "divide"] as const);
    return combineConstant(node, context, transform === sameNumber ? name : inverse, { src, constant }, step);
  }
  const parameter = transformedParameter(node, context, op, { constant, channels, transform });
  return context.add(node, op, [src, parameter], {}, step);
}

function transformedParameter(
  node: NodeReader,
  context: ReadContext,
  op: ChannelOp,
  { constant, channels, transform }: { constant: string; channels: number; transform: (value: number) => number },
): string {
  if (transform === sameNumber) return context.parameter(node, constant, [channels]);
  const { values } = context.constant(constant) ?? {};
  if (!(values instanceof Float32Array)) throw node.unsupported(`constant "${constant}" must be of floats`);
  return context.derived(node, constant, op, tensor([channels], values.map(transform)));
}

/** The number of channels of `src`; undefined if `constant` does not have one number for each of them. */
function perChannel(context: ReadContext, src: string, constant: string): number | undefined {
  const [, channels = 0, ...pixels] = context.shape(src);
  const dims = context.view(constant)?.dims ?? [];
  // [C,1,1] or, with a batch axis, [1,C,1,1].
  const expected = [channels, ...pixels.map(() => 1)];
  return [expected.join(), `1,${expected.join()}`].includes(dims.join()) ? channels : undefined;
}
