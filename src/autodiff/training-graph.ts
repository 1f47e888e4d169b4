/**
 * A network turned into its training step: forward, loss, backward and the optimizers' updates as one graph.
 *
 * Inputs: the network's, those of the loss (`labels`, i32 [N], by default; see `loss.ts`), `learning_rate` ([]) and
 * `<factor>.gamma` (the factor's shape) for each parameter of scaling factors. Outputs: `loss` and `correct`. Each
 * trained parameter p has a velocity `p.velocity`, and becomes `p.next`. Factors λ also have `λ.held` and `λ.margin`:
 * how long each has been held at zero (`selection/zero-stability.ts`).
 */
import {
  type Graph,
  type Input,
  makeNode,
  type Node,
  type OptimizerStateKind,
  type Parameter,
} from "../graph/graph.ts";
import { endingInLogits } from "../graph/logits.ts";
import type { KeptFactors } from "../selection/factors.ts";
import { runningStatistics, withBatchStatistics } from "./batch-statistics.ts";
import { differentiate } from "./differentiate.ts";
import { gradientOf, type LossOptions, lossHead, trainedParameters } from "./loss.ts";

export interface TrainingGraphOptions {
  /** Images a step: decides how the running variance is corrected. */
  readonly batch: number;
  /** Weights, biases, scales and shifts; only weights and scales decay. */
  readonly sgd: { readonly momentum: number; readonly weightDecay: number };
  /** Scaling factors; the parameters in `keepLast` never lose their last one, or the last of the run in `keepRuns`. */
  readonly factors: { readonly momentum: number } & KeptFactors;
  /** "batch" (default): by the batch's statistics. "frozen": by the running ones, which then stay as they are. */
  readonly batchNormalization?: "batch" | "frozen";
  /** Whether the scales of batch norms stay as they are, so that none makes up for a factor; default false. */
  readonly fixScales?: boolean;
  /** What the loss compares with; default labels. */
  readonly loss?: LossOptions;
  /**
   * Largest norm of all gradients that `sgd` steps along, taken together; longer ones are shortened to it. Factors are
   * no part of it: what they are held at zero by is their own gradient against γ. Default: not clipped.
   */
  readonly clipNorm?: number;
}

const LEARNING_RATE: Input = { name: "learning_rate", dtype: "f32", shape: [] };

/**
 * The training step of `whole`, whose factors are already folded (`selection/fold.ts`) where that is possible; factors
 * that scale activations train as well. Values of the forward part keep their names. The loss has a softmax of its own:
 * of a network that ends in one, or in its logarithm, the logits are what that reads. Throws `UserError` if the network
 * has other outputs than its logits, or a parameter that does not influence them.
 */
export function trainingGraph(whole: Graph, options: TrainingGraphOptions): Graph {
  const forward = endingInLogits(whole);
  const isFrozen = options.batchNormalization === "frozen";
  const network = isFrozen ? forward : withBatchStatistics(forward);
  const statistics = isFrozen ? { nodes: [], updates: [] } : runningStatistics(forward, options.batch);
  const head = lossHead(network, options.loss);
  const { fixScales = false } = options;
  const trained = trainedParameters(network).filter(({ kind }) => !(fixScales && kind === "scale"));
  const backward = differentiate(network, head.seeds, new Set(trained.map(({ name }) => name)));
  const gradients = new Map(trained.map(({ name }) => [name, gradientOf(backward.gradients, name, forward)] as const));
  const clipping = clipNode(trained, gradients, options.clipNorm);
  const steps = trained.map((parameter) =>
    optimizerStep(parameter, gradients.get(parameter.name) ?? "", options, clipping?.outputs[0]),
  );
  return {
    name: `${forward.name} (training)`,
    inputs: [...network.inputs, ...head.inputs, LEARNING_RATE, ...steps.flatMap(({ inputs }) => inputs)],
    parameters: [...network.parameters, ...steps.flatMap(({ state }) => state)],
    nodes: [
      ...network.nodes,
      head.node,
      ...backward.nodes,
      ...statistics.nodes,
      ...(clipping === undefined ? [] : [clipping]),
      ...steps.flatMap(({ nodes }) => nodes),
    ],
    outputs: [head.loss, head.correct],
    updates: [
      ...statistics.updates,
      ...steps.flatMap(({ parameter, state }) =>
        [parameter, ...state].map(({ name }) => ({ parameter: name, value: `${name}.next` })),
      ),
    ],
  };
}

interface OptimizerStep {
  readonly parameter: Parameter;
  readonly nodes: readonly Node[];
  /** What the optimizer keeps beside the parameter. */
  readonly state: readonly Parameter[];
  /** Inputs of the training graph that only this step reads. */
  readonly inputs: readonly Input[];
}

/** What shortens the gradients of all parameters but factors, if they are to be. */
function clipNode(
  trained: readonly Parameter[],
  gradients: ReadonlyMap<string, string>,
  maximum: number | undefined,
): Node | undefined {
  const stepped = trained.filter(({ kind }) => kind !== "factor");
  if (maximum === undefined || stepped.length === 0) return undefined;
  const inputs = stepped.map(({ name }) => gradients.get(name) ?? "");
  return makeNode("clip_factor", "clip", inputs, ["clip.factor"], { maximum });
}

/** What steps `parameter`: the proximal method for factors and nothing else for them, Nesterov for the rest. */
function optimizerStep(
  parameter: Parameter,
  gradient: string,
  options: TrainingGraphOptions,
  clipFactor: string | undefined,
): OptimizerStep {
  const { name, shape, kind } = parameter;
  const stateOf = (what: OptimizerStateKind): Parameter => ({ name: `${name}.${what}`, shape, kind: what, of: name });
  const velocity = stateOf("velocity");
  const inputs = [name, gradient, velocity.name, LEARNING_RATE.name];
  const outputs = [`${name}.next`, `${velocity.name}.next`];
  if (kind === "factor") {
    const { momentum, keepLast, keepRuns } = options.factors;
    const gamma: Input = { name: `${name}.gamma`, dtype: "f32", shape };
    const [held, margin] = [stateOf("held"), stateOf("margin")];
    const keepRun = keepRuns?.get(name);
    const attributes = { momentum, keepLast: keepLast.has(name), ...(keepRun === undefined ? {} : { keepRun }) };
    const watched = [name, gradient, velocity.name, gamma.name, held.name, margin.name];
    return {
      parameter,
      nodes: [
        // First, for it looks at λ and its velocity as the gradient was taken, and the step may write over them.
        makeNode("zero_margin", `${name}.watch`, watched, [`${held.name}.next`, `${margin.name}.next`], {}),
        makeNode("accelerated_proximal_gradient", `${name}.step`, [...inputs, gamma.name], outputs, attributes),
      ],
      state: [velocity, held, margin],
      inputs: [gamma],
    };
  }
  const { momentum, weightDecay } = options.sgd;
  const decays = kind === "weights" || kind === "scale";
  const attributes = { momentum, weightDecay: decays ? weightDecay : 0 };
  const read = clipFactor === undefined ? inputs : [...inputs, clipFactor];
  const node = makeNode("nesterov_sgd", `${name}.step`, read, outputs, attributes);
  return { parameter, nodes: [node], state: [velocity], inputs: [] };
}
