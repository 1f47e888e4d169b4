/**
 * Writes a network as the bytes of an ONNX file. The batch size is open, and parameters are initializers under their
 * own names. Opset and producer are 17 and this package, unless the graph came from a file that declares others.
 */

import { requireArguments } from "../../core/arguments.ts";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { formatShape, type Shape, sameShape, type Tensor } from "../../core/tensor.ts";
import type { ForwardNode, Graph, Network, Node } from "../../graph/graph.ts";
import type { ForwardOpName } from "../../graph/ops.ts";
import { inferShapes } from "../../graph/shapes.ts";
import { splitEntries } from "./carried/noted.ts";
import { carriedNames, encodeWithCarried } from "./carried/write-parts.ts";
import { channelsLast, toChannelsFirst } from "./channels-last-inputs.ts";
import { exchangedAxes, exchangedShape } from "./exchanged-axes.ts";
import { factorEntries } from "./factors.ts";
import { exactPrefix, headerMessage, writtenOpset } from "./header.ts";
import { parameterEntries } from "./parameter-notes.ts";
import {
  type AttributeMessage,
  type AttributeValue,
  attributeMessage,
  dataTypes,
  encodeModel,
  floatTensorMessage,
  integerTensorMessage,
  type ModelMessage,
  type NodeMessage,
  smallIntegerTensorMessage,
  type TensorMessage,
  valueMessage,
} from "./proto.ts";
import type { Quantization } from "./quantization.ts";
import { QuantizedWriter } from "./quantized-writer.ts";
import type { WriteContext, WriteRule } from "./rules.ts";
import { writeRules } from "./table.ts";

export interface WriteOptions {
  /** Text for the file's metadata, by key: facts for a reader, such as the images' normalisation. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Integers for values and parameters of the network, as `quantize` finds them. Default: all are floats. */
  readonly quantization?: Quantization;
}

/**
 * Encodes `network` as an ONNX file, with its scaling factors if it has any. The same network gives the same bytes.
 * Throws `UserError` if a parameter has no values or the graph has ops of a training step.
 */
export function writeOnnx(network: Network, options: WriteOptions = {}): Uint8Array {
  requireArguments("writeOnnx", { network: [network, "network"], options: [options, "object"] });
  const { metadata = {}, quantization } = options;
  requireArguments("writeOnnx", {
    "options.metadata": [metadata, "texts by name"],
    "options.quantization": [quantization, "quantization?"],
  });
  const { graph } = network;
  if (graph.updates.length > 0 || graph.inputs.some(({ dtype }) => dtype !== "f32")) {
    throw new UserError("unsupported", "a training step cannot be written as ONNX", {
      about: graph.name,
      hint: "Write the network that it trains",
    });
  }
  const writer = new FileWriter(network, quantization);
  for (const node of graph.nodes) writer.node(node);
  return writer.finish(metadata);
}

function isForward(node: Node): node is ForwardNode {
  return Object.hasOwn(writeRules, node.op);
}

function attributeMessages(attributes: Readonly<Record<string, AttributeValue>>): AttributeMessage[] {
  return Object.entries(attributes).map(([name, value]) => attributeMessage(name, value));
}

class FileWriter implements WriteContext {
  readonly #network: Network;
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #names: Set<string>;
  readonly #constants: Set<string>;
  /** The dims that each parameter is stored with: those of its first reader. */
  readonly #stored = new Map<string, Shape>();
  readonly #nodes: NodeMessage[] = [];
  /** The groups of the parameters that are stored with exchanged axes. */
  readonly #exchanged = new Map<string, number>();
  /** Tensors that are not parameters: shapes, bounds. */
  readonly #extras: TensorMessage[] = [];
  readonly #exact = new Map<string, string>();
  /** Channels-last input of the file → its transpose to channels first, which the input's readers read. */
  readonly #channelsFirstOf = new Map<string, string>();
  /** Integer input of the file → its cast to floats, which the input's readers read, but for lookups. */
  readonly #floatsOf = new Map<string, string>();
  /** Names of the lookups, which read integers. */
  readonly #lookups: ReadonlySet<string>;
  readonly #quantized: QuantizedWriter | undefined;

  constructor(network: Network, quantization: Quantization | undefined) {
    this.#network = network;
    this.#shapes = inferShapes(network.graph, 1);
    const { carried } = network.graph.header ?? {};
    this.#names = new Set([...this.#shapes.keys(), ...(carried === undefined ? [] : carriedNames(carried))]);
    this.#constants = new Set(network.graph.parameters.map(({ name }) => name));
    this.#lookups = new Set(network.graph.nodes.flatMap(({ op, name }) => (op === "lookup" ? [name] : [])));
    for (const name of network.graph.header?.channelsLast ?? []) {
      this.#channelsFirstOf.set(
        name,
        this.helper("Transpose", `${name}/channels_first`, [name], { perm: toChannelsFirst }),
      );
    }
    this.#castIntegers();
    if (quantization === undefined) return;
    this.#quantized = new QuantizedWriter(quantization, network.graph, {
      newName: (name) => this.#unique(name),
      addNode: (node) => this.#nodes.push(node),
      addTensor: (tensor) => this.#extras.push(tensor),
    });
    for (const { name } of network.graph.inputs) {
      this.#quantized.quantize(name, this.#floatsOf.get(name) ?? this.#channelsFirstOf.get(name) ?? name);
    }
  }

  /** Casts the integer inputs that not only lookups read. */
  #castIntegers(): void {
    const { inputs, nodes } = this.#network.graph;
    for (const { name } of inputs.filter(({ integer }) => integer !== undefined)) {
      const isComputedWith = nodes.some((node) => node.op !== "lookup" && node.inputs.includes(name));
      if (!isComputedWith) continue;
      this.#floatsOf.set(name, this.helper("Cast", `${name}/floats`, [name], { to: dataTypes.float }));
    }
  }

  node(node: Node): void {
    if (!isForward(node)) {
      throw new UserError("unsupported", "this op belongs to a training step and cannot be written as ONNX", {
        about: `${node.op} "${node.name}"`,
        hint: "Write the network itself, not its training graph",
      });
    }
    if (node.inputs.every((input) => this.#constants.has(input))) {
      for (const output of node.outputs) this.#constants.add(output);
    }
    // The table is total and keyed by the node's own op. TypeScript cannot follow this correlation through the union.
    const rule = writeRules[node.op] as WriteRule<ForwardOpName>;
    rule(node, this);
  }

  shape(value: string): Shape {
    return this.#shapes.get(value) ?? [];
  }

  get opset(): number {
    return writtenOpset(this.#network.graph.header ?? {});
  }

  isConstant(value: string): boolean {
    return this.#constants.has(value);
  }

  view(value: string, dims: Shape = this.shape(value)): string {
    const isParameter = this.#network.weights.has(value);
    const quantized = this.#quantized?.parameter(value);
    if (quantized !== undefined) {
      this.#stored.set(value, dims);
      return this.#quantized?.readParameter(value, quantized) ?? value;
    }
    const stored = isParameter ? this.#stored.get(value) : this.shape(value);
    if (stored === undefined) this.#stored.set(value, dims);
    if (stored === undefined || sameShape(stored, dims)) return value;
    const name = this.#unique(`${value}/as_${dims.join("x")}`);
    return this.helper("Reshape", name, [value, this.integers(`${name}/dims`, dims)]);
  }

  exchanged(value: string, groups: number): string {
    const shape = this.shape(value);
    const dims = exchangedShape(shape, groups);
    const isOnlyReader = this.#network.graph.nodes.filter(({ inputs }) => inputs.includes(value)).length === 1;
    if (this.#network.weights.has(value) && isOnlyReader) {
      this.#stored.set(value, dims);
      this.#exchanged.set(value, groups);
      return value;
    }
    const [rows = 0, columns = 0, ...taps] = shape;
    const own = this.view(value);
    if (groups === 1) return this.helper("Transpose", `${value}/exchanged`, [own], { perm: [1, 0, 2, 3] });
    const name = `${value}/exchanged`;
    const split = this.integers(`${name}/split`, [groups, rows / groups, columns, ...taps]);
    const apart = this.helper("Reshape", `${name}/apart`, [own, split]);
    const turned = this.helper("Transpose", `${name}/turned`, [apart], { perm: [0, 2, 1, 3, 4] });
    return this.helper("Reshape", name, [turned, this.integers(`${name}/dims`, dims)]);
  }

  integerColumn(src: string, column: number, reader: string): string {
    const add = (opType: string, name: string, input: readonly string[], axis?: number): string => {
      const output = this.#unique(name);
      const attribute = axis === undefined ? [] : attributeMessages({ axis });
      this.#nodes.push({ opType, name: output, input: [...input], output: [output], attribute });
      return output;
    };
    const shape = this.shape(src);
    const input = this.#network.graph.inputs.find((one) => one.name === src);
    if (input?.integer === undefined) throw readsNoIntegers(reader);
    if (shape.length === 1) return src;
    const name = `${reader}/column`;
    const dims =
      shape.length === 2 ? src : add("Reshape", `${name}/flat`, [src, this.integers(`${name}/dims`, [0, -1])]);
    const place = this.#unique(`${name}/place`);
    this.#extras.push({ ...integerTensorMessage(place, [BigInt(column)]), dims: [] });
    return add("Gather", name, [dims, place], 1);
  }

  integers(name: string, values: readonly (number | bigint)[]): string {
    const unique = this.#unique(name);
    this.#extras.push(integerTensorMessage(unique, values.map(BigInt)));
    return unique;
  }

  scalar(name: string, value: number): string {
    const unique = this.#unique(name);
    this.#extras.push(floatTensorMessage(unique, [], Float32Array.of(value)));
    return unique;
  }

  floats(name: string, values: readonly number[]): string {
    const unique = this.#unique(name);
    this.#extras.push(floatTensorMessage(unique, [values.length], Float32Array.from(values)));
    return unique;
  }

  helper(
    opType: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    const output = this.#unique(name);
    this.#nodes.push({
      opType,
      name: output,
      input: this.#inputs(inputs, name),
      output: [output],
      attribute: attributeMessages(attributes),
    });
    return output;
  }

  write(
    opType: string,
    node: ForwardNode,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): void {
    const output = node.outputs.map((value) => this.#quantized?.written(value) ?? value);
    this.#nodes.push({
      opType,
      name: node.name,
      input: this.#inputs(inputs, node.name),
      output,
      attribute: attributeMessages(attributes),
    });
    for (const [index, value] of node.outputs.entries()) this.#quantized?.quantize(value, output[index] ?? value);
  }

  keepExact(node: ForwardNode, attribute: string, value: number, recovered: number): void {
    if (value !== recovered) this.#exact.set(`${exactPrefix}${node.name}.${attribute}`, `${value}`);
  }

  finish(metadata: Readonly<Record<string, string>>): Uint8Array {
    const { graph } = this.#network;
    const { header = {} } = graph;
    const batch = header.batch ?? "N";
    const named = (shape: readonly (number | "N")[]): readonly (number | string)[] =>
      shape.map((size) => (size === "N" ? batch : size));
    const model: ModelMessage = {
      ...headerMessage(
        header,
        metadata,
        new Map([
          ...this.#exact,
          ...factorEntries(graph.parameters),
          ...parameterEntries(graph.parameters),
          ...splitEntries(graph),
        ]),
        this.#nodes.some(isTranspose),
      ),
      graph: {
        name: graph.name,
        ...optional({ docString: header.graphDocumentation }),
        input: graph.inputs.map((input) => {
          const { name, shape, integer } = this.#channelsFirstOf.has(input.name) ? channelsLast(input) : input;
          return valueMessage(name, dataTypes[integer ?? "float"], named(shape));
        }),
        output: graph.outputs.map((name) => valueMessage(name, dataTypes.float, [batch, ...this.shape(name).slice(1)])),
        node: this.#nodes,
        initializer: [...this.#initializers(graph), ...this.#extras],
      },
    };
    return header.carried === undefined ? encodeModel(model) : encodeWithCarried(model, header.carried, graph.outputs);
  }

  *#initializers(graph: Graph): Generator<TensorMessage> {
    for (const { name, shape } of graph.parameters) {
      const values = this.#network.weights.get(name);
      if (values === undefined || !sameShape(values.shape, shape)) {
        throw new UserError("bad-graph", "the network has no values of the right shape for this parameter", {
          about: `parameter "${name}"`,
          expected: formatShape(shape),
          received: values === undefined ? "none" : formatShape(values.shape),
          hint: "Give a value of this shape for every parameter of the graph",
        });
      }
      const dims = this.#stored.get(name);
      if (dims === undefined) {
        throw new UserError("bad-graph", "no node reads this parameter", {
          about: `parameter "${name}"`,
          hint: "Remove it from the graph",
        });
      }
      const integers = this.#quantized?.parameter(name)?.integers;
      yield integers === undefined
        ? floatTensorMessage(name, dims, this.#inOrder(name, values))
        : smallIntegerTensorMessage(name, dims, integers);
    }
  }

  /** The numbers of a parameter in the order in which they are stored. */
  #inOrder(name: string, { shape, data }: Tensor): Float32Array {
    const groups = this.#exchanged.get(name);
    if (groups === undefined) return data;
    return Float32Array.from(exchangedAxes(shape, groups), (index) => data[index] ?? 0);
  }

  /** The names under which node `reader` reads the values `names`. */
  #inputs(names: readonly string[], reader: string): string[] {
    const isLookup = this.#lookups.has(reader);
    return names.map((name) => {
      const read = this.#quantized?.read(name, reader) ?? name;
      if (read !== name || isLookup) return read;
      return this.#floatsOf.get(name) ?? this.#channelsFirstOf.get(name) ?? name;
    });
  }

  #unique(name: string): string {
    let unique = name;
    while (this.#names.has(unique)) unique = `${unique}_`;
    this.#names.add(unique);
    return unique;
  }
}

function readsNoIntegers(node: string): UserError {
  return new UserError("unsupported", "a lookup must read an input of integers", {
    about: `lookup "${node}"`,
    hint: "Give that input of the graph the type int64",
  });
}

function isTranspose({ opType }: NodeMessage): boolean {
  return opType === "Transpose";
}
