/**
 * Nodes that compute the shape of a value inside the network from one of its outputs: only the batch size is not known
 * when a file is read, and all values have the same.
 */
import type { CarriedNode } from "../../../graph/graph.ts";
import type { Constant } from "../folding/constant.ts";
import { attributeMessage, integerTensorMessage, type NodeMessage } from "../proto.ts";
import { encode } from "../protobuf/encode.ts";

export interface ShapeNodes {
  readonly nodes: readonly CarriedNode[];
  /** Encoded tensors that the nodes read, by name. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

/** The nodes that compute `value`, the shape of a value of dims `[N, …rest]`, where `output` has the batch size. */
export function shapeNodes(value: string, output: string, { values }: Constant): ShapeNodes {
  const rest = [...values].slice(1).map((size) => (typeof size === "number" ? BigInt(size) : 0n));
  const names = { whole: `${value}/of_output`, zero: `${value}/first`, one: `${value}/second`, rest: `${value}/rest` };
  const batch = `${value}/batch`;
  const node = (message: NodeMessage): CarriedNode => ({
    op: message.opType ?? "",
    name: message.name ?? "",
    bytes: encode("NodeProto", message),
  });
  return {
    nodes: [
      node({ opType: "Shape", name: names.whole, input: [output], output: [names.whole] }),
      node({ opType: "Slice", name: batch, input: [names.whole, names.zero, names.one], output: [batch] }),
      node({
        ...{ opType: "Concat", name: value, input: [batch, names.rest], output: [value] },
        attribute: [attributeMessage("axis", 0)],
      }),
    ],
    tensors: new Map(
      [[names.zero, [0n]] as const, [names.one, [1n]] as const, [names.rest, rest] as const].map(([name, numbers]) => [
        name,
        encode("TensorProto", integerTensorMessage(name, numbers)),
      ]),
    ),
  };
}
