/**
 * Finds how long ONNX Runtime takes for each layer of a network. The runtime fuses nodes and adds its own, such as
 * copies into other layouts. The optimized file that it writes says which nodes it runs, and its profile how long each
 * takes. The time of a node that it added belongs to the layer whose value the node reads or writes.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { required } from "../core/errors.ts";
import { decodeModel, type ModelMessage } from "../formats/onnx/proto.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { type TimedLayer, timedLayers } from "../latency/timed-layers.ts";
import { loadSession, runSession } from "./onnx-runtime.ts";
import { randomFeeds } from "./random-feeds.ts";
import { nodesOfProfile, type ProfiledNode } from "./runtime-profile.ts";

export interface TraceOptions {
  readonly threads: number;
  readonly batch: number;
  /** Runs whose median counts. */
  readonly runs: number;
}

/** A layer with its time. */
export interface TracedLayer extends TimedLayer {
  /** Of the nodes that the runtime computes it with. */
  readonly milliseconds: number;
  /** How many nodes these are. */
  readonly nodes: number;
}

export interface Trace {
  readonly layers: readonly TracedLayer[];
  /** The file as the runtime optimized it. */
  readonly optimized: ModelMessage;
}

const OPTIMIZED = "optimized.onnx";

/** Runs `network` on random inputs. Throws the errors of `loadSession`. */
export async function traceNetwork(network: Network, { threads, batch, runs }: TraceOptions): Promise<Trace> {
  const { name } = network.graph;
  const folder = await mkdtemp(join(tmpdir(), "espalier-trace-"));
  try {
    const optimizedFile = join(folder, OPTIMIZED);
    const session = await loadSession(writeOnnx(network), name, {
      ...{ threads, optimizedFile, profile: join(folder, "profile") },
    });
    try {
      const feeds = randomFeeds(session, name, { batch });
      for (let run = 0; run <= runs; run++) await runSession(session, feeds, name);
      session.endProfiling();
    } finally {
      await session.release();
    }
    const profile = (await readdir(folder)).find((file) => file !== OPTIMIZED) ?? "";
    const nodes = nodesOfProfile(JSON.parse(await readFile(join(folder, profile), "utf8")), runs);
    const optimized = decodeModel(await readFile(optimizedFile), name);
    return { layers: layersOf(network.graph, nodes, optimized), optimized };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function layersOf(graph: Graph, nodes: readonly ProfiledNode[], optimized: ModelMessage): readonly TracedLayer[] {
  const layers = timedLayers(graph);
  const layerOfNode = new Map(layers.flatMap((layer, index) => layer.members.map((name) => [name, index] as const)));
  const layerOfValue = new Map(
    graph.nodes.flatMap(({ name, outputs }) => {
      const layer = layerOfNode.get(name);
      return layer === undefined ? [] : outputs.map((output) => [output, layer] as const);
    }),
  );
  const nodesByName = new Map((optimized.graph?.node ?? []).map((node) => [node.name, node] as const));
  const traced = layers.map((layer) => ({ ...layer, milliseconds: 0, nodes: 0 }));
  let last = 0;
  for (const { name, median } of nodes) {
    const node = nodesByName.get(name);
    const ofOutput = node?.output?.map((output) => layerOfValue.get(output)).find((layer) => layer !== undefined);
    const ofInput = node?.input?.map((input) => layerOfValue.get(input)).find((layer) => layer !== undefined);
    const layer = layerOfNode.get(ownName(name)) ?? ofOutput ?? ofInput ?? last;
    for (const output of node?.output ?? []) if (!layerOfValue.has(output)) layerOfValue.set(output, layer);
    const own = required(traced[layer], "a layer of the network");
    own.milliseconds += median;
    own.nodes++;
    last = layer;
  }
  return traced;
}

/** The name of the node in the file of which the runtime made the node `name`. */
function ownName(name: string): string {
  return name.replace(/_nchwc$/, "").replace(/_token_\d+$/, "");
}
