/**
 * Data parallelism: the training step of one of several ranks. Each rank has a part of the batch, and all ranks end
 * with the same parameters. The step sums gradients, loss and the count of correct answers over the ranks, in buckets.
 * The sum of a bucket begins when its last gradient is computed, and the backward pass goes on meanwhile. The optimizer
 * steps of a bucket follow the end of its sum, the first bucket first.
 *
 * The graph alone determines the buckets, so all ranks begin and end the same sums in the same order.
 */
import { required } from "../core/errors.ts";
import { elementCount } from "../core/tensor.ts";
import { type Graph, type Input, makeNode, type Node } from "../graph/graph.ts";
import { withInputs } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";
import { withShare } from "./loss.ts";

export interface DataParallelOptions {
  readonly ranks: number;
  /** Whether batch normalization uses the statistics of all ranks' images; if not, each rank uses its own. */
  readonly synchronizeNormalization: boolean;
  /** A bucket with this many bytes of gradients is full. Default: an eighth of all, between 64 KiB and 4 MiB. */
  readonly bucketBytes?: number;
}

/** Enough buckets that most sums begin before the backward pass ends, few enough that each is worth a message. */
const BUCKETS = 8;
const [SMALLEST_BUCKET, LARGEST_BUCKET] = [2 ** 16, 2 ** 22] as const;

/** The output that counts the ranks that were asked to stop. Such a rank feeds 1 to the input `stopFeed`. */
export const STOP = "stop";
const STOP_INPUT: Input = { name: "stop.here", dtype: "f32", shape: [] };
export const stopFeed: string = STOP_INPUT.name;

const optimizers: ReadonlySet<string> = new Set([
  "nesterov_sgd",
  "muon",
  "accelerated_proximal_gradient",
  "zero_margin",
]);

/** The training graph `step` for one of `ranks` ranks; `step` itself if there is only one. */
export function forRanks(step: Graph, options: DataParallelOptions): Graph {
  return options.ranks === 1 ? step : dataParallel(step, options);
}

/** The training graph `step` with sums over `ranks`. Its outputs keep their names; the output `STOP` follows them. */
export function dataParallel(step: Graph, options: DataParallelOptions): Graph {
  const { ranks, synchronizeNormalization, bucketBytes } = options;
  const shared = withSharedLoss(step, ranks);
  const network = synchronizeNormalization ? withCommonStatistics(shared, ranks) : shared;
  const buckets = bucketsOf(network, bucketBytes);
  const lossBucket: Bucket = {
    name: "loss",
    gradients: [...step.outputs.map(local), STOP_INPUT.name],
    sums: [...step.outputs, STOP],
    layouts: [...step.outputs, STOP].map(() => ""),
    optimizers: [],
  };
  const all = [lossBucket, ...buckets];
  const position = new Map(network.nodes.flatMap(({ outputs }, index) => outputs.map((name) => [name, index])));
  const lastMade = ({ gradients }: Bucket): number => Math.max(...gradients.map((name) => position.get(name) ?? 0));
  const begins = all.map((bucket) => ({ after: lastMade(bucket), node: beginOf(bucket) }));
  // Clipping needs the sums of all gradients.
  const clipping = network.nodes.filter(({ op }) => op === "clip_factor");
  const stepped = new Set([...buckets.flatMap((bucket) => bucket.optimizers), ...clipping]);
  const sums = new Map(buckets.flatMap((bucket) => [...sumNames(bucket)]));
  const closing =
    clipping.length === 0
      ? buckets.flatMap((bucket) => [endOf(bucket), ...stepsOf(bucket)])
      : [...buckets.map(endOf), ...clipping.map((node) => withInputs(node, sums)), ...buckets.flatMap(stepsOf)];
  const nodes = network.nodes.flatMap((node, index) => [
    ...(stepped.has(node) ? [] : [node]),
    ...begins.filter(({ after }) => after === index).map((begin) => begin.node),
  ]);
  return {
    ...network,
    name: `${step.name}, of ${ranks} ranks`,
    inputs: [...network.inputs, STOP_INPUT],
    nodes: [...nodes, ...closing, endOf(lossBucket)],
    outputs: lossBucket.sums,
  };
}

interface Bucket {
  readonly name: string;
  readonly gradients: readonly string[];
  /** The names of their sums. */
  readonly sums: readonly string[];
  /** For each gradient, the parameter whose layout the sum has. */
  readonly layouts: readonly string[];
  /** The nodes that read the sums, in execution order. */
  readonly optimizers: readonly Node[];
}

function beginOf({ name, gradients, layouts }: Bucket): Node {
  const outputs = gradients.map(underWay(name));
  return makeNode("all_reduce_begin", `${name}.begin`, gradients, outputs, { bucket: name, layouts });
}

function endOf({ name, gradients, sums }: Bucket): Node {
  return makeNode("all_reduce_end", `${name}.end`, gradients.map(underWay(name)), sums, { bucket: name });
}

function stepsOf(bucket: Bucket): Node[] {
  const names = sumNames(bucket);
  return bucket.optimizers.map((node) => withInputs(node, names));
}

/** Gradient → its sum. */
function sumNames({ gradients, sums }: Bucket): Map<string, string> {
  return new Map(gradients.map((gradient, index) => [gradient, sums[index] ?? gradient]));
}

function local(value: string): string {
  return `${value}.local`;
}

/** The name of a value while `bucket` is being summed. */
function underWay(bucket: string): (value: string) => string {
  return (value) => `${value} in ${bucket}`;
}

/** Scales loss and gradients to one rank's share of the batch, and renames the outputs: the sums get their names. */
function withSharedLoss(step: Graph, ranks: number): Graph {
  const nodes = step.nodes.map((node): Node => {
    const outputs = node.outputs.map((name) => (step.outputs.includes(name) ? local(name) : name));
    return { ...withShare(node, ranks), outputs };
  });
  return { ...step, nodes, outputs: step.outputs.map(local) };
}

/** The buckets: gradients in the order of their computation, and a new bucket when one is full. */
function bucketsOf(graph: Graph, wanted: number | undefined): Bucket[] {
  const stepsByGradient = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (!optimizers.has(node.op)) continue;
    const gradient = required(node.inputs[1], `gradient of "${node.name}"`);
    stepsByGradient.set(gradient, [...(stepsByGradient.get(gradient) ?? []), node]);
  }
  const shapes = inferShapes(graph, 1);
  const bytesOf = (value: string): number => elementCount(shapes.get(value) ?? []) * Float32Array.BYTES_PER_ELEMENT;
  const total = [...stepsByGradient.keys()].reduce((sum, gradient) => sum + bytesOf(gradient), 0);
  const bucketBytes = wanted ?? Math.min(LARGEST_BUCKET, Math.max(SMALLEST_BUCKET, total / BUCKETS));
  const groups: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const value of graph.nodes.flatMap(({ outputs }) => outputs)) {
    if (!stepsByGradient.has(value)) continue;
    if (bytes >= bucketBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(value);
    bytes += bytesOf(value);
  }
  return groups.map((gradients, index) => {
    const steps = gradients.map((gradient) => stepsByGradient.get(gradient) ?? []);
    return {
      name: `gradients ${index + 1}`,
      gradients,
      sums: gradients.map((gradient) => `${gradient}.sum`),
      layouts: steps.map(([node]) => node?.inputs[0] ?? ""),
      optimizers: steps.flat(),
    };
  });
}

/**
 * Makes batch normalization use the statistics of all ranks. Each rank computes its statistics, the ranks combine them,
 * and the layer then uses them as constants. A correction adds the part of the gradient of src that passes through the
 * statistics. The gradients of scales and shifts stay local, because the buckets sum them.
 */
function withCommonStatistics(graph: Graph, ranks: number): Graph {
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const { name, inputs, outputs } = node;
    if (node.op === "batch_normalization_training") {
      const [src = "", scale = "", shift = ""] = inputs;
      const [dst = "", mean = "", variance = ""] = outputs;
      const own = [local(mean), local(variance)];
      return [
        makeNode("batch_statistics", `${name}.statistics`, [src], own, {}),
        makeNode("all_reduce_statistics", `${name}.common`, own, [mean, variance], {}),
        makeNode("batch_normalization", name, [src, scale, shift, mean, variance], [dst], {
          epsilon: node.attributes.epsilon,
          momentum: 0,
        }),
      ];
    }
    if (node.op === "batch_normalization_training_backward") {
      const [src = "", mean = "", variance = "", scale = "", diffDst = ""] = inputs;
      const [diffSrc = "", diffScale = "", diffShift = ""] = outputs;
      const { epsilon } = node.attributes;
      const partial = local(diffSrc);
      const bucket: Bucket = {
        name: `${name}.sums`,
        gradients: [diffScale, diffShift],
        sums: [`${name}.diff_scale`, `${name}.diff_shift`],
        layouts: ["", ""],
        optimizers: [],
      };
      const frozen = [src, scale, mean, variance, diffDst];
      const all = [src, mean, variance, scale, partial, ...bucket.sums];
      return [
        makeNode("batch_normalization_backward", name, frozen, [partial, diffScale, diffShift], { epsilon }),
        beginOf(bucket),
        endOf(bucket),
        makeNode("batch_normalization_correction", `${name}.correction`, all, [diffSrc], { epsilon, ranks }),
      ];
    }
    return [node];
  });
  return { ...graph, nodes };
}
