/**
 * The network of a file without what is carried around it, as a file of its own: for runtimes, which would run all of
 * a file from its own inputs to its own outputs.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Graph, Network } from "../../../graph/graph.ts";
import { writeBytes } from "../../file.ts";
import { loadOnnx } from "../index.ts";
import { writeOnnx } from "../write.ts";

export interface NetworkFile {
  readonly path: string;
  dispose(): Promise<void>;
}

/** `graph` without the parts of its file that are not read. */
export function withoutCarried(graph: Graph): Graph {
  if (graph.header?.carried === undefined) return graph;
  const { carried: _, ...header } = graph.header;
  return { ...graph, header };
}

/** `graph` without the nodes behind the network: its file then gives the network's outputs. */
export function endingAtNetwork(graph: Graph): Graph {
  const { carried } = graph.header ?? {};
  if (carried === undefined || carried.before.length === 0) return withoutCarried(graph);
  return { ...graph, header: { ...graph.header, carried: { ...carried, behind: [], outputs: [] } } };
}

/** The file at `path`, which was read as `graph`, or a temporary file with its network alone. */
export async function networkFile(path: string, graph: Graph): Promise<NetworkFile> {
  if (graph.header?.carried === undefined) return { path, dispose: async () => {} };
  const { outputs } = graph;
  const read: Network = await loadOnnx(path, { outputs });
  const folder = await mkdtemp(join(tmpdir(), "espalier-network-"));
  const own = join(folder, "network.onnx");
  await writeBytes(own, writeOnnx({ graph: withoutCarried(read.graph), weights: read.weights }));
  return { path: own, dispose: () => rm(folder, { recursive: true, force: true }) };
}
