/** The network of a run as it can be drawn: read from its last file that holds the whole of it, once the run has written one. */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Graph } from "../graph/graph.ts";
import { skeletonOf } from "../report/flow.ts";
import { structureOf } from "../report/structure.ts";
import { checkpointPath, listCheckpoints } from "../training/checkpoints.ts";
import { runFiles } from "../training/run-folder.ts";
import { readRunRecord } from "../training/run-record.ts";
import type { DrawnNetwork } from "./protocol.ts";

async function graphAt(path: string): Promise<Graph | undefined> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere ? (await loadOnnx(path)).graph : undefined;
}

/** Networks in checkpoints are whole, whatever was cut while training. */
async function checkpointGraph(folder: string): Promise<Graph | undefined> {
  for (const step of await listCheckpoints(folder).catch(() => [])) {
    const graph = await graphAt(join(folder, checkpointPath(step), "network.onnx"));
    if (graph !== undefined) return graph;
  }
  return undefined;
}

export class NetworkReader {
  readonly #known = new Map<string, DrawnNetwork>();

  /** Undefined while the run has no network on disk. Throws what reading a damaged file throws. */
  async read(folder: string): Promise<DrawnNetwork | undefined> {
    const known = this.#known.get(folder);
    if (known !== undefined && known.cut !== null) return known;
    const compact = await graphAt(join(folder, runFiles.compact));
    if (known !== undefined && compact === undefined) return known;
    const network = (await graphAt(join(folder, runFiles.network))) ?? (await checkpointGraph(folder));
    if (network === undefined) return undefined;
    const { factors } = await readRunRecord(folder);
    const drawn: DrawnNetwork = {
      skeleton: skeletonOf(network, factors),
      cut: compact === undefined ? null : structureOf(network, compact),
    };
    this.#known.set(folder, drawn);
    return drawn;
  }
}
