/**
 * Reads the nodes that read an integer input, such as the number of a category. What is computed from one until it
 * becomes floats is no value of the network: only its rows of tables, its one-hot vectors and its floats are.
 */
import type { Constant } from "../folding/constant.ts";
import { shapeOps } from "../folding/fold.ts";
import { batchSize } from "../folding/scalar.ts";
import type { GraphReader } from "../graph-reader.ts";
import type { NodeReader } from "../node-reader.ts";
import type { NodeMessage, TensorMessage } from "../proto.ts";
import { allColumns, type Columns, movedColumns } from "./columns.ts";
import { floatsOf, isPlain, readEqual, readLookup, readOneHot } from "./lookups.ts";

/** `TensorProto.DataType` of floats, 16 to 64 bits, and of integers and booleans that hold what an input holds. */
const floatTypes: ReadonlySet<number> = new Set([1, 10, 11, 16]);
const integerTypes: ReadonlySet<number> = new Set([6, 7]);
const wholeTypes: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 9, 12, 13]);

export class IntegerInputs {
  readonly #reader: GraphReader;
  readonly #tensorOf: (message: TensorMessage, owner: string) => Constant;
  readonly #columns = new Map<string, Columns>();
  /** Values of the network that are 0 or 1 and that the file has as booleans or integers. */
  readonly #whole = new Set<string>();

  constructor(
    reader: GraphReader,
    inputs: readonly string[],
    tensorOf: (message: TensorMessage, owner: string) => Constant,
  ) {
    this.#reader = reader;
    this.#tensorOf = tensorOf;
    for (const input of inputs) this.#columns.set(input, allColumns(input, reader.shape(input).slice(1)));
  }

  /** Whether `value` is integers of an input, which no value of the network is. */
  has(value: string): boolean {
    return this.#columns.has(value);
  }

  /**
   * Reads a node that reads integers. Returns "read" if it did, "other" if the node reads none, or else the node as it
   * reads floats of the network instead.
   */
  read(message: NodeMessage, node: NodeReader): "read" | "other" | NodeMessage {
    if (node.opType === "Cast" && this.#whole.has(node.input(0))) return this.#castWhole(node);
    const columns = node.inputs.map((input) => this.#columns.get(input));
    const [source] = columns.filter((one) => one !== undefined);
    if (source === undefined || shapeOps.has(node.opType)) return "other";
    if (node.opType === "Cast" && !source.isFloat) return this.#cast(node, source);
    const hasColumns = columns.some((one) => one !== undefined && !(one.isFloat && isPlain(this.#reader, one)));
    const moved = hasColumns ? this.#moved(node) : undefined;
    if (moved !== undefined) return this.#declare(node, moved);
    if (!source.isFloat) return this.#look(node, source, columns.indexOf(source));
    const floats = columns.map((one, index) =>
      one === undefined ? (node.inputs[index] ?? "") : floatsOf(node, this.#reader, one),
    );
    return { ...message, input: floats };
  }

  #moved(node: NodeReader): readonly Columns[] | undefined {
    const reader = this.#reader;
    return movedColumns({
      node,
      columnsOf: (value) => this.#columns.get(value),
      constantOf: (value) => (reader.isConstant(value) ? reader.constant(value) : undefined),
      tensorOf: this.#tensorOf,
      fixedBatch: reader.fixedBatch,
    });
  }

  #declare(node: NodeReader, results: readonly Columns[]): "read" {
    for (const [index, name] of node.outputs.entries()) {
      const result = results[index];
      if (name === "" || result === undefined) continue;
      this.#reader.declareExtents(name, [this.#reader.fixedBatch ?? batchSize, ...result.dims]);
      this.#columns.set(name, result);
    }
    return "read";
  }

  #cast(node: NodeReader, source: Columns): "read" {
    const to = node.int("to");
    node.int("saturate", 1);
    node.string("round_mode", "up");
    node.check(
      floatTypes.has(to) || integerTypes.has(to),
      "casts integers to another type",
      "floats or INT64",
      `${to}`,
    );
    return this.#declare(node, [{ ...source, isFloat: floatTypes.has(to) }]);
  }

  #castWhole(node: NodeReader): "read" {
    const to = node.int("to");
    node.int("saturate", 1);
    node.string("round_mode", "up");
    node.check(floatTypes.has(to) || wholeTypes.has(to), "casts to a type that is not of numbers", "", `${to}`);
    const [value, output] = [node.input(0), node.outputs[0] ?? ""];
    this.#reader.aliasOutput(output, value);
    return "read";
  }

  #look(node: NodeReader, source: Columns, index: number): "read" {
    const reader = this.#reader;
    if (node.opType === "Gather" && index === 1 && reader.isConstant(node.input(0))) {
      const axis = node.int("axis", 0);
      node.check(axis === 0, "takes integers of an input along another axis than the first of a table");
      readLookup(node, reader, source, node.input(0));
    } else if (node.opType === "OneHot" && index === 0) {
      readOneHot(node, reader, source);
    } else if (node.opType === "Equal" && reader.isConstant(node.input(1 - index))) {
      readEqual(node, reader, source, 1 - index);
    } else {
      throw node.unsupported(
        `computes with the integers of input "${source.input}"`,
        "a row of a table (Gather), a one-hot vector, or a cast to floats",
        node.opType,
        `Look them up or cast them first, or give the input a fixed value: --input ${source.input}=1`,
      );
    }
    node.finish();
    if (node.opType !== "Gather") this.#whole.add(node.outputs[0] ?? "");
    return "read";
  }
}
