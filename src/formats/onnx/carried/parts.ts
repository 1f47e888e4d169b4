/**
 * The parts of a file that Espalier does not read and writes again unchanged: nodes before the network, such as a
 * resizing, and nodes behind it, such as the decoding of boxes. Here they are taken out of the file's bytes.
 */
import { UserError } from "../../../core/errors.ts";
import type { CarriedNode } from "../../../graph/graph.ts";
import type { ModelMessage, NodeMessage } from "../proto.ts";
import { decode } from "../protobuf/decode.ts";
import { encode } from "../protobuf/encode.ts";

export type GraphMessage = NonNullable<ModelMessage["graph"]>;

/** The messages of a graph as bytes, in the order of the decoded ones. */
export interface RawGraph {
  readonly nodes: readonly Uint8Array[];
  readonly initializers: readonly Uint8Array[];
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
  /** The functions of the model. */
  readonly functions: readonly Uint8Array[];
}

export function rawGraphOf(bytes: Uint8Array, file: string): RawGraph {
  const { graph, functions = [] } = decode("RawModelProto", bytes, file);
  const { node, initializer, input, output } = decode("RawGraphProto", graph ?? new Uint8Array(), file);
  return { nodes: node ?? [], initializers: initializer ?? [], inputs: input ?? [], outputs: output ?? [], functions };
}

/** A copy, because the bytes of a message are a view of the whole file. */
export function copied(bytes: Uint8Array | undefined): Uint8Array {
  return Uint8Array.from(bytes ?? []);
}

export function carriedNode({ opType, name, output }: NodeMessage, bytes: Uint8Array | undefined): CarriedNode {
  return { op: opType ?? "", name: name || (output?.[0] ?? ""), bytes: copied(bytes) };
}

/** The tensor `index` of the graph, to carry over. Throws `UserError("unsupported")` if it lies in another file. */
export function carriedTensor(graph: GraphMessage, raw: RawGraph, index: number, file: string): Uint8Array {
  const message = graph.initializer?.[index];
  if (message?.dataLocation === 1 || (message?.externalData ?? []).length > 0) {
    throw new UserError("unsupported", "lies in another file, and nodes that are copied unchanged read it", {
      about: `tensor "${message?.name ?? ""}" of ${file}`,
      hint: "Save the network in one file: onnx.save(onnx.load(file), file, save_as_external_data=False)",
    });
  }
  const bytes = raw.initializers[index];
  // Fixed inputs are no tensors of the file.
  return bytes === undefined && message !== undefined ? encode("TensorProto", message) : copied(bytes);
}

/** The values that a node reads: its inputs, and what the graphs inside it read of the graph around them. */
export function valuesRead(node: NodeMessage): readonly string[] {
  const read = new Set<string>();
  const own = new Set([""]);
  const pending = graphsIn(node);
  for (let bytes = pending.pop(); bytes !== undefined; bytes = pending.pop()) {
    const graph = decode("GraphProto", bytes, "a graph inside a node");
    for (const { name = "" } of [...(graph.input ?? []), ...(graph.initializer ?? [])]) own.add(name);
    for (const { name = "" } of graph.output ?? []) read.add(name);
    for (const inner of graph.node ?? []) {
      for (const name of inner.input ?? []) read.add(name);
      for (const name of inner.output ?? []) own.add(name);
      pending.push(...graphsIn(inner));
    }
  }
  return [...(node.input ?? []), ...[...read].filter((name) => !own.has(name))];
}

function graphsIn({ attribute }: NodeMessage): Uint8Array[] {
  return (attribute ?? []).flatMap(({ g, graphs }) => [...(g === undefined ? [] : [g]), ...(graphs ?? [])]);
}

/** Which values of a graph depend on its inputs, and which node makes each value. */
export class Dependence {
  readonly makers: ReadonlyMap<string, number>;
  readonly #dependent: ReadonlySet<string>;
  readonly #graph: GraphMessage;

  constructor(graph: GraphMessage) {
    this.#graph = graph;
    const stored = new Set((graph.initializer ?? []).map(({ name }) => name ?? ""));
    const dependent = new Set((graph.input ?? []).flatMap(({ name }) => (stored.has(name ?? "") ? [] : [name ?? ""])));
    const makers = new Map<string, number>();
    for (const [index, node] of (graph.node ?? []).entries()) {
      const depends = valuesRead(node).some((value) => dependent.has(value));
      for (const value of node.output ?? []) {
        if (value === "") continue;
        makers.set(value, index);
        if (depends) dependent.add(value);
      }
    }
    this.makers = makers;
    this.#dependent = dependent;
  }

  dependsOnInputs(value: string): boolean {
    return this.#dependent.has(value);
  }

  /** The nodes that `values` are computed by, without going on behind `ends`. */
  ancestors(values: readonly string[], ends: ReadonlySet<string>): Set<number> {
    const found = new Set<number>();
    const pending = values.filter((value) => !ends.has(value));
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const index = this.makers.get(value);
      const node = index === undefined ? undefined : this.#graph.node?.[index];
      if (index === undefined || node === undefined || found.has(index)) continue;
      found.add(index);
      pending.push(...valuesRead(node).filter((name) => !ends.has(name)));
    }
    return found;
  }
}
