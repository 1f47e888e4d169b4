/**
 * ONNX `Transpose` ↔ transpose. Two in a row become one, or none. Most transposes of channels-last graphs disappear
 * this way, or into the ops that read them (`reshape.ts`, `pool.ts`).
 */
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { readTransposedConstant } from "./views.ts";

export const writeTranspose: WriteRule<"transpose"> = (node, context) => {
  context.write("Transpose", node, node.inputs, { perm: node.attributes.permutation });
};

export const readTranspose: ReadRule = (node, context) => {
  const src = node.input(0);
  if (context.isConstant(src)) {
    readTransposedConstant(node, context);
    return;
  }
  const rank = context.shape(src).length;
  const asked = node.permutation(rank);
  node.check(asked.length === rank && asked[0] === 0, "moves the batch axis", "perm 0, …", `${asked}`);
  const { from, permutation } = joined(context, src, asked);
  if (permutation === undefined) context.alias(node, from);
  else context.add(node, "transpose", [from], { permutation });
};

/** `src` with its axes in the order `asked`, as a part of the node. Returns the value. */
export function addTransposed(
  node: NodeReader,
  context: ReadContext,
  src: string,
  asked: readonly number[],
  part: string,
): string {
  const { from, permutation } = joined(context, src, asked);
  return permutation === undefined ? from : context.add(node, "transpose", [from], { permutation }, { part });
}

/** A transpose of `src`, joined with one that gives `src`; without a permutation it is `from` itself. */
function joined(
  context: ReadContext,
  src: string,
  asked: readonly number[],
): { readonly from: string; readonly permutation: readonly number[] | undefined } {
  const before = context.producer(src);
  const inner = before?.op === "transpose" ? before.attributes.permutation : asked.map((_, axis) => axis);
  const from = before?.op === "transpose" ? (before.inputs[0] ?? "") : src;
  const permutation = asked.map((axis) => inner[axis] ?? 0);
  return { from, permutation: permutation.every((axis, index) => axis === index) ? undefined : permutation };
}
