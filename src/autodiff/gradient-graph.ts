/**
 * Graphs whose outputs include gradients, for gradient checks and for analysis. The position in the outputs identifies
 * a gradient. Its name may be that of another value, if the gradient only passed through an addition.
 */
import { required } from "../core/errors.ts";
import type { Graph, Input } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { withBatchStatistics } from "./batch-statistics.ts";
import { differentiate } from "./differentiate.ts";
import { forTargets, gradientOf, type LossOptions, lossHead, trainedParameters } from "./loss.ts";

export interface GradientGraphOptions {
  /** "batch" (default): normalise by the batch's statistics; "frozen": by the running ones. */
  readonly batchNormalization?: "batch" | "frozen";
  /** Whether the gradients of the network's inputs follow those of its parameters. Default: no. */
  readonly inputs?: boolean;
  /** The targets of the loss; default: labels. */
  readonly loss?: LossOptions;
}

/**
 * The loss of a network and its gradients. If the network ends in a softmax, the loss reads the logits before it.
 * Inputs: the network's and those of the loss, by default `labels` (i32 [N]). Outputs: `loss`, then the gradient of
 * each trained parameter in the order of `whole.parameters`, then optionally that of each input.
 */
export function gradientGraph(whole: Graph, options: GradientGraphOptions = {}): Graph {
  const forward = forTargets(whole, options.loss);
  const network = options.batchNormalization === "frozen" ? forward : withBatchStatistics(forward);
  const head = lossHead(network, options.loss);
  const { nodes, gradients } = gradientsOf(network, head.seeds, options);
  return {
    name: `${forward.name} (gradients)`,
    inputs: [...network.inputs, ...head.inputs],
    parameters: network.parameters,
    nodes: [...network.nodes, head.node, ...nodes],
    outputs: [head.loss, ...gradients],
    updates: [],
  };
}

/**
 * The outputs of `forward` and a vector-Jacobian product: the gradients of its parameters for given gradients of its
 * outputs. Inputs: the network's and `<output>.seed` for each output. Outputs: the network's, then the gradients as in
 * `gradientGraph`.
 */
export function vectorJacobianGraph(forward: Graph, options: GradientGraphOptions = {}): Graph {
  const network = options.batchNormalization === "frozen" ? forward : withBatchStatistics(forward);
  const shapes = inferShapes(network, 1);
  const seeds = network.outputs.map((output): Input => {
    const [, ...rest] = required(shapes.get(output), `shape of "${output}"`);
    return { name: `${output}.seed`, dtype: "f32", shape: ["N", ...rest] };
  });
  const seedOf = new Map(network.outputs.map((output) => [output, `${output}.seed`]));
  const { nodes, gradients } = gradientsOf(network, seedOf, options);
  return {
    name: `${forward.name} (vector-Jacobian product)`,
    inputs: [...network.inputs, ...seeds],
    parameters: network.parameters,
    nodes: [...network.nodes, ...nodes],
    outputs: [...network.outputs, ...gradients],
    updates: [],
  };
}

function gradientsOf(
  network: Graph,
  seeds: ReadonlyMap<string, string>,
  { inputs = false }: GradientGraphOptions,
): { readonly nodes: Graph["nodes"]; readonly gradients: readonly string[] } {
  const numbers = network.inputs.filter(({ integer }) => integer === undefined);
  const sources = [...trainedParameters(network), ...(inputs ? numbers : [])].map(({ name }) => name);
  const { nodes, gradients } = differentiate(network, seeds, new Set(sources));
  return { nodes, gradients: sources.map((source) => gradientOf(gradients, source, network)) };
}
