/** Adds the loss to a network's logits. */
import { UserError } from "../core/errors.ts";
import { formatShape } from "../core/tensor.ts";
import { type Graph, type Input, makeNode, type Node, type Parameter } from "../graph/graph.ts";
import { endingInLogits, withoutLastSigmoid } from "../graph/logits.ts";
import type { SoftTerm, TaughtTerm } from "../graph/ops.ts";
import { inferShapes } from "../graph/shapes.ts";

/** The targets of the loss. */
export interface LossOptions {
  /**
   * "labels" (default): class numbers. "soft": a distribution over the classes per image (`data/mixup-cutmix.ts`).
   * "several": a number from 0 to 1 for each class, whose logit a sigmoid reads.
   */
  readonly targets?: "labels" | "soft" | "several";
  /**
   * Knowledge distillation (Hinton, Vinyals and Dean, 2015): (1 − weight) times the loss of the targets, plus
   * weight · temperature² times the loss of the teacher's answers. The temperature softens the logits in the second
   * term. Targets are "soft" then.
   */
  readonly teacher?: { readonly weight: number; readonly temperature: number };
  /** The network learns its teacher's outputs, one term for each of its own, instead of targets. */
  readonly taught?: readonly TaughtTerm[];
}

/** The input with the teacher's output `name`. */
export function taughtInput(name: string): string {
  return `${name}.taught`;
}

export interface LossHead {
  readonly node: Node;
  /** The inputs besides the network's: `labels`, or `targets` and optionally `teacher`. */
  readonly inputs: readonly Input[];
  readonly loss: string;
  readonly correct: string;
  /** Logits → the value that is their gradient, the seed of differentiation. */
  readonly seeds: ReadonlyMap<string, string>;
}

/** `graph` with what the loss reads as its output: the logits of classes, or of questions that sigmoids answer. */
export function forTargets(graph: Graph, { targets }: LossOptions = {}): Graph {
  return targets === "several" ? withoutLastSigmoid(graph) : endingInLogits(graph);
}

/**
 * Softmax cross-entropy of the logits, which are the only output of `forward`, of shape [N, classes], or the binary
 * cross-entropy of each class. The targets are the input `labels` [N], or the distributions `targets` and `teacher`
 * [N, classes], as the options say. Throws
 * `UserError("bad-graph")` if the network has other outputs.
 */
export function lossHead(forward: Graph, { targets = "labels", teacher, taught }: LossOptions = {}): LossHead {
  if (taught !== undefined) return taughtHead(forward, taught);
  const [logits = "", ...others] = forward.outputs;
  const shape = inferShapes(forward, 1).get(logits) ?? [];
  if (others.length > 0 || shape.length !== 2) {
    throw new UserError("bad-graph", "a network to train must have one output, the logits", {
      about: forward.name,
      expected: "[N,classes]",
      received: others.length > 0 ? `${forward.outputs.length} outputs` : formatShape(shape),
      hint: "Make the logits its only output; Espalier does not train networks with several outputs",
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
  const isSoft = targets !== "labels" || teacher !== undefined;
  const attributes = targets === "several" ? ({ terms, isPerClass: true } as const) : { terms };
  return {
    node: isSoft
      ? makeNode("soft_cross_entropy", "loss", [logits, ...names], outputs, attributes)
      : makeNode("softmax_cross_entropy", "loss", [logits, "labels"], outputs, {}),
    inputs: isSoft ? names.map(distribution) : [{ name: "labels", dtype: "i32", shape: ["N"] }],
    loss: "loss",
    correct: "correct",
    seeds: new Map([[logits, diffLogits]]),
  };
}

/**
 * The parameters that have a gradient: all but frozen ones, constants, ranges, running statistics and the state of
 * optimizers.
 */
export function trainedParameters(graph: Graph): readonly Parameter[] {
  return graph.parameters.filter(
    ({ kind, of, isFrozen }) =>
      of === undefined &&
      isFrozen !== true &&
      !["running_mean", "running_variance", "constant", "range"].includes(kind),
  );
}

/** `node`; if it is a loss, the loss and its gradients count as one of `count` parts of a batch. */
export function withShare(node: Node, count: number): Node {
  switch (node.op) {
    case "softmax_cross_entropy":
      return makeNode(node.op, node.name, node.inputs, node.outputs, { share: (node.attributes.share ?? 1) / count });
    case "taught_loss": {
      const { outputs, share = 1 } = node.attributes;
      return makeNode(node.op, node.name, node.inputs, node.outputs, { outputs, share: share / count });
    }
    case "soft_cross_entropy": {
      const terms = node.attributes.terms.map((term) => ({ ...term, weight: term.weight / count }));
      return makeNode(node.op, node.name, node.inputs, node.outputs, { ...node.attributes, terms });
    }
    default:
      return node;
  }
}

/** The gradient of `parameter`. Throws `UserError("bad-graph")` if the output does not depend on the parameter. */
export function gradientOf(gradients: ReadonlyMap<string, string>, parameter: string, graph: Graph): string {
  const gradient = gradients.get(parameter);
  if (gradient !== undefined) return gradient;
  throw new UserError("bad-graph", "has no influence on the output, so it cannot be trained", {
    about: `parameter "${parameter}" of ${graph.name}`,
    hint: "Remove it from the network, or connect the node that reads it to the output",
  });
}

/** The loss of all outputs of `forward` against those of a teacher, the inputs `<output>.taught`. */
function taughtHead(forward: Graph, terms: readonly TaughtTerm[]): LossHead {
  const { outputs } = forward;
  const shapes = inferShapes(forward, 1);
  // An output may also be read inside the network: its gradient then is a sum.
  const seeds = new Map(outputs.map((name) => [name, `${name}.taught.diff`] as const));
  const inputs = outputs.map(
    (name): Input => ({ name: taughtInput(name), dtype: "f32", shape: ["N", ...(shapes.get(name) ?? []).slice(1)] }),
  );
  const read = [...outputs, ...inputs.map(({ name }) => name)];
  const node = makeNode("taught_loss", "loss", read, ["loss", ...seeds.values(), "correct"], { outputs: terms });
  return { node, inputs, loss: "loss", correct: "correct", seeds };
}
