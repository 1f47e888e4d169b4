/** Mean and variance of each channel of values of a network, over some training images, in the engine. */
import { kernelCacheFolder } from "../../../core/cache-folder.ts";
import { required } from "../../../core/errors.ts";
import { optional } from "../../../core/optional.ts";
import { filled } from "../../../core/tensor.ts";
import { type Dataset, imagesAt } from "../../../data/dataset.ts";
import { evaluationBatches } from "../../../data/evaluation-batches.ts";
import { feedsOf } from "../../../data/inputs.ts";
import type { Results } from "../../../engine/engine.ts";
import { EngineHost } from "../../../engine/host.ts";
import { type Graph, makeNode, type Network } from "../../../graph/graph.ts";
import { withoutDeadNodes } from "../../../graph/rewrite.ts";
import { inferShapes } from "../../../graph/shapes.ts";
import type { Settings } from "../../settings/settings.ts";

/** By channel; plain JSON. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

/** More images hardly change the statistics of maps, which have many pixels each. */
const MOST_IMAGES = 256;
const LARGEST_BATCH = 32;

/**
 * The statistics of `values`, which `network` computes, in their order. The images are evenly spaced among the training
 * images, normalised and not augmented.
 * @throws the errors of the engine and of reading images.
 */
export async function channelStatistics(
  network: Network,
  values: readonly string[],
  { train, normalization }: Dataset,
  { engine, threads, batch: largest }: Pick<Settings, "engine" | "threads" | "batch">,
): Promise<readonly ChannelStatistics[]> {
  const batch = Math.min(LARGEST_BATCH, largest, train.count);
  const count = batch * Math.floor(Math.min(MOST_IMAGES, train.count) / batch);
  const places = Array.from({ length: count }, (_, index) => Math.floor((index * train.count) / count));
  const { graph, outputs } = withMoments(network.graph, values);
  const host = await EngineHost.start({ engine, cacheFolder: kernelCacheFolder(), ...optional({ threads }) });
  try {
    // Timing kernels would take longer than these few batches.
    const plan = await host.prepare(graph, { batch, tuningSeconds: 0 });
    await plan.write(parametersOf(graph, network));
    const results: { readonly isFull: boolean; readonly found: Results }[] = [];
    for await (const { images, inputs, count: own } of evaluationBatches(
      imagesAt(train, places),
      normalization,
      batch,
    )) {
      const feeds = feedsOf(graph.inputs, images, inputs);
      results.push({ isFull: own === batch, found: await plan.run(feeds) });
    }
    // A batch with images that cannot be read is filled up with zeros.
    const full = results.filter(({ isFull }) => isFull);
    const used = (full.length > 0 ? full : results).map(({ found }) => found);
    return outputs.map(([mean, variance]) => joined(used, mean, variance));
  } finally {
    await host.dispose();
  }
}

type Moments = readonly [mean: string, variance: string];

/** `graph` with the mean and the variance of each of `values` over a batch as its outputs. */
function withMoments(graph: Graph, values: readonly string[]): { readonly graph: Graph; readonly outputs: Moments[] } {
  const shapes = inferShapes(graph, 1);
  const outputs = values.map((value): Moments => [`${value}/batch_mean`, `${value}/batch_variance`]);
  const unit = values.map((value) => [`${value}/unit_scale`, `${value}/no_shift`] as const);
  const parameters = values.flatMap((value, index) => {
    const [, channels = 0] = shapes.get(value) ?? [];
    const [scale = "", shift = ""] = unit[index] ?? [];
    return [
      { name: scale, shape: [channels], kind: "scale" },
      { name: shift, shape: [channels], kind: "shift" },
    ] as const;
  });
  const nodes = values.map((value, index) => {
    const name = `${value}/moments`;
    return makeNode(
      "batch_normalization_training",
      name,
      [value, ...(unit[index] ?? [])],
      [name, ...(outputs[index] ?? [])],
      { epsilon: 1e-5 },
    );
  });
  return {
    graph: withoutDeadNodes({
      ...graph,
      nodes: [...graph.nodes, ...nodes],
      parameters: [...graph.parameters, ...parameters],
      outputs: outputs.flat(),
    }),
    outputs,
  };
}

/** The values of all parameters of `graph`: those of `network`, and of its additional batch norms. */
function parametersOf(graph: Graph, { weights }: Network): Network["weights"] {
  return new Map(
    graph.parameters.map(({ name, shape, kind }) => {
      const constant = filled(shape, kind === "scale" ? 1 : 0);
      return [name, weights.get(name) ?? constant] as const;
    }),
  );
}

/** The statistics over all batches, which are equally large. */
function joined(batches: readonly Results[], mean: string, variance: string): ChannelStatistics {
  const means = batches.map((batch) => required(batch[mean], mean).data);
  const variances = batches.map((batch) => required(batch[variance], variance).data);
  const total = Array.from(means[0] ?? [], (_, channel) => average(means.map((data) => data[channel] ?? 0)));
  return {
    mean: total,
    variance: total.map((center, channel) => {
      const within = average(variances.map((data) => data[channel] ?? 0));
      return within + average(means.map((data) => ((data[channel] ?? 0) - center) ** 2));
    }),
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
