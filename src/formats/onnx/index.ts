/** Loads and saves ONNX files, the one format that holds graph and weights together. */
import { basename } from "node:path";
import { requireArguments } from "../../core/arguments.ts";
import type { Network } from "../../graph/graph.ts";
import { readBytes, writeBytes } from "../file.ts";
import { FolderData } from "./external.ts";
import { opsetOf } from "./header.ts";
import { isQuantizedOp } from "./ops/quantize.ts";
import { decodeModel } from "./proto.ts";
import { type QuantizedFacts, quantizedFacts } from "./quantized-facts.ts";
import { type ReadOptions, readOnnx } from "./read.ts";
import { type WriteOptions, writeOnnx } from "./write.ts";

/** Writes `network` to `path` atomically. Throws as `writeOnnx` and `writeBytes` do. */
export async function saveOnnx(network: Network, path: string, options: WriteOptions = {}): Promise<void> {
  requireArguments("saveOnnx", { network: [network, "network"], path: [path, "text"], options: [options, "object"] });
  await writeBytes(path, writeOnnx(network, options));
}

/** Reads the network at `path`. Throws as `readOnnx` and `readBytes` do. */
export async function loadOnnx(path: string, options: ReadOptions = {}): Promise<Network> {
  requireArguments("loadOnnx", { path: [path, "text"], options: [options, "object"] });
  requireArguments("loadOnnx", {
    "options.outputs": [options.outputs, "texts?"],
    "options.size": [options.size, "number or pair?"],
  });
  const data = new FolderData(path);
  try {
    return readOnnx(await readBytes(path), path, data, options);
  } finally {
    data.close();
  }
}

/** A file as it is, quantised or not. */
export interface OnnxFile {
  /** Of a quantised file: its weights as floats, its activations clipped and not rounded. */
  readonly network: Network;
  /** The opset that the file declares. */
  readonly opset: number;
  /** Undefined if nothing in the file is quantised. */
  readonly quantized: QuantizedFacts | undefined;
}

/**
 * Reads the file at `path` for training: of a quantised file, its weights as floats and its activations clipped, and a
 * notice that says so. Throws as `loadOnnx` does.
 */
export async function loadForTraining(
  path: string,
  options: ReadOptions = {},
): Promise<{ readonly network: Network; readonly notice?: string }> {
  const bytes = await readBytes(path);
  const data = new FolderData(path);
  try {
    const network = readOnnx(bytes, path, data, { ...options, quantized: true });
    const { graph } = decodeModel(bytes, path);
    const isQuantized = (graph?.node ?? []).some(({ opType }) => isQuantizedOp(opType ?? ""));
    const notice = `${basename(path)} is quantised: it is trained as floats, within the ranges of its integers`;
    return isQuantized ? { network, notice } : { network };
  } finally {
    data.close();
  }
}

/** Reads the file at `path`, also if it is quantised. Throws as `loadOnnx` does. */
export async function openOnnx(path: string, options: ReadOptions = {}): Promise<OnnxFile> {
  const bytes = await readBytes(path);
  const data = new FolderData(path);
  try {
    const network = readOnnx(bytes, path, data, { ...options, quantized: true });
    const model = decodeModel(bytes, path);
    return { network, opset: opsetOf(model, path), quantized: quantizedFacts(model, path, data) };
  } finally {
    data.close();
  }
}
