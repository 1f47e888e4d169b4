/**
 * Constants that a value is shifted or scaled by: one number for each channel (a bias, a gain), or one for all of it (a
 * line).
 */
import { tensor } from "../../../core/tensor.ts";
import type { ForwardNode, Node } from "../../../graph/graph.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, WriteContext } from "../rules.ts";
import { numberIn, readLine } from "./affine.ts";

/** What a constant does to the value in front of it. */
type ChannelOp = "bias" | "gain";

const sameNumber = (value: number): number => value;

export function writePerChannel(opType: string, node: Node<ChannelOp> & ForwardNode, context: WriteContext): void {
  const [src = "", constant = ""] = node.inputs;
  const [, channels = 0, ...pixels] = context.shape(src);
  context.write(opType, node, [src, context.view(constant, [channels, ...pixels.map(() => 1)])]);
}

/** `turned` makes of each number of `constant` the one that `op` shifts or scales by. */
export function readPerChannel(
  node: NodeReader,
  context: ReadContext,
  op: ChannelOp,
  { src, constant, turned = sameNumber }: { src: string; constant: string; turned?: (value: number) => number },
): void {
  const number = numberIn(context, constant, context.shape(src));
  if (number !== undefined) {
    const value = Math.fround(turned(number));
    readLine(node, context, src, op === "bias" ? { slope: 1, offset: value } : { slope: value, offset: 0 });
    return;
  }
  const channels = perChannel(node, context, src, constant);
  context.add(node, op, [src, turnedParameter(node, context, op, { constant, channels, turned })], {});
}

function turnedParameter(
  node: NodeReader,
  context: ReadContext,
  op: ChannelOp,
  { constant, channels, turned }: { constant: string; channels: number; turned: (value: number) => number },
): string {
  if (turned === sameNumber) return context.parameter(node, constant, [channels]);
  const { values } = context.constant(constant) ?? {};
  if (!(values instanceof Float32Array)) throw node.unsupported(`constant "${constant}" must be of floats`);
  return context.derived(node, constant, op, tensor([channels], values.map(turned)));
}

/** How many channels `src` has; refused unless `constant` has a number for each of them. */
function perChannel(node: NodeReader, context: ReadContext, src: string, constant: string): number {
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
