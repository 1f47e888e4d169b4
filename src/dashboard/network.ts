/** Reads the network of a run from the latest file that contains all of it, and prepares it for drawing. */
import { join } from "node:path";
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import { viewOfCut } from "../report/cut-view.ts";
import { skeletonOf } from "../report/network-skeleton.ts";
import { checkpointPath, listCheckpoints } from "../training/run-folder/checkpoint-files.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { type RunRecord, readRunRecord } from "../training/run-folder/run-record.ts";
import type { DrawnNetwork } from "./protocol.ts";
import { within } from "./safe-path.ts";

async function networkAt(folder: string, file: string): Promise<Network | undefined> {
  const path = await within(folder, file, "file");
  return path === undefined ? undefined : loadOnnx(path);
}

/** Reads `run.json` in `folder`; undefined if the folder has none of its own. Throws what `readRunRecord` throws. */
export async function recordIn(folder: string): Promise<RunRecord | undefined> {
  return (await within(folder, runFiles.record, "file")) === undefined ? undefined : readRunRecord(folder);
}

/** The network of the latest checkpoint. It has its full size, even if structures were pruned during training. */
async function checkpointNetwork(folder: string): Promise<Network | undefined> {
  for (const step of await listCheckpoints(folder).catch(() => [])) {
    const network = await networkAt(folder, join(checkpointPath(step), "network.onnx"));
    if (network !== undefined) return network;
  }
  return undefined;
}

/** The network of a run at its full size; undefined if the run has not written it yet. Throws if a file is damaged. */
export async function wholeNetwork(folder: string): Promise<Network | undefined> {
  return (await networkAt(folder, runFiles.network)) ?? (await checkpointNetwork(folder));
}

export class NetworkReader {
  readonly #known = new Map<string, DrawnNetwork>();

  /** Undefined if the run has not written a network yet. Throws if a file is damaged. */
  async read(folder: string): Promise<DrawnNetwork | undefined> {
    const known = this.#known.get(folder);
    if (known !== undefined && known.cut !== null) return known;
    const compact = await networkAt(folder, runFiles.compact);
    if (known !== undefined && compact === undefined) return known;
    const network = await wholeNetwork(folder);
    const record = network === undefined ? undefined : await recordIn(folder);
    if (network === undefined || record === undefined) return undefined;
    const { factors } = record;
    const skeleton = skeletonOf(network.graph, factors);
    const cut = compact === undefined ? null : viewOfCut(network, compact.graph, factors, skeleton);
    const drawn: DrawnNetwork = { skeleton, cut };
    this.#known.set(folder, drawn);
    return drawn;
  }
}
