/** ONNX files on disk: the one format of a network, graph and weights together. */
import type { Network } from "../../graph/graph.ts";
import { readBytes, writeBytes } from "../file.ts";
import { FolderData } from "./external.ts";
import { readOnnx } from "./read.ts";
import { type WriteOptions, writeOnnx } from "./write.ts";

/** Writes `network` to `path`, atomically; errors as of `writeOnnx` and `writeBytes`. */
export async function saveOnnx(network: Network, path: string, options: WriteOptions = {}): Promise<void> {
  await writeBytes(path, writeOnnx(network, options));
}

/** Reads the network at `path`; errors as of `readOnnx` and `readBytes`. */
export async function loadOnnx(path: string): Promise<Network> {
  const data = new FolderData(path);
  try {
    return readOnnx(await readBytes(path), path, data);
  } finally {
    data.close();
  }
}
