/** A network as a command names it: a model of the zoo, or an ONNX file. */
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import type { ImageOptions } from "../models/options.ts";
import { model } from "../models/zoo.ts";

/** What ends in .onnx, or is written as a path, is a file; anything else a model's name. */
export function isFile(network: string): boolean {
  return network.toLowerCase().endsWith(".onnx") || /[\\/]/.test(network);
}

/**
 * The network that `source` names; a model of the zoo is made for `images`, by default those it was made for, and has
 * no weights yet.
 * @throws UserError "unknown-name" with the nearest model, and what reading a file throws.
 */
export async function openNetwork(source: string, images: Partial<ImageOptions> = {}): Promise<Network> {
  return isFile(source) ? loadOnnx(source) : { graph: model(source, images), weights: new Map() };
}
