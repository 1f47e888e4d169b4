/** The arrangements of a file's values while it is read, and the nodes that put a value into another order. */
import { rowMajorStrides, type Shape, sameShape, tensor } from "../../../core/tensor.ts";
import type { GraphReader } from "../graph-reader.ts";
import type { NodeReader } from "../node-reader.ts";
import { readRearrangement } from "../ops/rearrangement.ts";
import { addFlatten } from "../ops/reshape.ts";
import {
  type Arrangement,
  type Axis,
  axisOf,
  batch,
  dimsOf,
  type Factor,
  reshapedTo,
  sameAxes,
  sameAxis,
  scalarsOf,
} from "./arrangement.ts";

export class Arranger {
  readonly reader: GraphReader;
  /** Values of the file that no value of the network is. */
  readonly #arranged = new Map<string, Arrangement>();
  /** Constants that the file repeats for each image: value → the constant. */
  readonly #repeated = new Map<string, string>();
  /** Those that nodes read as a value: value → the value of the network. */
  readonly #valueOfRepeated = new Map<string, string>();
  readonly #made = new Map<string, string>();
  readonly #numbers = new Map<Factor, number>();

  constructor(reader: GraphReader) {
    this.reader = reader;
  }

  isArranged(value: string): boolean {
    return this.#arranged.has(value) || this.#repeated.has(value);
  }

  /** The constant that `value` repeats for each image. */
  repeated(value: string): string | undefined {
    return this.#repeated.get(value);
  }

  declareRepeated(value: string, constant: string): void {
    this.#repeated.set(value, constant);
    const dims = this.reader.shape(constant);
    this.reader.declareExtents(value, [this.reader.fixedBatch ?? { times: 1, plus: 0 }, ...dims.slice(1)]);
  }

  /** Adds the value that repeats a constant for each image, such as the queries of a decoder, for a node to read. */
  addRepeated(node: NodeReader, value: string): void {
    const { reader } = this;
    const constant = this.#repeated.get(value);
    if (constant === undefined || this.#valueOfRepeated.has(value)) return;
    const stored = reader.constant(constant);
    const [, ...dims] = stored?.dims ?? [];
    if (!(stored?.values instanceof Float32Array)) throw node.unsupported("repeats a constant that is not of floats");
    const input = reader.images;
    const starts = reader.shape(input).map(() => 0);
    const ends = starts.map((_, axis): number | "N" => (axis === 0 ? "N" : 1));
    // Any number of the image, times zero: only that there is one for each image counts.
    const slice = { starts, ends, steps: starts.map(() => 1) };
    const any = reader.add(node, "slice", [input], slice, { part: "any" });
    const zero = { function: "linear", slope: 0, offset: 0 } as const;
    const zeros = reader.add(node, "activation", [any], zero, { part: "zeros" });
    const ones = dims.map(() => 1);
    const parameter = reader.derived(node, constant, "repeated", tensor(dims, stored.values));
    const operands = [this.reshaped(node, zeros, ones), parameter];
    const made = reader.add(node, "binary", operands, { function: "add" }, { part: "repeated" });
    this.#valueOfRepeated.set(value, made);
  }

  /** The arrangement of a value; transposes and reshapes that made it are seen through. */
  of(value: string): Arrangement {
    const known = this.#arranged.get(value);
    if (known !== undefined) return known;
    const repeated = this.#valueOfRepeated.get(value);
    if (repeated !== undefined) return this.of(repeated);
    const maker = this.reader.producer(value);
    const [src = ""] = maker?.inputs ?? [];
    const own = this.reader.shape(value);
    if (maker?.op === "transpose") {
      const before = this.of(src);
      return { ...before, axes: maker.attributes.permutation.map((axis) => before.axes[axis] ?? []) };
    }
    if (maker?.op === "reshape" || (maker?.op === "flatten" && maker.attributes.channelsLast !== true)) {
      const dims = [{ times: 1, plus: 0 }, ...own.slice(1)];
      const seen = reshapedTo(this.of(src), dims, undefined);
      if (seen !== undefined) return seen;
    }
    const inner = own.slice(1).map(axisOf);
    return { source: value, inner, axes: [[batch], ...inner] };
  }

  /** Makes `output` the value that `arrangement` describes. */
  declare(node: NodeReader, output: string, arrangement: Arrangement): void {
    const [first = [], ...rest] = arrangement.axes;
    if (sameAxis(first, [batch]) && sameAxes(rest, arrangement.inner)) {
      this.reader.aliasOutput(output, arrangement.source);
      return;
    }
    node.check(arrangement.axes.flat().includes(batch), "loses the batch");
    this.#arranged.set(output, arrangement);
    this.reader.declareExtents(output, scalarsOf(arrangement.axes, this.reader.fixedBatch));
  }

  /** The file's value as a value of the network. Throws if its batch is not its first axis. */
  plain(node: NodeReader, value: string): string {
    this.addRepeated(node, value);
    const repeated = this.#valueOfRepeated.get(value);
    if (repeated !== undefined) return repeated;
    if (!this.#arranged.has(value)) return value;
    const arrangement = this.of(value);
    const [first = [], ...rest] = arrangement.axes;
    node.check(sameAxis(first, [batch]), "reads a value whose batch is not its first axis");
    return this.ordered(node, arrangement, rest).source;
  }

  /** `arrangement` of a value whose axes behind the batch are `inner`. */
  ordered(node: NodeReader, arrangement: Arrangement, inner: readonly Axis[]): Arrangement {
    if (sameAxes(arrangement.inner, inner)) return arrangement;
    const key = [arrangement.source, ...[arrangement.inner, inner].map((axes) => this.#keyOf(axes))].join(" ");
    const source = this.#made.get(key) ?? this.#reordered(node, arrangement, inner);
    this.#made.set(key, source);
    return { ...arrangement, source, inner };
  }

  #keyOf(axes: readonly Axis[]): string {
    const number = (factor: Factor): number => {
      const known = this.#numbers.get(factor) ?? this.#numbers.size;
      this.#numbers.set(factor, known);
      return known;
    };
    return axes.map((axis) => `${extentsOf(axis)}:${axis.map(number)}`).join(";");
  }

  #reordered(node: NodeReader, { source, inner }: Arrangement, wanted: readonly Axis[]): string {
    const [from, to] = [inner.flat(), wanted.flat()];
    if (sameAxis(from, to)) return this.reshaped(node, source, dimsOf(wanted));
    const runs = runsOf(from, to);
    const order = runs
      .map((run, place) => ({ place, at: to.indexOf(run[0] ?? batch) }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ place }) => place);
    const apart = this.reshaped(node, source, dimsOf(runs));
    const permutation = [0, ...order.map((place) => place + 1)];
    const turned = this.reader.add(node, "transpose", [apart], { permutation }, { part: "arranged" });
    const known = readRearrangement(node, this.reader, turned, dimsOf(wanted), { part: "arranged" });
    return known ?? this.reshaped(node, turned, dimsOf(wanted));
  }

  /** `value` with the dims `dims` behind the batch. */
  reshaped(node: NodeReader, value: string, dims: Shape): string {
    const { reader } = this;
    if (sameShape(reader.shape(value).slice(1), dims)) return value;
    let root = value;
    for (let maker = reader.producer(root); maker?.op === "reshape"; maker = reader.producer(root)) {
      root = maker.inputs[0] ?? "";
      if (sameShape(reader.shape(root).slice(1), dims)) return root;
    }
    if (dims.length === 1) return addFlatten(node, reader, root, { part: "flat" });
    node.check(dims.length > 0, "leaves an image one number without an axis", "an axis behind the batch", "none");
    return reader.add(node, "reshape", [root], { shape: dims }, { part: "dims" });
  }
}

function extentsOf(axis: Axis): string {
  return axis.map(({ extent }) => extent).join("*");
}

/** The longest runs of factors of `from` that stand next to one another in `to` as well. */
function runsOf(from: Axis, to: Axis): readonly Axis[] {
  const runs: Factor[][] = [];
  for (const factor of from) {
    const last = runs.at(-1);
    const before = last?.at(-1);
    if (last !== undefined && before !== undefined && to.indexOf(before) + 1 === to.indexOf(factor)) last.push(factor);
    else runs.push([factor]);
  }
  return runs;
}

/** For numbers in row-major order over the factors `to`: where each lies in that over the factors `from`. */
export function permutedIndex(from: Axis, to: Axis): (index: number) => number {
  const extents = (axis: Axis): Shape => axis.map(({ extent }) => Number(extent));
  const strides = rowMajorStrides(extents(from));
  const [own, dims] = [rowMajorStrides(extents(to)), extents(to)];
  const moved = to.map((factor) => strides[from.indexOf(factor)] ?? 0);
  return (index) =>
    own.reduce((sum, stride, axis) => sum + (Math.floor(index / stride) % (dims[axis] ?? 1)) * (moved[axis] ?? 0), 0);
}
