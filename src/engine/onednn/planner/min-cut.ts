/**
 * The minimum cut between a source and a sink (Dinic 1970): the cheapest assignment of every vertex to one of two
 * sides. The choice between two layouts for each step of a plan is such a problem (`layouts.ts`).
 */

interface Edge {
  readonly to: number;
  /** Residual capacity. */
  capacity: number;
  /** Index of the reverse edge in `#edges`. */
  readonly back: number;
}

export class FlowNetwork {
  readonly source: number = 0;
  readonly sink: number = 1;
  readonly #edges: Edge[] = [];
  /** For each vertex: indices of its outgoing edges in `#edges`. */
  readonly #out: number[][] = [[], []];

  vertex(): number {
    return this.#out.push([]) - 1;
  }

  /** Adds an edge: `from` on the side of the source and `to` on that of the sink cost `capacity`, whole or Infinity. */
  edge(from: number, to: number, capacity: number): void {
    if (capacity <= 0) return;
    const position = this.#edges.length;
    this.#edges.push({ to, capacity, back: position + 1 }, { to: from, capacity: 0, back: position });
    this.#out[from]?.push(position);
    this.#out[to]?.push(position + 1);
  }

  /** For each vertex: whether the minimum cut puts it on the side of the source. */
  minimumCut(): readonly boolean[] {
    for (let levels = this.#levels(); levels[this.sink] !== -1; levels = this.#levels()) {
      const next = this.#out.map(() => 0);
      while (this.#augment(levels, next) > 0);
    }
    return this.#levels().map((level) => level !== -1);
  }

  /** For each vertex: length of the shortest path with residual capacity from the source; −1 if there is none. */
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

  /** Sends flow along one shortest path and returns it; 0 if there is no path left. `next`: each vertex's next edge. */
  #augment(levels: readonly number[], next: number[]): number {
    const path: Edge[] = [];
    let vertex = this.source;
    while (vertex !== this.sink) {
      const edges = this.#out[vertex] ?? [];
      const position = edges[next[vertex] ?? 0];
      if (position === undefined) {
        // A dead end: go back and try the next edge.
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
