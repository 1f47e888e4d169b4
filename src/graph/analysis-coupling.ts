/**
 * Couplings: finds the channels of values and the rows and columns of parameters that can only be pruned together. The
 * elements (value, axis, index) form classes by union-find. The channel rule of each op says which elements to join.
 */
import { invariant, required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import type { ChannelContext, ChannelEnd } from "./channels/rule.ts";
import { channelRule } from "./channels.ts";
import type { Graph, Node, Weights } from "./graph.ts";
import type { ForwardOpName } from "./ops.ts";

/** The input of a node's channel rule. A parameter that `weights` lacks has unknown values. */
export function channelContext(
  node: Node,
  shapes: ReadonlyMap<string, Shape>,
  weights: Weights,
): ChannelContext<ForwardOpName> {
  const shapeOf = (value: string | undefined): Shape =>
    required(shapes.get(value ?? ""), `shape of "${value}" of "${node.name}"`);
  const attributes = node.attributes as ChannelContext<ForwardOpName>["attributes"];
  return {
    attributes,
    shapes: node.inputs.map(shapeOf),
    dstShape: shapeOf(node.outputs[0]),
    parameter: (slot) => weights.get(node.inputs[slot] ?? ""),
  };
}

/** The axes along which pruning cuts: the channels of activations (1), the rows (0) and columns (1) of parameters. */
const coupledAxes = [0, 1] as const;

/** The classes of coupled elements of a graph. Classes are numbers, the same for every element of a class. */
export class Couplings {
  readonly #offsets = new Map<string, readonly [number, number]>();
  readonly #extents = new Map<string, Shape>();
  readonly #parents: Int32Array;
  /** A cache, because callers ask for the same values many times. */
  readonly #classes = new Map<string, Int32Array>();

  constructor(graph: Graph, shapes: ReadonlyMap<string, Shape>) {
    let count = 0;
    for (const [value, shape] of shapes) {
      const rows = shape[0] ?? 0;
      this.#offsets.set(value, [count, count + rows]);
      this.#extents.set(value, shape);
      count += rows + (shape[1] ?? 0);
    }
    this.#parents = Int32Array.from({ length: count }, (_, element) => element);
    for (const node of graph.nodes) {
      const name = (end: ChannelEnd): string =>
        (end.slot === "dst" ? node.outputs[0] : node.inputs[end.slot]) ?? node.name;
      const context = channelContext(node, shapes, new Map());
      channelRule(node).couple(context, (a, b) => {
        this.#join(this.#element(name(a), a.axis, a.index), this.#element(name(b), b.axis, b.index));
      });
    }
  }

  /** An upper bound: every class is a number below it. */
  get count(): number {
    return this.#parents.length;
  }

  /** The class of index `index` along `axis` (0 or 1) of `value`. */
  classOf(value: string, axis: number, index: number): number {
    return this.#root(this.#element(value, axis, index));
  }

  /** By index along `axis` of `value`: its class. The caller must not change the array. */
  classesOf(value: string, axis: number): Int32Array {
    const key = `${axis} ${value}`;
    const known = this.#classes.get(key);
    if (known !== undefined) return known;
    const extent = this.#extents.get(value)?.[axis] ?? 0;
    const classes = Int32Array.from({ length: extent }, (_, index) => this.classOf(value, axis, index));
    this.#classes.set(key, classes);
    return classes;
  }

  /** The axes of `value` that have classes. */
  axesOf(value: string): readonly number[] {
    return coupledAxes.filter((axis) => axis < (this.#extents.get(value)?.length ?? 0));
  }

  #element(value: string, axis: number, index: number): number {
    const offset = this.#offsets.get(value)?.[axis];
    const extent = this.#extents.get(value)?.[axis] ?? 0;
    invariant(offset !== undefined && index < extent, `"${value}" has no index ${index} on axis ${axis}`);
    return offset + index;
  }

  #root(element: number): number {
    const parents = this.#parents;
    let root = element;
    while (parents[root] !== root) root = parents[root] ?? root;
    for (let at = element; at !== root; ) {
      const next = parents[at] ?? root;
      parents[at] = root;
      at = next;
    }
    return root;
  }

  #join(a: number, b: number): void {
    this.#parents[this.#root(a)] = this.#root(b);
  }
}
