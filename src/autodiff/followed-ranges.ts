/**
 * The ranges of simulated integers in training: each follows the extremes of its value as a moving average over the
 * batches, as running statistics do.
 */
import { type Graph, makeNode, type Node } from "../graph/graph.ts";

/** The weight of a batch's extremes in a range. Smaller ones lag behind in phases of a few dozen steps. */
const momentum = 0.1;

/** The nodes that move the ranges of `forward`. A graph without simulated integers has none. */
export function followedRanges(forward: Graph): Pick<Graph, "nodes" | "updates"> {
  const steps = forward.nodes.flatMap((node): { readonly node: Node; readonly parameter: string }[] => {
    if (node.op !== "fake_quantize") return [];
    const [, range = ""] = node.inputs;
    const [, extremes = ""] = node.outputs;
    const next = `${range}.next`;
    return [
      {
        node: makeNode("running_average", next, [range, extremes], [next], { momentum, correction: 1 }),
        parameter: range,
      },
    ];
  });
  return {
    nodes: steps.map(({ node }) => node),
    updates: steps.map(({ node, parameter }) => ({ parameter, value: node.outputs[0] ?? "" })),
  };
}
