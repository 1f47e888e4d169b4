/** Computes the weights of a whitening first layer from patches of training images (`models/whitening.ts`). */
import { UserError } from "../../core/errors.ts";
import { type Tensor, tensor } from "../../core/tensor.ts";
import { type Dataset, imagesAt } from "../../data/dataset.ts";
import { evaluationBatches } from "../../data/evaluation-batches.ts";
import type { Graph, Network, Node, Parameter } from "../../graph/graph.ts";
import { PatchMoments, whiteningFilters } from "../../models/whitening.ts";

/** Two million patches of 2 × 2 pixels: their moments no longer change in the third digit. */
const MOST_IMAGES = 2000;
const BATCH = 100;

/**
 * `network` with values for the parameters that are to whiten and have none yet. The images are evenly spaced among
 * the training images, normalised and not augmented, so equal data give equal weights.
 * @throws UserError "bad-graph" if such a parameter is not the weights of a convolution that reads the images.
 */
export async function whitened(network: Network, dataset: Dataset): Promise<Network> {
  const { graph, weights } = network;
  const wanted = graph.parameters.filter(({ name, initial }) => initial?.kind === "whitening" && !weights.has(name));
  if (wanted.length === 0) return network;
  const layers = wanted.map((parameter) => ({ parameter, layer: layerOf(parameter, graph) }));
  const collected = layers.map(({ parameter: { shape }, layer: { attributes } }) => {
    const [, channels = 0, height = 0, width = 0] = shape;
    const [rows, columns] = attributes.dilation;
    return new PatchMoments({ channels, kernel: [height, width], dilation: [rows, columns] });
  });
  const { train, normalization } = dataset;
  const count = Math.min(MOST_IMAGES, train.count);
  const places = Array.from({ length: count }, (_, index) => Math.floor((index * train.count) / count));
  for await (const { images, count: own } of evaluationBatches(imagesAt(train, places), normalization, BATCH)) {
    for (const moments of collected) moments.add(images, own);
  }
  const values = layers.map(({ parameter }, index): readonly [string, Tensor] => {
    const moments = collected[index] ?? new PatchMoments({ channels: 0, kernel: [1, 1], dilation: [1, 1] });
    const [outputs = 0] = parameter.shape;
    const epsilon = parameter.initial?.kind === "whitening" ? parameter.initial.epsilon : 0;
    const filters = whiteningFilters(moments.moments(), moments.size, { outputs, epsilon });
    return [parameter.name, tensor(parameter.shape, filters)];
  });
  return { graph, weights: new Map([...weights, ...values]) };
}

/** The convolution of the images whose weights are `parameter`. */
function layerOf({ name, shape }: Parameter, graph: Graph): Node<"convolution"> {
  const [outputs = 0, ...patch] = shape;
  const size = patch.reduce((product, extent) => product * extent, 1);
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
  const [layer] = readers;
  const isFirst =
    layer?.op === "convolution" && shape.length === 4 && graph.inputs.some((input) => input.name === layer.inputs[0]);
  if (isFirst && readers.length === 1 && layer.attributes.groups === 1 && outputs <= 2 * size) return layer;
  throw new UserError("bad-graph", "these weights cannot whiten patches of images", {
    about: `parameter "${name}" of ${graph.name}`,
    expected: `a convolution that reads the images, of one group and at most ${2 * size} channels`,
    received: layer === undefined ? "no reader" : `${outputs} channels of ${layer.op} "${layer.name}"`,
    hint: "Whiten in the first convolution only, or start these weights in another way",
  });
}
