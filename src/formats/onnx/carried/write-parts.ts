/** Writes a network together with the nodes that were copied unchanged. */
import { UserError } from "../../../core/errors.ts";
import type { Carried, CarriedNode } from "../../../graph/graph.ts";
import { encodeModel, type ModelMessage } from "../proto.ts";
import { decode } from "../protobuf/decode.ts";
import { encode } from "../protobuf/encode.ts";

/** The names of all values of carried nodes. */
export function carriedNames(carried: Carried): readonly string[] {
  return [
    ...[...carried.before, ...carried.behind].flatMap(({ bytes }) => {
      const { input = [], output = [] } = decode("RawNodeProto", bytes, "");
      return [...input, ...output];
    }),
    ...carried.tensors.map((bytes) => decode("TensorProto", bytes, "").name ?? ""),
  ];
}

/** The bytes of `model`, with the `carried` nodes around its graph. `outputs` are those of the network. */
export function encodeWithCarried(model: ModelMessage, carried: Carried, outputs: readonly string[]): Uint8Array {
  const { graph = {}, ...others } = model;
  const names = newNames(graph, carried, outputs);
  const nodesOf = (nodes: readonly CarriedNode[]): Uint8Array[] => nodes.map((node) => renamedNode(node, names));
  const { input, output, ...network } = graph;
  const isBehind = carried.before.length > 0;
  const hasOutputs = carried.outputs.length > 0;
  const whole = Buffer.concat([
    encode("RawGraphProto", { node: nodesOf(carried.before) }),
    encode("GraphProto", { ...network, ...(isBehind ? {} : { input }), ...(hasOutputs ? {} : { output }) }),
    encode("RawGraphProto", {
      node: nodesOf(carried.behind),
      initializer: carried.tensors.map((bytes) => renamedTensor(bytes, names)),
      ...(isBehind ? { input: [...carried.inputs] } : {}),
      output: [...carried.outputs],
    }),
  ]);
  const opsets = carried.opsets.map(([domain, version]) => ({ domain, version }));
  return Buffer.concat([
    encodeModel({ ...others, opsetImport: [...(others.opsetImport ?? []), ...opsets] }),
    encode("RawModelProto", { graph: whole, functions: [...carried.functions] }),
  ]);
}

/** New names for carried values whose names the written network uses for values of its own. */
function newNames(
  graph: NonNullable<ModelMessage["graph"]>,
  carried: Carried,
  outputs: readonly string[],
): ReadonlyMap<string, string> {
  const shared = new Set([...outputs, ...(graph.input ?? []).map(({ name }) => name ?? "")]);
  const own = new Set([
    ...(graph.node ?? []).flatMap(({ output }) => output ?? []),
    ...(graph.initializer ?? []).map(({ name }) => name ?? ""),
  ]);
  const taken = new Set([...own, ...carriedNames(carried)]);
  const names = new Map<string, string>();
  for (const name of carriedNames(carried)) {
    if (name === "" || shared.has(name) || !own.has(name) || names.has(name)) continue;
    let unique = `${name}/carried`;
    while (taken.has(unique)) unique = `${unique}_`;
    taken.add(unique);
    names.set(name, unique);
  }
  return names;
}

function renamedNode({ op, name, bytes }: CarriedNode, names: ReadonlyMap<string, string>): Uint8Array {
  if (names.size === 0) return bytes;
  const node = decode("RawNodeProto", bytes, "");
  const { input = [], output = [] } = node;
  for (const attribute of node.attribute ?? []) {
    const { g, graphs } = decode("RawAttributeProto", attribute, "");
    if (g === undefined && (graphs ?? []).length === 0) continue;
    throw new UserError("unsupported", "a carried node with a graph of its own shares names with the network", {
      about: `${op} "${name}"`,
      received: [...names.keys()].join(", "),
      hint: "Give these values other names in the file",
    });
  }
  if (![...input, ...output].some((one) => names.has(one))) return bytes;
  const renamed = (one: string): string => names.get(one) ?? one;
  return encode("RawNodeProto", { ...node, input: input.map(renamed), output: output.map(renamed) });
}

function renamedTensor(bytes: Uint8Array, names: ReadonlyMap<string, string>): Uint8Array {
  const tensor = decode("TensorProto", bytes, "");
  const name = names.get(tensor.name ?? "");
  return name === undefined ? bytes : encode("TensorProto", { ...tensor, name });
}
