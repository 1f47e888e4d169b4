/**
 * Reads and writes constants that shift or scale a value: one number for each channel (bias, gain), or one number for
 * all of it (linear activation).
 */
import { tensor } from "../../../core/tensor.ts";
import type { ForwardNode, Node } from "../../../graph/graph.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, WriteContext } from "../rules.ts";
import { numberIn, readAffine } from "./affine.ts";

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
 * uses.
 */
export function readPerChannel(
  node: NodeReader,
  context: ReadContext,
  op: ChannelOp,
  { src, constant, transform = sameNumber }: { src: string; constant: string; transform?: (value: number) => number },
): void {
  const number = numberIn(context, constant, context.shape(src));
  if (number !== undefined) {
    const value = Math.fround(transform(number));
    readAffine(node, context, src, op === "bias" ? { slope: 1, offset: value } : { slope: value, offset: 0 });
    return;
  }
  const channels = perChannel(node, context, src, constant);
  context.add(node, op, [src, transformedParameter(node, context, op, { constant, channels, transform })], {});
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

/** The number of channels of `src`. Throws unless `constant` has one number for each channel. */
function perChannel(node: NodeReader, context: ReadContext, src: string, constant: string): number {
  const [, channels = 0, ...pixels] = context.shape(src);
  const dims = context.view(constant)?.dims ?? [];
  // [C,1,1] or, with a batch axis, [1,C,1,1].
  const expected = [channels, ...pixels.map(() => 1)];
  node.check(
    [expected.join(), `1,${expected.join()}`].includes(dims.join()),
    "its constant is not one number for each channel",
    `dims [${expected.join()}]`,
    `[${dims.join()}]`,
  );
  return channels;
}
