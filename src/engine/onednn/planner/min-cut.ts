/**
 * The minimum cut between a source and a sink (Dinic 1970): the cheapest way to put every vertex on one side or the
 * other. Choosing between two layouts for each step of a plan is such a problem (`layouts.ts`).
 */

interface Edge {
  readonly to: number;
  /** What can still flow. */
  capacity: number;
  /** Position of the edge back in `#edges`. */
  readonly back: number;
}

export class FlowNetwork {
  readonly source: number = 0;
  readonly sink: number = 1;
  readonly #edges: Edge[] = [];
  /** Edges out of each vertex, as positions in `#edges`. */
  readonly #out: number[][] = [[], []];

  vertex(): number {
    return this.#out.push([]) - 1;
  }

  /** Cutting `from` (on the source's side) off `to` (on the sink's) costs `capacity`, a whole number or Infinity. */
  edge(from: number, to: number, capacity: number): void {
    if (capacity <= 0) return;
    const position = this.#edges.length;
    this.#edges.push({ to, capacity, back: position + 1 }, { to: from, capacity: 0, back: position });
    this.#out[from]?.push(position);
    this.#out[to]?.push(position + 1);
  }

  /** For each vertex, whether the minimum cut leaves it on the source's side. */
  minimumCut(): readonly boolean[] {
    for (let levels = this.#levels(); levels[this.sink] !== -1; levels = this.#levels()) {
      const next = this.#out.map(() => 0);
      while (this.#augment(levels, next) > 0);
    }
    return this.#levels().map((level) => level !== -1);
  }

  /** Edges on the shortest way with capacity from the source to each vertex; −1 where there is none. */
  #levels(): number[] {
    const levels = this.#out.map(() => -1);
    levels[this.source] = 0;
    const queue = [this.source];
    for (const vertex of queue) {
      for (const position of this.#out[vertex] ?? []) {
        const edge = this.#edges[position];
        if (edge === undefined || edge.capacity <= 0 || levels[edge.to] !== -1) continue;
        levels[edge.to] = (levels[vertex] ?? 0) + 1;
        queue.push(edge.to);
      }
    }
    return levels;
  }

  /**
   * Sends flow along one shortest way; 0 if there is none left. `next`: the first edge of each vertex still to be
   * tried.
   */
  #augment(levels: readonly number[], next: number[]): number {
    const path: Edge[] = [];
    let vertex = this.source;
    while (vertex !== this.sink) {
      const edges = this.#out[vertex] ?? [];
      const position = edges[next[vertex] ?? 0];
      if (position === undefined) {
        // A dead end: step back and try the next edge.
        const last = path.pop();
        if (last === undefined) return 0;
        vertex = this.#edges[last.back]?.to ?? this.source;
        next[vertex] = (next[vertex] ?? 0) + 1;
        continue;
      }
      const edge = this.#edges[position];
      if (edge !== undefined && edge.capacity > 0 && levels[edge.to] === (levels[vertex] ?? 0) + 1) {
        path.push(edge);
        vertex = edge.to;
      } else {
        next[vertex] = (next[vertex] ?? 0) + 1;
      }
    }
    const flow = Math.min(...path.map(({ capacity }) => capacity));
    for (const edge of path) {
      edge.capacity -= flow;
      const back = this.#edges[edge.back];
      if (back !== undefined) back.capacity += flow;
    }
    return flow;
  }
}
