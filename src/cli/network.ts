/** Opens a network that a command names: a model of the zoo or an ONNX file. */
import { loadOnnx } from "../formats/onnx/index.ts";
import type { ReadOptions } from "../formats/onnx/read.ts";
import type { Network } from "../graph/graph.ts";
import type { ImageOptions } from "../models/options.ts";
import { model } from "../models/zoo.ts";

/** Whether `network` is the path of a file: it ends in .onnx or has a slash. Anything else is the name of a model. */
export function isFile(network: string): boolean {
  return network.toLowerCase().endsWith(".onnx") || /[\\/]/.test(network);
}

/**
 * Opens the network that `source` names. A model of the zoo is built for `images`, by default of its usual size, and
 * has no weights.
 * @throws UserError "unknown-name" with the most similar model's name, and what `loadOnnx` throws.
 */
export async function openNetwork(
  source: string,
  images: Partial<ImageOptions> = {},
  options: ReadOptions = {},
): Promise<Network> {
  return isFile(source) ? loadOnnx(source, options) : { graph: model(source, images), weights: new Map() };
}
