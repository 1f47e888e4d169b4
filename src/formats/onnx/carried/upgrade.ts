/**
 * Carried nodes of a file whose opset is older than the oldest one that is written. Their forms are changed where a
 * later opset has another form of the op.
 */
import { UserError } from "../../../core/errors.ts";
import type { CarriedNode } from "../../../graph/graph.ts";
import { decode } from "../protobuf/decode.ts";
import { encode } from "../protobuf/encode.ts";
import { encodedConstant } from "./encoded-constant.ts";

/** Ops whose list of integers became an input with opset 13: the attribute's name by the op. */
const toInput: ReadonlyMap<string, string> = new Map([
  ...["Squeeze", "Unsqueeze", "ReduceSum"].map((op) => [op, "axes"] as const),
  ["Split", "split"],
]);

/** Ops whose older forms mean something else in opset 13, by the first opset with the form of 13. */
const changed: ReadonlyMap<string, number> = new Map([
  ...["Softmax", "LogSoftmax", "Hardmax"].map((op) => [op, 13] as const),
  ...["Clip", "Pad", "Resize", "TopK"].map((op) => [op, 11] as const),
  ...["Slice", "Upsample"].map((op) => [op, 10] as const),
  ["Dropout", 12],
]);

export interface Upgraded {
  readonly nodes: readonly CarriedNode[];
  /** Encoded tensors that the new forms read. */
  readonly tensors: readonly Uint8Array[];
}

/**
 * `nodes` of a file with `opset` in the forms of opset 13. `ranks`: the number of axes of values, as far as known.
 * @throws UserError "unsupported" if a node has a form that cannot be changed.
 */
export function upgraded(
  nodes: readonly CarriedNode[],
  opset: number,
  ranks: ReadonlyMap<string, number>,
  file: string,
): Upgraded {
  if (opset >= 13) return { nodes, tensors: [] };
  const tensors: Uint8Array[] = [];
  const made = nodes.map((carried) => {
    const { op, name, bytes } = carried;
    const node = decode("RawNodeProto", bytes, file);
    const attributes = (node.attribute ?? []).map((encoded) => ({
      encoded,
      read: decode("RawAttributeProto", encoded, file),
    }));
    const list = toInput.get(op);
    const values = attributes.find(({ read }) => read.name === list)?.read.ints;
    if (list !== undefined && values !== undefined && (node.input?.length ?? 0) === 1) {
      const input = `${name}/${list}`;
      tensors.push(encodedConstant(input, { type: "integer", dims: [values.length], values }, values));
      const attribute = attributes.filter(({ read }) => read.name !== list).map(({ encoded }) => encoded);
      const message = { ...node, input: [...(node.input ?? []), input], attribute };
      return { ...carried, bytes: encode("RawNodeProto", message) };
    }
    const first = node.domain ? 0 : (changed.get(op) ?? 0);
    // Over the two axes of logits the old form and the new one are the same.
    const isOverLogits = first === 13 && ranks.get(node.input?.[0] ?? "") === 2;
    if (opset >= first || isOverLogits) return carried;
    throw new UserError("unsupported", "is copied unchanged, and its form is older than opset 13", {
      about: `${op} "${name}" of ${file}`,
      received: `opset ${opset}`,
      hint: "Export the network with opset 13, or convert it: onnx.version_converter.convert_version(model, 13)",
    });
  });
  return { nodes: made, tensors };
}
