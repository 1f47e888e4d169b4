/**
 * The channel rule of a product of matrices. Where axes stand in front of the matrices, the channels are the first of
 * them: each product has a channel of both operands, and the three are coupled. Of matrices alone, the channels are
 * the rows: those of `b` are the columns of `a`, which cannot be cut, so all of them stay together.
 */
import type { Shape } from "../../core/tensor.ts";
import { type ChannelContext, type ChannelRule, channelsOf, constantOf, indices } from "./rule.ts";

type Context = ChannelContext<"matmul">;

/** Whether the channels number the matrices, and not their rows. */
function numbersMatrices({ dstShape }: Context): boolean {
  return dstShape.length > 3;
}

/** How many products a number of the result is the sum of. */
function termsOf({ shapes: [a] }: Context): number {
  return a?.at(-1) ?? 0;
}

function hasRows(shape: Shape | undefined, slot: number): readonly { slot: number; axis: number; index: number }[] {
  return indices(channelsOf(shape)).map((index) => ({ slot, axis: 1, index }));
}

export const matmul: ChannelRule<"matmul"> = {
  couple: (context, join) => {
    const { shapes, dstShape } = context;
    for (const [slot, shape] of shapes.entries()) {
      if (slot === 1 && !numbersMatrices(context)) {
        for (const end of hasRows(shape, slot)) join({ slot, axis: 1, index: 0 }, end);
        continue;
      }
      for (const end of hasRows(dstShape, slot)) join({ ...end, slot: "dst" }, end);
    }
  },
  constants: (context, [a, b]) => {
    const terms = termsOf(context);
    if (numbersMatrices(context)) {
      return (channel) => {
        const [left = Number.NaN, right = Number.NaN] = [a?.[channel], b?.[channel]];
        return left === 0 || right === 0 ? 0 : constantOf(left * right * terms);
      };
    }
    // Each row of the result is a sum over the rows of b, times a number of a's row.
    const sum = b?.reduce((partial, value) => partial + value, 0) ?? Number.NaN;
    const isZero = b?.every((value) => value === 0) === true;
    return (row) => {
      const left = a?.[row] ?? Number.NaN;
      return left === 0 || isZero ? 0 : constantOf(left * sum);
    };
  },
  reach: (context, slot) => {
    if (slot === 0 || numbersMatrices(context)) return (channel) => [channel];
    const all = indices(channelsOf(context.dstShape));
    return () => all;
  },
  demands: (context, dst) => {
    if (numbersMatrices(context)) return [dst, dst];
    const rows = new Uint8Array(channelsOf(context.shapes[1])).fill(dst.includes(1) ? 1 : 0);
    return [dst, rows];
  },
  narrow: ({ attributes, shapes }) => ({ attributes, slots: [...shapes.keys()] }),
  bypass: () => undefined,
};
