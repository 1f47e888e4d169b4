/** What goes with a residual branch: the nodes and parameters that nothing but the branch needs. */
import { elementCount, type Shape } from "../core/tensor.ts";
import { type Cost, nodeMacs } from "../graph/cost.ts";
import { type Graph, type Node, producers } from "../graph/graph.ts";
import { withoutDeadNodes } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";
import type { Branch } from "./branches.ts";

/** What a network loses. */
export interface Lost {
  /** Nodes with weights, in execution order. */
  readonly nodes: readonly Node[];
  /** Trained parameters → how many of their reads go. All of a parameter goes with the last one. */
  readonly reads: ReadonlyMap<string, number>;
  readonly cost: Cost;
}

export class BranchMeter {
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #makers: ReadonlyMap<string, Node>;
  /** How often a value is read, or put out. */
  readonly #uses = new Map<string, number>();
  /** Trained parameters → how many numbers they have. */
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #places: ReadonlyMap<Node, number>;
  readonly #additions: ReadonlyMap<string, Node>;

  constructor(graph: Graph) {
    const { nodes, outputs, parameters } = withoutDeadNodes(graph);
    this.#shapes = inferShapes(graph, 1);
    this.#makers = producers(graph);
    this.#places = new Map(nodes.map((node, place) => [node, place] as const));
    this.#additions = new Map(nodes.flatMap((node) => (node.op === "add" ? [[node.name, node] as const] : [])));
    for (const value of [...nodes.flatMap(({ inputs }) => inputs), ...outputs]) {
      this.#uses.set(value, (this.#uses.get(value) ?? 0) + 1);
    }
    this.#sizes = new Map(
      parameters
        .filter(({ kind }) => kind === "weights" || kind === "bias" || kind === "scale" || kind === "shift")
        .map(({ name, shape }) => [name, elementCount(shape)] as const),
    );
  }

  /** What goes if the additions that end `branches` become their shortcuts. */
  without(branches: readonly Branch[]): Lost {
    const slots = new Map(branches.map(({ addition, slot }) => [addition, slot] as const));
    const gone = new Set<Node>();
    const reads = new Map<string, number>();
    const uses = new Map<string, number>();
    const pending = branches.flatMap(({ addition, slot }) => this.#additions.get(addition)?.inputs[slot] ?? []);
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const left = (uses.get(value) ?? this.#uses.get(value) ?? 0) - 1;
      uses.set(value, left);
      if (this.#sizes.has(value)) reads.set(value, (reads.get(value) ?? 0) + 1);
      const node = this.#makers.get(value);
      if (left > 0 || node === undefined) continue;
      gone.add(node);
      const branch = slots.get(node.name);
      pending.push(...node.inputs.filter((_, slot) => slot !== branch));
    }
    const nodes = [...gone]
      .filter((node) => nodeMacs(node, this.#shapes) > 0)
      .toSorted((a, b) => (this.#places.get(a) ?? 0) - (this.#places.get(b) ?? 0));
    const macs = nodes.reduce((sum, node) => sum + nodeMacs(node, this.#shapes), 0);
    const whole = [...reads].filter(([name, count]) => count === this.#uses.get(name));
    const parameters = whole.reduce((sum, [name]) => sum + (this.#sizes.get(name) ?? 0), 0);
    return { nodes, reads, cost: { macs, parameters } };
  }
}
