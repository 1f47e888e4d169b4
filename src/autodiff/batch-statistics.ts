/**
 * Batch normalization in training: a pass that makes a network normalise by the statistics of the batch, and the nodes
 * that update its running statistics.
 */
import { required, UserError } from "../core/errors.ts";
import { elementCount } from "../core/tensor.ts";
import { type Graph, makeNode, type Node } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

/** The names of the batch's statistics of the batch normalization `node`. */
function statisticsOf(node: Node): readonly [mean: string, variance: string] {
  return [`${node.name}.batch_mean`, `${node.name}.batch_variance`];
}

/** `forward` with each batch normalization in its training form; values keep their names. */
export function withBatchStatistics(forward: Graph): Graph {
  const nodes = forward.nodes.map((node): Node => {
    if (node.op !== "batch_normalization") return node;
    const { epsilon } = node.attributes;
    const outputs = [...node.outputs, ...statisticsOf(node)];
    return makeNode("batch_normalization_training", node.name, node.inputs.slice(0, 3), outputs, { epsilon });
  });
  return { ...forward, nodes };
}

/**
 * The nodes that update the running statistics of `forward` (inference form) from the batch statistics in a graph of
 * `withBatchStatistics`. The running variance is unbiased, as in PyTorch: the batch variance is divided by
 * n = batch·pixels, and the update multiplies it by n/(n − 1). Throws `UserError("bad-option")` if n is 1, because such
 * a batch has no variance.
 */
export function runningStatistics(forward: Graph, batch: number): Pick<Graph, "nodes" | "updates"> {
  const shapes = inferShapes(forward, batch);
  const nodes: Node[] = [];
  const updates: { parameter: string; value: string }[] = [];
  for (const node of forward.nodes) {
    if (node.op !== "batch_normalization") continue;
    const [src = "", , , runningMean = "", runningVariance = ""] = node.inputs;
    const shape = required(shapes.get(src), `shape of "${src}"`);
    const size = elementCount(shape) / (shape[1] ?? 1);
    if (size < 2) {
      throw new UserError("bad-option", "a batch with one value per channel has no variance to normalise by", {
        about: `batch normalization "${node.name}"`,
        hint: "Train with a larger batch, or with frozen batch normalization",
      });
    }
    const [mean, variance] = statisticsOf(node);
    for (const [running, measured, correction] of [
      [runningMean, mean, 1],
      [runningVariance, variance, size / (size - 1)],
    ] as const) {
      const next = `${running}.next`;
      const { momentum } = node.attributes;
      nodes.push(makeNode("running_average", next, [running, measured], [next], { momentum, correction }));
      updates.push({ parameter: running, value: next });
    }
  }
  return { nodes, updates };
}
