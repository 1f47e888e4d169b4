/** The head that every training step has: the loss on top of the logits. */
import { UserError } from "../core/errors.ts";
import { formatShape } from "../core/tensor.ts";
import { type Graph, type Input, makeNode, type Node, type Parameter } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

export interface LossHead {
  readonly node: Node;
  readonly labels: Input;
  readonly loss: string;
  readonly correct: string;
  /** Logits → the value that is their gradient: the seed of the backward walk. */
  readonly seeds: ReadonlyMap<string, string>;
}

/**
 * Softmax cross-entropy of the one output of `forward`, logits of shape [N, classes], against the input `labels` [N].
 * Throws `UserError("bad-graph")` if the network has other outputs than that.
 */
export function lossHead(forward: Graph): LossHead {
  const [logits = "", ...others] = forward.outputs;
  const shape = inferShapes(forward, 1).get(logits) ?? [];
  if (others.length > 0 || shape.length !== 2) {
    throw new UserError("bad-graph", "a network to train must have one output, the logits", {
      about: forward.name,
      expected: "[N,classes]",
      received: others.length > 0 ? `${forward.outputs.length} outputs` : formatShape(shape),
    });
  }
  const diffLogits = `${logits}.diff`;
  return {
    node: makeNode("softmax_cross_entropy", "loss", [logits, "labels"], ["loss", diffLogits, "correct"], {}),
    labels: { name: "labels", dtype: "i32", shape: ["N"] },
    loss: "loss",
    correct: "correct",
    seeds: new Map([[logits, diffLogits]]),
  };
}

/** The parameters that training moves along a gradient: all but running statistics and an optimizer's state. */
export function trainedParameters(graph: Graph): readonly Parameter[] {
  return graph.parameters.filter(
    ({ kind }) => kind !== "running_mean" && kind !== "running_variance" && kind !== "velocity",
  );
}

/** The gradient of `parameter`; `UserError("bad-graph")` if it has none because it does nothing to the output. */
export function gradientOf(gradients: ReadonlyMap<string, string>, parameter: string, graph: Graph): string {
  const gradient = gradients.get(parameter);
  if (gradient !== undefined) return gradient;
  throw new UserError("bad-graph", "has no influence on the output, so it cannot be trained", {
    about: `parameter "${parameter}" of ${graph.name}`,
    hint: "Remove it from the network, or connect what reads it",
  });
}
