/**
 * Builds the training step of a network: forward pass, loss, backward pass and optimizer steps in one graph.
 *
 * Inputs: the network's, those of the loss (`labels`, i32 [N], by default; see `loss.ts`), `learning_rate` ([]) and
 * `<factor>.gamma` (the factor's shape) for each parameter of scaling factors. A kind of parameters with a multiple of
 * the learning rate reads `learning_rate of <kind>` instead. Outputs: `loss` and `correct`. Each
 * trained parameter p has a velocity `p.velocity`, and its new value is `p.next`. Each λ parameter also has `λ.held`,
 * the number of steps that its factors have been held at zero, and `λ.margin` (`selection/zero-stability.ts`).
 */

import { requireArguments } from "../core/arguments.ts";
import { optional } from "../core/optional.ts";
import {
  type Graph,
  type Input,
  makeNode,
  type Node,
  type OptimizerStateKind,
  type Parameter,
} from "../graph/graph.ts";
import { withoutLastSoftmax } from "../graph/taught-outputs.ts";
import type { KeptFactors } from "../selection/factors.ts";
import { runningStatistics, withBatchStatistics } from "./batch-statistics.ts";
import { differentiate } from "./differentiate.ts";
import { followedRanges } from "./followed-ranges.ts";
import { hiddenConvolutions } from "./hidden-convolutions.ts";
import { forTargets, gradientOf, type LossOptions, lossHead, trainedParameters } from "./loss.ts";
import {
  decaysOf,
  type LearningRates,
  learningRateInput,
  learningRateInputs,
  trainedKindOf,
  type WeightDecays,
} from "./parameter-kinds.ts";

export interface TrainingGraphOptions {
  /** Images per step. The correction of the running variance depends on it. */
  readonly batch: number;
  /**
   * The optimizer of weights, biases, scales and shifts. A weight decay that is one number applies to weights and
   * scales only; else each kind has its own.
   */
  readonly sgd: { readonly momentum: number; readonly weightDecay: number | WeightDecays };
  /** Whether Muon (`muon.ts`) trains the weights of hidden convolutions; default: SGD trains all weights. */
  readonly muon?: boolean;
  /** Multiples of the learning rate for kinds of parameters; default: 1 for all. */
  readonly learningRates?: LearningRates;
  /** The optimizer of scaling factors, and the λ parameters of which one factor must stay above zero. */
  readonly factors: { readonly momentum: number } & KeptFactors;
  /** "batch" (default): normalise by the batch's statistics. "frozen": by the running ones, which stay constant. */
  readonly batchNormalization?: "batch" | "frozen";
  /** Whether the scales of batch norms stay constant, so that they cannot compensate a factor; default false. */
  readonly fixScales?: boolean;
  /** The targets of the loss; default: labels. */
  readonly loss?: LossOptions;
  /**
   * The largest norm of all gradients of `sgd` together; larger gradients are scaled down to it. The gradients of
   * factors are not clipped, because the proximal step compares them with γ. Default: no clipping.
   */
  readonly clipNorm?: number;
  /**
   * Parameters with the learning rate of the input `learning_rate`; all others then have that of `body_learning_rate`.
   * Default: all parameters have the same.
   */
  readonly head?: readonly string[];
}

/**
 * The training step of `whole`. Its factors should be folded already (`selection/fold.ts`), but factors that scale
 * activations are trained as well. Values of the forward pass keep their names. If the network ends in a softmax or its
 * logarithm, the loss reads the logits before it. Throws `UserError` if the network has other outputs than its logits,
 * or a parameter that does not influence them.
 */
export function trainingGraph(whole: Graph, options: TrainingGraphOptions): Graph {
  requireArguments("trainingGraph", { whole: [whole, "graph"], options: [options, "object"] });
  const forward = options.loss?.taught === undefined ? forTargets(whole, options.loss) : withoutLastSoftmax(whole);
  const isFrozen = options.batchNormalization === "frozen";
  const network = isFrozen ? forward : withBatchStatistics(forward);
  const statistics = isFrozen ? { nodes: [], updates: [] } : runningStatistics(forward, options.batch);
  const ranges = followedRanges(forward);
  const head = lossHead(network, options.loss);
  const { fixScales = false } = options;
  const trained = trainedParameters(network).filter(({ kind }) => !(fixScales && kind === "scale"));
  const backward = differentiate(network, head.seeds, new Set(trained.map(({ name }) => name)));
  const gradients = new Map(trained.map(({ name }) => [name, gradientOf(backward.gradients, name, forward)] as const));
  const clipping = clipNode(trained, gradients, options.clipNorm);
  const muonWeights = options.muon === true ? hiddenConvolutions(network) : new Set<string>();
  const rates = learningRateInputs(trained, { ...options, muonWeights });
  const steps = trained.map((parameter) =>
    optimizerStep(parameter, gradients.get(parameter.name) ?? "", { ...options, muonWeights }, clipping?.outputs[0]),
  );
  return {
    name: `${forward.name} (training)`,
    inputs: [...network.inputs, ...head.inputs, ...rates, ...steps.flatMap(({ inputs }) => inputs)],
    parameters: [...network.parameters, ...steps.flatMap(({ state }) => state)],
    nodes: [
      ...network.nodes,
      head.node,
      ...backward.nodes,
      ...statistics.nodes,
      ...ranges.nodes,
      ...(clipping === undefined ? [] : [clipping]),
      ...steps.flatMap(({ nodes }) => nodes),
    ],
    outputs: [head.loss, head.correct],
    updates: [
      ...statistics.updates,
      ...ranges.updates,
      ...steps.flatMap(({ parameter, state }) =>
        [parameter, ...state].map(({ name }) => ({ parameter: name, value: `${name}.next` })),
      ),
    ],
  };
}

interface OptimizerStep {
  readonly parameter: Parameter;
  readonly nodes: readonly Node[];
  /** The optimizer's state for the parameter. */
  readonly state: readonly Parameter[];
  /** Inputs of the training graph that only this step reads. */
  readonly inputs: readonly Input[];
}

/** The node that clips the gradients of all parameters but factors; undefined without clipping. */
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

/** The optimizer step of `parameter`: the proximal method for factors, Muon or SGD with Nesterov momentum otherwise. */
function optimizerStep(
  parameter: Parameter,
  gradient: string,
  options: TrainingGraphOptions & { readonly muonWeights: ReadonlySet<string> },
  clipFactor: string | undefined,
): OptimizerStep {
  const { name, shape } = parameter;
  const stateOf = (what: OptimizerStateKind): Parameter => ({ name: `${name}.${what}`, shape, kind: what, of: name });
  const velocity = stateOf("velocity");
  const own = trainedKindOf(parameter, options.muonWeights);
  const rate = learningRateInput(parameter, options);
  const inputs = [name, gradient, velocity.name, rate.name];
  const outputs = [`${name}.next`, `${velocity.name}.next`];
  if (own === "factor") {
    const { momentum, keepLast, keepRuns } = options.factors;
    const gamma: Input = { name: `${name}.gamma`, dtype: "f32", shape };
    const [held, margin] = [stateOf("held"), stateOf("margin")];
    const keepRun = keepRuns?.get(name);
    const attributes = { momentum, keepLast: keepLast.has(name), ...optional({ keepRun }) };
    const watched = [name, gradient, velocity.name, gamma.name, held.name, margin.name];
    return {
      parameter,
      nodes: [
        // This node comes first: it reads λ and its velocity, and the step may overwrite them.
        makeNode("zero_margin", `${name}.watch`, watched, [`${held.name}.next`, `${margin.name}.next`], {}),
        makeNode("accelerated_proximal_gradient", `${name}.step`, [...inputs, gamma.name], outputs, attributes),
      ],
      state: [velocity, held, margin],
      inputs: [gamma],
    };
  }
  const { momentum, weightDecay } = options.sgd;
  const attributes = { momentum, weightDecay: decaysOf(weightDecay)[own] };
  const read = clipFactor === undefined ? inputs : [...inputs, clipFactor];
  const node = makeNode(own === "muon" ? "muon" : "nesterov_sgd", `${name}.step`, read, outputs, attributes);
  return { parameter, nodes: [node], state: [velocity], inputs: [] };
}
