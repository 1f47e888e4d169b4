/** Finds what pruning a residual branch removes: the nodes and parameters that only the branch needs. */
import { hasWeights } from "../graph/cost.ts";
import { type Graph, type Node, producers } from "../graph/graph.ts";
import { withoutDeadNodes } from "../graph/rewrite.ts";
import type { Branch } from "./branches.ts";

/** What is removed from a network with some of its branches. */
export interface RemovedParts {
  /** Nodes with weights, in execution order. */
  readonly nodes: readonly Node[];
  /** The other nodes, among them the additions that end the branches. */
  readonly others: readonly Node[];
  /** Trained parameter → how many of the nodes that read it are removed. */
  readonly reads: ReadonlyMap<string, number>;
  /** Trained parameters of which every reader is removed. */
  readonly parameters: readonly string[];
}

export class BranchParts {
  readonly #makers: ReadonlyMap<string, Node>;
  /** How many nodes and graph outputs read each value. */
  readonly #uses = new Map<string, number>();
  readonly #trained: ReadonlySet<string>;
  readonly #places: ReadonlyMap<Node, number>;
  readonly #additions: ReadonlyMap<string, Node>;

  constructor(graph: Graph) {
    const { nodes, outputs, parameters } = withoutDeadNodes(graph);
    this.#makers = producers(graph);
    this.#places = new Map(nodes.map((node, place) => [node, place] as const));
    this.#additions = new Map(nodes.flatMap((node) => (node.op === "add" ? [[node.name, node] as const] : [])));
    for (const value of [...nodes.flatMap(({ inputs }) => inputs), ...outputs]) {
      this.#uses.set(value, (this.#uses.get(value) ?? 0) + 1);
    }
    this.#trained = new Set(
      parameters
        .filter(({ kind }) => kind === "weights" || kind === "bias" || kind === "scale" || kind === "shift")
        .map(({ name }) => name),
    );
  }

  /** What is removed if each addition that ends one of `branches` is replaced by its shortcut. */
  removedWith(branches: readonly Branch[]): RemovedParts {
    const slots = new Map(branches.map(({ addition, slot }) => [addition, slot] as const));
    const removed = new Set<Node>();
    const reads = new Map<string, number>();
    const uses = new Map<string, number>();
    const pending = branches.flatMap(({ addition, slot }) => this.#additions.get(addition)?.inputs[slot] ?? []);
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const left = (uses.get(value) ?? this.#uses.get(value) ?? 0) - 1;
      uses.set(value, left);
      if (this.#trained.has(value)) reads.set(value, (reads.get(value) ?? 0) + 1);
      const node = this.#makers.get(value);
      if (left > 0 || node === undefined) continue;
      removed.add(node);
      const branch = slots.get(node.name);
      pending.push(...node.inputs.filter((_, slot) => slot !== branch));
    }
    const additions = branches.flatMap(({ addition }) => this.#additions.get(addition) ?? []);
    const nodes = [...removed]
      .filter(hasWeights)
      .toSorted((a, b) => (this.#places.get(a) ?? 0) - (this.#places.get(b) ?? 0));
    const unread = [...reads].flatMap(([name, count]) => (count === this.#uses.get(name) ? [name] : []));
    const others = [...new Set([...removed, ...additions])].filter((node) => !hasWeights(node));
    return { nodes, others, reads, parameters: unread };
  }
}
