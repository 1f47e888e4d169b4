/** The head that every training step has: the loss on top of the logits. */
import { UserError } from "../core/errors.ts";
import { formatShape } from "../core/tensor.ts";
import { type Graph, type Input, makeNode, type Node, type Parameter } from "../graph/graph.ts";
import type { SoftTerm } from "../graph/ops.ts";
import { inferShapes } from "../graph/shapes.ts";

/** What the loss compares the logits with. */
export interface LossOptions {
  /**
   * "labels" (default): classes. "soft": a distribution over the classes for each image, see `data/mixup-cutmix.ts`.
   */
  readonly targets?: "labels" | "soft";
  /**
   * Knowledge distillation (Hinton, Vinyals and Dean, 2015): (1 − weight) times the loss of the targets, which are soft
   * then, and weight · temperature² times that of the teacher's answers, both softened by the temperature.
   */
  readonly teacher?: { readonly weight: number; readonly temperature: number };
}

export interface LossHead {
  readonly node: Node;
  /** What is fed besides the network's inputs: `labels`, or `targets` and perhaps `teacher`. */
  readonly inputs: readonly Input[];
  readonly loss: string;
  readonly correct: string;
  /** Logits → the value that is their gradient: the seed of the backward walk. */
  readonly seeds: ReadonlyMap<string, string>;
}

/**
 * Softmax cross-entropy of the one output of `forward`, logits of shape [N, classes], against the input `labels` [N]
 * or, as `options` say, `targets` and `teacher`, distributions [N, classes]. Throws `UserError("bad-graph")` if the
 * network has other outputs than that.
 */
export function lossHead(forward: Graph, { targets = "labels", teacher }: LossOptions = {}): LossHead {
  const [logits = "", ...others] = forward.outputs;
  const shape = inferShapes(forward, 1).get(logits) ?? [];
  if (others.length > 0 || shape.length !== 2) {
    throw new UserError("bad-graph", "a network to train must have one output, the logits", {
      about: forward.name,
      expected: "[N,classes]",
      received: others.length > 0 ? `${forward.outputs.length} outputs` : formatShape(shape),
      hint: "Cut the network behind its logits; networks with several outputs are not trained",
    });
  }
  const diffLogits = `${logits}.diff`;
  const outputs = ["loss", diffLogits, "correct"];
  const distribution = (name: string): Input => ({ name, dtype: "f32", shape: ["N", shape[1] ?? 0] });
  const terms: readonly SoftTerm[] =
    teacher === undefined
      ? [{ weight: 1, temperature: 1 }]
      : [
          { weight: 1 - teacher.weight, temperature: 1 },
          { weight: teacher.weight * teacher.temperature ** 2, temperature: teacher.temperature },
        ];
  const names = ["targets", ...(teacher === undefined ? [] : ["teacher"])];
  const isSoft = targets === "soft" || teacher !== undefined;
  return {
    node: isSoft
      ? makeNode("soft_cross_entropy", "loss", [logits, ...names], outputs, { terms })
      : makeNode("softmax_cross_entropy", "loss", [logits, "labels"], outputs, {}),
    inputs: isSoft ? names.map(distribution) : [{ name: "labels", dtype: "i32", shape: ["N"] }],
    loss: "loss",
    correct: "correct",
    seeds: new Map([[logits, diffLogits]]),
  };
}

/** The parameters that training moves along a gradient: all but running statistics and an optimizer's state. */
export function trainedParameters(graph: Graph): readonly Parameter[] {
  return graph.parameters.filter(
    ({ kind, of }) => of === undefined && !["running_mean", "running_variance", "constant"].includes(kind),
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
