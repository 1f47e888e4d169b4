/**
 * Finds the convolutions that an exporter has merged batch norms into. Exporters do so unless they are told not to. The
 * network gives the same answers as before, but trains far worse.
 */
import { type Shape, sameShape } from "../../../core/tensor.ts";
import { type Graph, type Node, readers } from "../../../graph/graph.ts";
import { inferShapes } from "../../../graph/shapes.ts";

type Convolution = Node<"convolution">;

/** Fewer convolutions train well without batch norms. */
const FEWEST_CONVOLUTIONS = 3;

/**
 * The convolutions of `graph` whose batch norms were probably merged into them; none if the network is as it was
 * designed, or if there are fewer than `fewest`. A merged batch norm leaves a bias. A convolution in front of a batch
 * norm says that nothing was merged. Batch norms in front of convolutions cannot be merged, so they may be left.
 * Networks with norms of other kinds are designed for these.
 */
export function convolutionsWithMergedNorms(
  graph: Graph,
  fewest: number = FEWEST_CONVOLUTIONS,
): readonly Convolution[] {
  const isOtherNorm = ({ op }: Node): boolean => op === "normalization" || op === "local_response_normalization";
  // A super-resolution network is designed without norms: they would take the contrast from the images.
  if (graph.nodes.some((node) => isOtherNorm(node) || node.op === "depth_to_space")) return [];
  const around = new Surroundings(graph);
  const all = graph.nodes.filter((node) => node.op === "convolution");
  if (all.some((node) => around.feedsNorm(node))) return [];
  const inner = all.filter((node) => around.isInner(node));
  const merged = inner.filter((node) => around.mayHaveMergedNorm(node));
  return merged.length < fewest || 2 * merged.length < inner.length ? [] : merged;
}

const layers: ReadonlySet<string> = new Set(["convolution", "deconvolution", "linear"]);

/** What stands behind the convolutions of a graph. */
class Surroundings {
  readonly #graph: Graph;
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #frozen: ReadonlySet<string>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#shapes = inferShapes(graph, 1);
    this.#readers = readers(graph);
    this.#frozen = new Set(graph.parameters.filter(({ isFrozen }) => isFrozen === true).map(({ name }) => name));
  }

  /**
   * Whether a later layer reads what the convolution computes, with no batch norm between them, and that has pixels:
   * batch norms are neither in the head of a network nor between the two layers that compute a channel's weight from
   * its mean.
   */
  isInner({ outputs: [dst = ""] }: Convolution): boolean {
    const [, , ...pixels] = this.#shapes.get(dst) ?? [];
    const isMap = !sameShape(pixels, Array(pixels.length).fill(1));
    return isMap && !this.#graph.outputs.includes(dst) && this.#nextOf(dst).some(({ op }) => layers.has(op));
  }

  /** Whether a batch norm alone reads the convolution. */
  feedsNorm({ outputs: [dst = ""] }: Convolution): boolean {
    const all = this.#readers.get(dst) ?? [];
    return all.length === 1 && all[0]?.op === "batch_normalization";
  }

  /** Whether the convolution has a bias, as a merged batch norm leaves one, and weights of its own that are trained. */
  mayHaveMergedNorm({ inputs: [, weights = "", bias] }: Convolution): boolean {
    return bias !== undefined && this.#readers.get(weights)?.length === 1 && !this.#frozen.has(weights);
  }

  /** The next layers and batch norms behind `value`, on all ways up to a softmax. */
  #nextOf(value: string): readonly Node[] {
    const seen = new Set<Node>();
    const next: Node[] = [];
    const pending = [value];
    for (let src = pending.pop(); src !== undefined; src = pending.pop()) {
      for (const node of this.#readers.get(src) ?? []) {
        if (seen.has(node) || node.op === "softmax") continue;
        seen.add(node);
        if (layers.has(node.op) || node.op === "batch_normalization") next.push(node);
        else pending.push(...node.outputs);
      }
    }
    return next;
  }
}
