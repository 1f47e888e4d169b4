/** Loads and saves ONNX files, the one format that holds graph and weights together. */
import { requireArguments } from "../../core/arguments.ts";
import type { Network } from "../../graph/graph.ts";
import { readBytes, writeBytes } from "../file.ts";
import { FolderData } from "./external.ts";
import { readOnnx } from "./read.ts";
import { type WriteOptions, writeOnnx } from "./write.ts";

/** Writes `network` to `path` atomically. Throws as `writeOnnx` and `writeBytes` do. */
export async function saveOnnx(network: Network, path: string, options: WriteOptions = {}): Promise<void> {
  requireArguments("saveOnnx", { network: [network, "network"], path: [path, "text"], options: [options, "object"] });
  await writeBytes(path, writeOnnx(network, options));
}

/** Reads the network at `path`. Throws as `readOnnx` and `readBytes` do. */
export async function loadOnnx(path: string): Promise<Network> {
  requireArguments("loadOnnx", { path: [path, "text"] });
  const data = new FolderData(path);
  try {
    return readOnnx(await readBytes(path), path, data);
  } finally {
    data.close();
  }
}
