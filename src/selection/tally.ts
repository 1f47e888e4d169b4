/**
 * What is left of a network as structures are taken away one after another, fast enough to be asked thousands of times a run. A
 * parameter costs its rows times its columns, as far as they are left; what goes with a structure is told by `costs.ts`.
 *
 * It is the cost of the cut network but for what only cutting finds out: channels that nothing reads any more, and the biases
 * of constants that are carried on. So who needs it exact counts from time to time and corrects it.
 */
import { elementCount, type Shape } from "../core/tensor.ts";
import { type Cost, cost, nodeMacs } from "../graph/cost.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { lostParts } from "./costs.ts";
import type { Factor } from "./factors.ts";

interface Part {
  /** Index of the size. */
  readonly size: number;
  readonly rows: number;
  readonly columns: number;
  readonly reads: number;
}

/** A parameter, or the weights of a node: several nodes may share a parameter, and one of them may go. */
interface Size extends Cost {
  readonly height: number;
  readonly width: number;
  readonly taps: number;
  /** By how many nodes it is read: with the last of them it goes. */
  readonly reads: number;
}

export type CostMeasure = keyof Cost;

/** Structures are numbered through all of `factors`, in their order. */
export class CostModel {
  readonly whole: Cost;
  readonly parts: readonly (readonly Part[])[];
  readonly sizes: readonly Size[];
  readonly round: number;

  /** `factors` are those of `graph`; widths are kept at multiples of `round`. */
  constructor(graph: Graph, factors: readonly Factor[], round = 1) {
    const shapes = inferShapes(graph, 1);
    const trained = new Set(["weights", "bias", "scale", "shift"]);
    const counted = graph.parameters.filter(({ kind }) => trained.has(kind));
    const layers = graph.nodes.filter((node) => nodeMacs(node, shapes) > 0);
    const sizeOf = ([height = 1, width = 1, ...taps]: Shape, each: Cost & Pick<Size, "reads">): Size => ({
      ...{ height, width, taps: elementCount(taps) },
      ...each,
    });
    const reads = new Map<string, number>();
    for (const input of graph.nodes.flatMap(({ inputs }) => inputs)) reads.set(input, (reads.get(input) ?? 0) + 1);
    this.sizes = [
      ...counted.map(({ name, shape }) => sizeOf(shape, { macs: 0, parameters: 1, reads: reads.get(name) ?? 0 })),
      ...layers.map((node) => {
        const shape = shapes.get(node.inputs[1] ?? "") ?? [];
        return sizeOf(shape, { macs: nodeMacs(node, shapes) / elementCount(shape), parameters: 0, reads: 1 });
      }),
    ];
    const numbers = {
      parameter: new Map(counted.map(({ name }, index) => [name, index] as const)),
      node: new Map(layers.map(({ name }, index) => [name, counted.length + index] as const)),
    };
    this.parts = lostParts(graph, factors).map((parts) =>
      parts.flatMap(({ of, name, ...part }) => {
        const size = numbers[of].get(name);
        return size === undefined ? [] : [{ ...part, size }];
      }),
    );
    this.whole = cost(graph);
    this.round = round;
  }

  /** With nothing taken away. */
  tally(measure: CostMeasure): Tally {
    return new Tally(this, measure);
  }
}

/** The structures of `factors` that are zero in `values`, by their numbers; one byte each. */
export function zerosOf(factors: readonly Factor[], values: Weights): Uint8Array {
  return Uint8Array.from(
    factors.flatMap(({ parameter, count }) => {
      const data = values.get(parameter)?.data;
      return Array.from({ length: count }, (_, index) => (data?.[index] === 0 ? 1 : 0));
    }),
  );
}

export class Tally {
  readonly #model: CostModel;
  readonly #measure: CostMeasure;
  readonly #rows: Int32Array;
  readonly #columns: Int32Array;
  readonly #absent: Int32Array;
  #left: number;

  constructor(model: CostModel, measure: CostMeasure) {
    this.#model = model;
    this.#measure = measure;
    this.#rows = new Int32Array(model.sizes.length);
    this.#columns = new Int32Array(model.sizes.length);
    this.#absent = new Int32Array(model.sizes.length);
    this.#left = model.whole[measure];
  }

  /** MACs or parameters, as measured. */
  get left(): number {
    return this.#left;
  }

  /** The same, on its own from here on. */
  copy(): Tally {
    const copy = new Tally(this.#model, this.#measure);
    copy.#rows.set(this.#rows);
    copy.#columns.set(this.#columns);
    copy.#absent.set(this.#absent);
    copy.#left = this.#left;
    return copy;
  }

  /** Takes `structure` away. */
  remove(structure: number): void {
    this.#change(structure, 1);
  }

  /** Puts it back. */
  restore(structure: number): void {
    this.#change(structure, -1);
  }

  /** What would go with `structure` now; nothing is taken away. */
  gain(structure: number): number {
    const before = this.#left;
    this.remove(structure);
    const gained = before - this.#left;
    this.restore(structure);
    this.#left = before;
    return gained;
  }

  #change(structure: number, sign: 1 | -1): void {
    for (const { size, rows, columns, reads } of this.#model.parts[structure] ?? []) {
      if (this.#model.sizes[size]?.[this.#measure] === 0) continue;
      this.#left -= this.#costOf(size);
      this.#rows[size] = (this.#rows[size] ?? 0) + sign * rows;
      this.#columns[size] = (this.#columns[size] ?? 0) + sign * columns;
      this.#absent[size] = (this.#absent[size] ?? 0) + sign * reads;
      this.#left += this.#costOf(size);
    }
  }

  #costOf(index: number): number {
    const size = this.#model.sizes[index];
    if (size === undefined || (this.#absent[index] ?? 0) >= size.reads) return 0;
    const { round } = this.#model;
    const rows = padded(size.height - (this.#rows[index] ?? 0), size.height, round);
    const columns = padded(size.width - (this.#columns[index] ?? 0), size.width, round);
    return rows * columns * size.taps * size[this.#measure];
  }
}

/** What is kept of `whole` rows or columns where `left` are alive. */
function padded(left: number, whole: number, round: number): number {
  return left <= 0 ? 0 : Math.min(whole, Math.ceil(left / round) * round);
}
