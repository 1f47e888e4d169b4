/**
 * Writes the `QuantizeLinear` and `DequantizeLinear` nodes of a quantised network. A node on integers reads what
 * `DequantizeLinear` gives. A node on floats reads a value that floats gave as it is, without rounding it first.
 */
import type { Shape } from "../../core/tensor.ts";
import type { Graph } from "../../graph/graph.ts";
import { floatTensorMessage, type NodeMessage, smallIntegerTensorMessage, type TensorMessage } from "./proto.ts";
import type { Quantization, QuantizedActivation, QuantizedParameter } from "./quantization.ts";

/** The parts of a file's writer that are used here. */
export interface FileParts {
  newName(name: string): string;
  addNode(node: NodeMessage): void;
  addTensor(tensor: TensorMessage): void;
}

export class QuantizedWriter {
  readonly #quantization: Quantization;
  readonly #file: FileParts;
  readonly #outputs: ReadonlySet<string>;
  /** Values that nodes on floats compute, and the inputs of the graph. */
  readonly #floats: Set<string>;
  /** Value or parameter → the name of what `DequantizeLinear` gives for it. */
  readonly #dequantized = new Map<string, string>();
  /** The names of the zero points that the file has, which many values share. */
  readonly #zeroPoints = new Map<string, string>();

  constructor(quantization: Quantization, graph: Graph, file: FileParts) {
    this.#quantization = quantization;
    this.#file = file;
    this.#outputs = new Set(graph.outputs);
    this.#floats = new Set([
      ...graph.inputs.map(({ name }) => name),
      ...graph.nodes.flatMap(({ name, outputs }) => (quantization.floatNodes.has(name) ? outputs : [])),
    ]);
  }

  /** The name under which node `reader` reads `value`. */
  read(value: string, reader: string): string {
    const isRead = this.#floats.has(value) && this.#quantization.floatNodes.has(reader);
    return isRead ? value : (this.#dequantized.get(value) ?? value);
  }

  /**
   * The name under which a node writes `value`. A quantised output of the graph is what `DequantizeLinear` gives, so
   * the node's own result has another name.
   */
  written(value: string): string {
    const isHidden = this.#outputs.has(value) && this.#quantization.activations.has(value);
    return isHidden ? this.#file.newName(`${value}/float`) : value;
  }

  /** Quantises `value`, which a node wrote as `written`. */
  quantize(value: string, written: string): void {
    const found = this.#quantization.activations.get(value);
    if (found === undefined) return;
    const integers = this.#file.newName(`${value}/q`);
    const constants = this.#constants(value, found);
    const output = this.#outputs.has(value) ? value : this.#file.newName(`${value}/dq`);
    this.#add("QuantizeLinear", [written, ...constants], integers);
    this.#add("DequantizeLinear", [integers, ...constants], output);
    this.#dequantized.set(value, output);
  }

  /** The quantised form of parameter `name`, if it has one. */
  parameter(name: string): QuantizedParameter | undefined {
    return this.#quantization.parameters.get(name);
  }

  /** The name under which nodes read parameter `name`, which is quantised. */
  readParameter(name: string, { scales, integers }: QuantizedParameter): string {
    const known = this.#dequantized.get(name);
    if (known !== undefined) return known;
    const constants = [this.#file.newName(`${name}/scale`)];
    this.#file.addTensor(floatTensorMessage(constants[0] ?? "", [scales.length], scales));
    if (integers instanceof Int8Array) {
      // A zero point that is left away is 0, but ONNX Runtime's linear layers on integers need it for their weights.
      constants.push(this.#zeroPoint([scales.length], new Int8Array(scales.length)));
    }
    const output = this.#file.newName(`${name}/dq`);
    this.#add("DequantizeLinear", [name, ...constants], output, 0);
    this.#dequantized.set(name, output);
    return output;
  }

  #constants(value: string, { scale, zeroPoint }: QuantizedActivation): readonly string[] {
    const name = this.#file.newName(`${value}/scale`);
    const scalar: Shape = [];
    this.#file.addTensor(floatTensorMessage(name, scalar, Float32Array.of(scale)));
    return [name, this.#zeroPoint(scalar, Uint8Array.of(zeroPoint))];
  }

  /** The name of a tensor of zero points. Those of equal integers are one tensor. */
  #zeroPoint(shape: Shape, integers: Int8Array | Uint8Array): string {
    const kind = integers instanceof Int8Array ? `int8x${integers.length}` : `uint8=${integers[0]}`;
    const known = this.#zeroPoints.get(kind);
    if (known !== undefined) return known;
    const name = this.#file.newName(`zero_point/${kind}`);
    this.#file.addTensor(smallIntegerTensorMessage(name, shape, integers));
    this.#zeroPoints.set(kind, name);
    return name;
  }

  #add(opType: string, input: readonly string[], output: string, axis?: number): void {
    const attribute = axis === undefined ? [] : [{ name: "axis", type: 2, i: axis }];
    // Names of nodes may be left away, and there are many of these nodes.
    this.#file.addNode({ opType, input: [...input], output: [output], attribute });
  }
}
