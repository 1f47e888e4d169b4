/**
 * Puts batch norms behind convolutions, so that the network computes the same as before, and merges them again:
 *
 *     conv(x; W, b) = BN(conv(x; W); c, m + b, m, v) with c = √(v + ε),
 *
 * where m and v are the mean and the variance of each channel of conv(x; W). Merged, W is multiplied by c/√(v + ε), and
 * the bias is b − m·c/√(v + ε) for a batch norm of scale c and shift b.
 */
import { InternalError, required } from "../../../core/errors.ts";
import { type Tensor, tensor } from "../../../core/tensor.ts";
import { freshNames } from "../../../graph/fresh-names.ts";
import { type Graph, makeNode, type Network, type Node, type Parameter, producers } from "../../../graph/graph.ts";
import { inferShapes } from "../../../graph/shapes.ts";
import { perChannelOf } from "../../../quantization/per-channel.ts";
import type { ChannelStatistics } from "./channel-statistics.ts";

const EPSILON = 1e-5;
/** The default of batch norms. */
const MOMENTUM = 0.1;

export interface Restored {
  readonly network: Network;
  /** The names of the nodes that were put in. */
  readonly norms: readonly string[];
}

/**
 * `network` with a batch norm behind each of `convolutions`, which have biases. The biases become the shifts of the
 * batch norms, under the same names. With `statistics`, those of the convolutions' outputs, the network computes the
 * same as before. Without them the batch norms have no values yet.
 */
export function withNorms(
  { graph, weights }: Network,
  convolutions: readonly Node[],
  statistics: readonly ChannelStatistics[] | undefined,
): Restored {
  const fresh = freshNames([...inferShapes(graph, 1).keys(), ...graph.nodes.map(({ name }) => name)]);
  const statisticsOf = new Map(convolutions.map((node, index) => [node, statistics?.[index]] as const));
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter] as const));
  const reads = countReaders(graph);
  const values = new Map(weights);
  const norms: string[] = [];
  /** Adds the parameters of batch norm `norm`, with their values if these are known. Returns their names. */
  const addParameters = (norm: string, bias: string, found: ChannelStatistics | undefined): readonly string[] => {
    const { shape } = required(parameters.get(bias), `parameter "${bias}"`);
    const shift = reads.get(bias) === 1 ? bias : fresh(`${norm}.shift`);
    const own: readonly NormParameter[] = [
      { name: fresh(`${norm}.scale`), shape, kind: "scale" },
      { name: shift, shape, kind: "shift" },
      { name: fresh(`${norm}.running_mean`), shape, kind: "running_mean" },
      { name: fresh(`${norm}.running_variance`), shape, kind: "running_variance" },
    ];
    const given = values.get(bias);
    const start = found === undefined || given === undefined ? [] : identity(found, given);
    for (const [index, parameter] of own.entries()) {
      parameters.set(parameter.name, parameter);
      const value = start[index];
      if (value !== undefined) values.set(parameter.name, value);
    }
    return own.map(({ name }) => name);
  };
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!statisticsOf.has(node)) return [node];
    const [src = "", kernel = "", bias = ""] = node.inputs;
    const norm = fresh(`${node.name}.norm`);
    norms.push(norm);
    const own = addParameters(norm, bias, statisticsOf.get(node));
    const plain = fresh(`${node.name}/unnormalised`);
    return [
      { ...node, inputs: [src, kernel], outputs: [plain] },
      makeNode("batch_normalization", norm, [plain, ...own], node.outputs, { epsilon: EPSILON, momentum: MOMENTUM }),
    ];
  });
  return { network: withoutUnread({ ...graph, nodes, parameters: [...parameters.values()] }, values), norms };
}

type NormParameter = Parameter & { readonly kind: "scale" | "shift" | "running_mean" | "running_variance" };

/** Scale, shift, running mean and running variance that change nothing behind a convolution that had a `bias`. */
function identity({ mean, variance }: ChannelStatistics, { shape, data: bias }: Tensor): readonly Tensor[] {
  // The running values are those that were stored, so that the scale undoes exactly what they do.
  const stored = tensor(shape, Float32Array.from(variance));
  // The statistics are of conv(x; W, b).
  const means = tensor(
    shape,
    bias.map((value, channel) => (mean[channel] ?? 0) - value),
  );
  return [
    tensor(
      shape,
      stored.data.map((value) => Math.sqrt(value + EPSILON)),
    ),
    tensor(
      shape,
      bias.map((value, channel) => value + (means.data[channel] ?? 0)),
    ),
    means,
    stored,
  ];
}

/**
 * `network` with the batch norms named `norms` merged into the convolutions in front of them, which have biases then.
 * It computes the same, to rounding.
 */
export function withMergedNorms({ graph, weights }: Network, norms: readonly string[]): Network {
  if (norms.length === 0) return { graph, weights };
  const wanted = new Set(norms);
  const makers = producers(graph);
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter] as const));
  const values = new Map(weights);
  const merged = new Map<Node, Node>();
  const gone = new Set<Node>();
  for (const node of graph.nodes) {
    if (!wanted.has(node.name)) continue;
    const [src = "", , shift = ""] = node.inputs;
    const convolution = makers.get(src);
    if (convolution?.op !== "convolution")
      throw new InternalError(`there is no convolution in front of "${node.name}"`);
    const [image = "", kernel = ""] = convolution.inputs;
    const { shape, data } = required(values.get(kernel), `values of "${kernel}"`);
    const [channels = 0] = shape;
    const { slope, offset } = required(perChannelOf(node, weights, channels), `values of "${node.name}"`);
    const size = data.length / channels;
    values.set(
      kernel,
      tensor(
        shape,
        data.map((value, index) => value * (slope[Math.floor(index / size)] ?? 1)),
      ),
    );
    values.set(shift, tensor([channels], Float32Array.from(offset)));
    parameters.set(shift, { name: shift, shape: [channels], kind: "bias" });
    merged.set(convolution, { ...convolution, inputs: [image, kernel, shift], outputs: node.outputs });
    gone.add(node);
  }
  const nodes = graph.nodes.flatMap((node) => (gone.has(node) ? [] : [merged.get(node) ?? node]));
  return withoutUnread({ ...graph, nodes, parameters: [...parameters.values()] }, values);
}

function countReaders({ nodes }: Graph): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { inputs } of nodes) for (const input of inputs) counts.set(input, (counts.get(input) ?? 0) + 1);
  return counts;
}

/** `graph` with its `values`, without the parameters that no node reads. */
function withoutUnread(graph: Graph, values: Network["weights"]): Network {
  const read = new Set([...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs]);
  const parameters = graph.parameters.filter(({ name }) => read.has(name));
  const weights = parameters.flatMap(({ name }) => {
    const value = values.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { graph: { ...graph, parameters }, weights: new Map(weights) };
}
