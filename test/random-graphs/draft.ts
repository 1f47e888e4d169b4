/** Nodes to be added to a random graph, with the tensors they read, and the random choices behind them. */
import { RandomStream } from "../../src/core/random.ts";
import { elementCount, type Shape } from "../../src/core/tensor.ts";
import {
  type AttributeMessage,
  type AttributeValue,
  attributeMessage,
  type NodeMessage,
  type TensorMessage,
} from "../../src/formats/onnx/proto.ts";
import { floats, integers } from "../formats/onnx/models.ts";

/** A value made so far: of floats, and its dims at the batch size that the graph is made with. */
export interface Value {
  readonly name: string;
  readonly shape: Shape;
}

/**
 * Adds one or more nodes that read `src`; returns the name of what they make, undefined where `src` is nothing for the
 * op.
 */
export type Layer = (draft: Draft, src: Value) => string | undefined;

export type Attributes = Readonly<Record<string, AttributeValue | AttributeMessage | undefined>>;

export class Draw {
  readonly #stream: RandomStream;

  constructor(seed: number, number: number) {
    this.#stream = new RandomStream(seed, "graphs", number);
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.#stream.integer(high - low + 1);
  }

  chance(share: number): boolean {
    return this.#stream.uniform() < share;
  }

  /** One of `from`, which must not be empty. */
  pick<T>(from: readonly T[]): T {
    const chosen = from[this.#stream.integer(from.length)];
    if (chosen === undefined) throw new Error("nothing to pick from");
    return chosen;
  }

  normal(): number {
    return this.#stream.normal();
  }

  shuffled<T>(all: readonly T[]): T[] {
    return Array.from(this.#stream.permutation(all.length), (index) => all[index] as T);
  }
}

export interface GraphSetting {
  readonly draw: Draw;
  readonly opset: number;
  /** The batch size that the graph is made with. */
  readonly batch: number;
}

export class Draft {
  readonly draw: Draw;
  readonly opset: number;
  readonly batch: number;
  readonly values: readonly Value[];
  readonly nodes: NodeMessage[] = [];
  readonly tensors: TensorMessage[] = [];
  readonly #prefix: string;
  #count = 0;

  /** `prefix` begins the names of what is added; `values` can be read. */
  constructor({ draw, opset, batch }: GraphSetting, prefix: string, values: readonly Value[]) {
    this.draw = draw;
    this.opset = opset;
    this.batch = batch;
    this.values = values;
    this.#prefix = prefix;
  }

  /** Normal numbers, none of them near zero, with a scale of `size`. */
  floats(dims: Shape, size = 1): string {
    const numbers = Array.from({ length: elementCount(dims) }, () => {
      const value = this.draw.normal() * size;
      return value + Math.sign(value) * 0.2 * size;
    });
    return this.tensor(numbers, dims);
  }

  positive(dims: Shape): string {
    return this.tensor(
      Array.from({ length: elementCount(dims) }, () => 0.3 + Math.abs(this.draw.normal())),
      dims,
    );
  }

  /** Weights of a layer, with some rows along axis `axis` at zero now and then. */
  weights(dims: Shape, axis: number): string {
    const inner = elementCount(dims.slice(axis + 1));
    const rows = dims[axis] ?? 1;
    const zeros = this.draw.chance(0.3) ? Array.from({ length: rows }, () => this.draw.chance(0.5)) : [];
    const scale = 1 / Math.sqrt(Math.max(1, elementCount(dims) / rows));
    const numbers = Array.from({ length: elementCount(dims) }, (_, index) =>
      zeros[Math.floor(index / inner) % rows] === true ? 0 : this.draw.normal() * scale,
    );
    return this.tensor(numbers, dims);
  }

  tensor(numbers: readonly number[], dims: Shape): string {
    const name = this.name("floats");
    this.tensors.push(floats(name, numbers, dims));
    return name;
  }

  integers(numbers: readonly number[], dims: Shape = [numbers.length]): string {
    const name = this.name("integers");
    this.tensors.push(integers(name, numbers, dims));
    return name;
  }

  booleans(numbers: readonly boolean[], dims: Shape = [numbers.length]): string {
    const name = this.name("booleans");
    this.tensors.push({ name, dataType: 9, dims: [...dims], int32Data: numbers.map(Number) });
    return name;
  }

  /** Adds a node and returns the name of its first output; further outputs are called `<name>.1` and so on. */
  node(opType: string, input: readonly string[], attributes: Attributes = {}, outputs = 1): string {
    const name = this.name(opType);
    this.nodes.push({
      opType,
      name: `${name}/node`,
      input: [...input],
      output: Array.from({ length: outputs }, (_, index) => (index === 0 ? name : `${name}.${index}`)),
      attribute: Object.entries(attributes).flatMap(([key, value]) =>
        value === undefined ? [] : [isMessage(value) ? value : attributeMessage(key, value)],
      ),
    });
    return name;
  }

  name(what: string): string {
    return `${this.#prefix}_${this.#count++}_${what}`;
  }
}

function isMessage(value: AttributeValue | AttributeMessage): value is AttributeMessage {
  return typeof value === "object" && "type" in value;
}
