/**
 * Reads the bytes of an ONNX file as a network. A file that this package wrote comes back as the same graph, names
 * included. In files of other tools, the constant part is computed and nodes without effect are dropped. An error lists
 * every node that is not supported.
 */
import { requireArguments } from "../../core/arguments.ts";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { elementCount, type Shape, tensor } from "../../core/tensor.ts";
import type { Pair } from "../../graph/attributes.ts";
import type { Network, Node, Parameter, ParameterKind, Weights } from "../../graph/graph.ts";
import { withoutUnread } from "../../graph/rewrite.ts";
import { requireFinite } from "../finite.ts";
import { Arranger } from "./arranged/arranger.ts";
import { arrangedOps, plainOutput } from "./arranged/read.ts";
import { readParts, type Trace } from "./carried/read-parts.ts";
import { channelsFirst, channelsLastInputs, renamed } from "./channels-last-inputs.ts";
import { type ExternalData, noExternalData } from "./external.ts";
import { type ScalesOf, scalesIn } from "./factors.ts";
import { type FixedInputs, withFixedInputs } from "./fixed-inputs.ts";
import type { Constant } from "./folding/constant.ts";
import { ConstantFolder } from "./folding/constant-folder.ts";
import { bodyOps, withFunctionBodies } from "./function-bodies.ts";
import { withGelus } from "./gelu-forms.ts";
import { GraphReader } from "./graph-reader.ts";
import { exactPrefix, headerOf, isOwnLayout, notedChannelsLast, opsetOf } from "./header.ts";
import { readInputs } from "./inputs.ts";
import { IntegerInputs } from "./integers/integer-inputs.ts";
import { withFusedBiases } from "./joined.ts";
import { parameterKinds } from "./kinds.ts";
import { LARGEST } from "./ops/binary.ts";
import { isQuantizedOp } from "./ops/quantize.ts";
import { type NotesOf, notesIn } from "./parameter-notes.ts";
import { Problems, UNSOUND_HINT } from "./problems.ts";
import { decodeModel, type ModelMessage } from "./proto.ts";
import { readNode } from "./read-node.ts";
import { withLocalResponses } from "./response-forms.ts";
import { type FileConstants, withStridedViews } from "./strided-forms.ts";
import { readRules } from "./table.ts";
import { readTensor } from "./tensors.ts";

type GraphMessage = NonNullable<ModelMessage["graph"]>;

export interface ReadOptions {
  /**
   * Whether a quantised file is read, as floats: weights are dequantised, and activations are clipped to the ranges of
   * their integers but not rounded. Default false: such a file is refused.
   */
  readonly quantized?: boolean;
  /**
   * The values where the network ends; nodes behind them are copied unchanged. Default: the outputs of the file, or
   * where the nodes end that can be read.
   */
  readonly outputs?: readonly string[];
  /** The values of inputs besides the images, which become constants. */
  readonly inputs?: FixedInputs;
  /** Height and width of the images, where the file leaves them open; one number is both. */
  readonly size?: number | Pair;
}

/**
 * Reads the network in `bytes`. `file` names the file in messages; `external` reads tensors that lie in other files.
 * Throws `UserError`: "bad-file" if the bytes are not a valid ONNX file or a weight is not finite; "unsupported" if the
 * file uses an op, or a form of an op, that is not supported. The error lists all such nodes, and includes shapes that
 * do not fit.
 */
export function readOnnx(
  bytes: Uint8Array,
  file: string,
  external: ExternalData = noExternalData,
  options: ReadOptions = {},
): Network {
  requireArguments("readOnnx", {
    ...{ bytes: [bytes, "bytes"], file: [file, "text"], external: [external, "object"], options: [options, "object"] },
  });
  requireArguments("readOnnx", {
    "options.outputs": [options.outputs, "texts?"],
    "options.size": [options.size, "number or pair?"],
    "options.inputs": [options.inputs, "object?"],
  });
  const model = withFixedInputs(decodeModel(bytes, file), options.inputs ?? {}, file);
  if (model.graph === undefined || model.graph === null || (model.graph.node ?? []).length === 0) {
    throw new UserError("bad-file", "not an ONNX file: it has no graph", {
      about: file,
      hint: "Check that this is the right file and that it is complete",
    });
  }
  if (options.quantized !== true && (model.graph.node ?? []).some(({ opType }) => isQuantizedOp(opType ?? ""))) {
    throw new UserError("unsupported", "is quantised to integers", {
      about: file,
      expected: "a network of floats",
      received: "a quantised network",
      hint: "Give the file that it was made from. espalier train, inspect, eval and bench read quantised files",
    });
  }
  const { graph } = model;
  return readParts({ ...model, graph }, bytes, {
    file,
    outputs: options.outputs,
    read: (part, trace) => readGraph(part, trace, file, external, options.size),
    integers: (message) => {
      const { type, values } = readTensor(message, file, external);
      const numbers = [...values].filter((value) => typeof value === "number");
      return type === "integer" && numbers.length === values.length ? numbers : undefined;
    },
  });
}

/** Reads a model whose graph is the network alone. `trace` gets what is known of its values, also if this throws. */
function readGraph(
  model: ModelMessage & { readonly graph: GraphMessage },
  trace: Trace,
  file: string,
  external: ExternalData,
  size: number | Pair | undefined,
): Network {
  const opset = opsetOf(model, file);
  const initializers = readInitializers(model.graph, file, external);
  const stored = nodesOf(model.graph, initializers, file, external);
  const inputNames = new Set((model.graph.input ?? []).map(({ name }) => name ?? ""));
  const given = withLocalResponses({ ...stored, nodes: withStridedViews(stored, inputNames) });
  const graph = { ...model.graph, node: [...withGelus(given)] };
  const { inputs, batch, types } = readInputs(
    graph,
    initializers,
    file,
    typeof size === "number" ? [size, size] : size,
  );
  const readers = countReaders(graph);
  const notedLast = notedChannelsLast(model);
  const reader = new GraphReader({
    file,
    inputs,
    inputTypes: types,
    channelsLast: notedLast ?? channelsLastInputs(graph, inputs),
    notesChannelsLast: notedLast !== undefined,
    initializers,
    exact: exactValues(model),
    fixedBatch: typeof batch === "number" ? batch : undefined,
    readers,
    made: new Set((graph.node ?? []).flatMap(({ output }) => output ?? [])),
  });
  const folder = new ConstantFolder(reader, {
    keepsViews: isOwnLayout(model),
    stored: [...initializers.values()].reduce((sum, { dims }) => sum + elementCount(dims), 0),
    tensorOf: (message, owner) => readTensor(message, file, external, owner),
  });
  // In files of this package, every value has its batch first.
  const arranger = isOwnLayout(model) ? undefined : new Arranger(reader);
  const integers = new IntegerInputs(
    reader,
    inputs.flatMap(({ name, integer }) => (integer === undefined ? [] : [name])),
    (message, owner) => readTensor(message, file, external, owner),
  );
  const problems = new Problems(file);
  trace.unread = problems.missing;
  trace.constants = reader.constants;
  for (const message of graph.node ?? []) {
    const surroundings = {
      file,
      opset,
      resolve: (name: string) => reader.resolve(name),
      isRead: (name: string) => readers.has(name),
      movesNodes: notedLast === undefined,
    };
    readNode(message, surroundings, { reader, folder, problems, arranger, integers });
  }
  problems.finish([...new Set([...readRules.keys(), ...arrangedOps, ...bodyOps])].toSorted());

  for (const { name = "" } of graph.output ?? []) if (integers.has(name)) throw isIntegers(name, file);
  const { nodes: named, outputs } = withOutputNames(reader, graph, file, arranger);
  const channelsLastNames = [...reader.channelsFirstOf.keys()];
  const nodes = withInputNames(withFusedBiases(withoutUnread(named, outputs), outputs, reader.products), reader);
  const header = headerOf(model, opset, typeof batch === "string" ? batch : undefined, channelsLastNames);
  const images = header?.producer === undefined ? [] : inputs.map(({ name }) => name);
  const { parameters, weights } = parametersOf(reader, parameterKinds(nodes, new Set(images)), {
    scalesOf: scalesIn(model),
    notesOf: notesIn(model),
    masks: masksOf(nodes, reader),
  });
  requireFinite(weights, file);
  const name = graph.name ?? "";
  const imageInputs = inputs.map((input) => (reader.channelsFirstOf.has(input.name) ? channelsFirst(input) : input));
  return {
    graph: {
      name,
      inputs: imageInputs,
      parameters,
      nodes,
      outputs,
      updates: [],
      ...optional({ header }),
    },
    weights,
  };
}

function isIntegers(output: string, file: string): UserError {
  return new UserError("unsupported", `output "${output}" is integers of an input`, {
    about: file,
    hint: "Export the network without this output",
  });
}

function readInitializers(graph: GraphMessage, file: string, external: ExternalData): Map<string, Constant> {
  const constants = new Map<string, Constant>();
  for (const message of graph.initializer ?? []) {
    const name = message.name ?? "";
    if (constants.has(name)) {
      throw new UserError("bad-file", `has two tensors named "${name}"`, { about: file, hint: UNSOUND_HINT });
    }
    constants.set(name, readTensor(message, file, external));
  }
  if ((graph.sparseInitializer ?? []).length > 0) {
    throw new UserError("unsupported", "has sparse tensors, which are not supported", {
      about: file,
      hint: "Export the network with dense tensors",
    });
  }
  return constants;
}

/** The nodes of the file, and the numbers among its constants. */
function nodesOf(
  graph: GraphMessage,
  initializers: ReadonlyMap<string, Constant>,
  file: string,
  external: ExternalData,
): FileConstants {
  const nodes = withFunctionBodies(graph.node ?? []);
  const constants = new Map(nodes.flatMap((node) => (node.opType === "Constant" ? [[node.output?.[0], node]] : [])));
  // A number with more axes could add axes to the value that it is combined with.
  const isSingle = (dims: Shape): boolean => dims.length <= 1 && elementCount(dims) === 1;
  const inNode = (name: string, fits: (dims: Shape) => boolean): Constant | undefined => {
    const value = constants.get(name)?.attribute?.find((attribute) => attribute.name === "value")?.t;
    return value && fits(value.dims ?? []) ? readTensor(value, file, external, name) : undefined;
  };
  return {
    nodes,
    outputs: (graph.output ?? []).map(({ name }) => name ?? ""),
    constantOf: (name) => initializers.get(name) ?? inNode(name, () => true),
    numberOf: (name) => {
      const { dims, values: [number] = [] } = initializers.get(name) ?? inNode(name, isSingle) ?? {};
      return dims !== undefined && isSingle(dims) && typeof number === "number" ? number : undefined;
    },
  };
}

function countReaders(graph: GraphMessage): Map<string, number> {
  const counts = new Map<string, number>();
  const read = [
    ...(graph.node ?? []).flatMap(({ input }) => input ?? []),
    ...(graph.output ?? []).map(({ name }) => name ?? ""),
  ];
  for (const name of read) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Renames values so that the graph's outputs have the names that the file gives them. */
function withOutputNames(
  reader: GraphReader,
  graph: GraphMessage,
  file: string,
  arranger: Arranger | undefined,
): { nodes: readonly Node[]; outputs: string[] } {
  const outputs = (graph.output ?? []).map(({ name }) => name ?? "");
  if (outputs.length === 0) {
    throw new UserError("bad-file", "the graph has no output", {
      about: file,
      hint: "Export the network with its output",
    });
  }
  const names = new Map<string, string>();
  for (const output of outputs) {
    const value = arranger === undefined ? reader.resolve(output) : plainOutput(output, arranger, file);
    if (reader.isConstant(value)) {
      const hint = "Export the network without this output";
      throw new UserError("unsupported", `output "${output}" does not depend on the images`, { about: file, hint });
    }
    if (value === output) continue;
    if (reader.producer(value) === undefined || outputs.includes(value) || names.has(value)) {
      const hint = "Export the network without this output";
      throw new UserError("unsupported", `output "${output}" is the same value as "${value}"`, { about: file, hint });
    }
    names.set(value, output);
  }
  if (names.size === 0) return { nodes: reader.nodes, outputs };
  return { nodes: renamed(reader.nodes, names), outputs };
}

/** Renames the channels-first inputs to the names that the file gives the inputs. */
function withInputNames(nodes: readonly Node[], reader: GraphReader): readonly Node[] {
  const names = [...reader.channelsFirstOf].flatMap(([name, first]) => [
    [first, name] as const,
    [name, reader.newName(`${name}/channels_last`)] as const,
  ]);
  return renamed(nodes, new Map(names));
}

/**
 * What the file computes from numbers alone and combines with values: the mask of shifted windows, one-hot vectors.
 */
function masksOf(nodes: readonly Node[], { computed, constants }: GraphReader): ReadonlySet<string> {
  const operands = nodes.flatMap(({ op, inputs: [, operand = ""] }) =>
    op === "binary" || op === "lookup" ? [operand] : [],
  );
  const hides = (name: string): boolean => constants.get(name)?.values.includes(Number.NEGATIVE_INFINITY) === true;
  return new Set(operands.filter((name) => computed.has(name) || hides(name)));
}

/** The numbers of a mask: −∞, with which files hide places from a softmax, as the lowest number there is. */
function finiteMask(values: Float32Array): Float32Array {
  return values.map((value) => (value === Number.NEGATIVE_INFINITY ? -LARGEST : value));
}

function parametersOf(
  { constants, parameterShapes }: GraphReader,
  kinds: ReadonlyMap<string, ParameterKind>,
  {
    scalesOf,
    notesOf,
    masks,
  }: { readonly scalesOf: ScalesOf; readonly notesOf: NotesOf; readonly masks: ReadonlySet<string> },
): {
  parameters: Parameter[];
  weights: Weights;
} {
  const parameters: Parameter[] = [];
  const weights = new Map<string, ReturnType<typeof tensor>>();
  for (const [name, { values }] of constants) {
    const shape = parameterShapes.get(name);
    const kind = kinds.get(name);
    if (shape === undefined || kind === undefined || !(values instanceof Float32Array)) continue;
    const scales = kind === "factor" ? scalesOf(name) : undefined;
    const isFrozen = masks.has(name) && kind !== "constant" ? true : undefined;
    parameters.push({ name, shape, kind, ...optional({ scales, isFrozen }), ...notesOf(name) });
    weights.set(name, tensor(shape, masks.has(name) ? finiteMask(values) : values));
  }
  return { parameters, weights };
}

/** Exact attribute values that the writer recorded in the metadata, by `<node>.<attribute>`. */
function exactValues({ metadataProps }: ModelMessage): ReadonlyMap<string, number> {
  return new Map(
    (metadataProps ?? [])
      .filter(({ key }) => key?.startsWith(exactPrefix))
      .map(({ key, value }) => [(key ?? "").slice(exactPrefix.length), Number(value)]),
  );
}
