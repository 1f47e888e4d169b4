/**
 * The bytes of an ONNX file as a network. Every file this package writes comes back as the graph it was written from, names and
 * all; other tools' files are read as far as they use the same ops, and what is not read is refused by name.
 */
import { UserError } from "../../core/errors.ts";
import { type Tensor, tensor } from "../../core/tensor.ts";
import type { Input, Network, Parameter, SymbolicShape } from "../../graph/graph.ts";
import { GraphReader } from "./graph-reader.ts";
import { parameterKinds } from "./kinds.ts";
import { NodeReader } from "./node-reader.ts";
import {
  type Constant,
  constantOf,
  dataTypes,
  decodeModel,
  type ModelMessage,
  toNumber,
  type ValueMessage,
} from "./proto.ts";
import { readRules } from "./table.ts";
import { exactPrefix } from "./write.ts";

/** Older opsets give some ops another meaning or attributes in place of inputs. */
const oldestOpset = 13;

/**
 * The network in `bytes`; `file` is its name in messages. Throws `UserError`: "bad-file" where the bytes are no sound ONNX file,
 * "unsupported" where it uses an op or a form of one that is not read, "bad-graph" where shapes do not fit.
 */
export function readOnnx(bytes: Uint8Array, file: string): Network {
  const model = decodeModel(bytes, file);
  const graph = model.graph;
  if (graph === undefined || graph === null || (graph.node ?? []).length === 0) {
    throw new UserError("bad-file", "not an ONNX file: it holds no graph", { about: file });
  }
  checkOpset(model, file);
  const nodes = (graph.node ?? []).map((message) => new NodeReader(message, file));
  checkOps(nodes, file);

  const constants = new Map<string, Constant>();
  for (const message of graph.initializer ?? []) {
    const name = message.name ?? "";
    if (constants.has(name)) throw new UserError("bad-file", `holds two tensors named "${name}"`, { about: file });
    constants.set(name, constantOf(message, file));
  }
  const inputs = (graph.input ?? [])
    .filter(({ name }) => !constants.has(name ?? ""))
    .map((value) => inputOf(value, file));
  const reader = new GraphReader(inputs, constants, exactValues(model), file);
  for (const node of nodes) {
    readRules.get(node.opType)?.(node, reader);
    node.finish();
  }

  const kinds = parameterKinds(reader.nodes);
  const parameters: Parameter[] = [];
  const weights = new Map<string, Tensor>();
  for (const [name, constant] of constants) {
    const shape = reader.parameterShapes.get(name);
    const kind = kinds.get(name);
    if (shape === undefined || kind === undefined || constant.type !== "float") continue;
    parameters.push({ name, shape, kind });
    weights.set(name, tensor(shape, constant.values));
  }
  const outputs = (graph.output ?? []).map(({ name }) => name ?? "");
  if (outputs.length === 0) throw new UserError("bad-file", "puts out nothing", { about: file });
  for (const output of outputs) {
    if (reader.isConstant(output)) {
      throw new UserError("unsupported", `output "${output}" does not depend on the images`, { about: file });
    }
  }
  return {
    graph: { name: graph.name ?? "", inputs, parameters, nodes: reader.nodes, outputs, updates: [] },
    weights,
  };
}

function checkOpset({ opsetImport }: ModelMessage, file: string): void {
  const standard = (opsetImport ?? []).find(({ domain }) => !domain || domain === "ai.onnx");
  if (standard === undefined) {
    throw new UserError("bad-file", "does not say which opset it uses", {
      about: file,
      hint: "It may have been cut short.",
    });
  }
  const opset = toNumber(standard.version);
  if (opset < oldestOpset) {
    throw new UserError("unsupported", "the file's opset is too old", {
      about: file,
      expected: `${oldestOpset} or newer`,
      received: `${opset}`,
      hint: "Export it again with a newer opset.",
    });
  }
}

/** Refuses the file if it uses ops that are not read, all of them in one message. */
function checkOps(nodes: readonly NodeReader[], file: string): void {
  const unknown = new Map<string, string[]>();
  for (const { opType, name } of nodes) {
    if (!readRules.has(opType)) unknown.set(opType, [...(unknown.get(opType) ?? []), name]);
  }
  if (unknown.size === 0) return;
  const list = [...unknown].map(([op, names]) => `${op} (${names.length}, first "${names[0]}")`);
  throw new UserError("unsupported", `uses ops that are not read: ${list.join(", ")}`, {
    about: file,
    hint: `Known: ${[...readRules.keys()].join(", ")}`,
  });
}

function inputOf({ name, type }: ValueMessage, file: string): Input {
  const about = `input "${name ?? ""}" in ${file}`;
  const elemType = type?.tensorType?.elemType;
  if (elemType !== dataTypes.float) {
    throw new UserError("unsupported", "has an element type that is not read", {
      about,
      expected: "FLOAT (1)",
      received: `${elemType ?? "none"}`,
    });
  }
  const shape: SymbolicShape = (type?.tensorType?.shape?.dim ?? []).map(({ dimParam, dimValue }, axis) => {
    const size = toNumber(dimValue);
    if (axis === 0) return "N";
    if (dimParam || size < 1) throw new UserError("unsupported", `axis ${axis} must have a fixed size`, { about });
    return size;
  });
  if (shape.length === 0) throw new UserError("unsupported", "has no shape", { about });
  return { name: name ?? "", dtype: "f32", shape };
}

/** Exact attribute values the writer noted in the metadata, by `<node>.<attribute>`. */
function exactValues({ metadataProps }: ModelMessage): ReadonlyMap<string, number> {
  return new Map(
    (metadataProps ?? [])
      .filter(({ key }) => key?.startsWith(exactPrefix))
      .map(({ key, value }) => [(key ?? "").slice(exactPrefix.length), Number(value)]),
  );
}
