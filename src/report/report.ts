/** Writes `report.html` into a run's folder, from its events and its two networks. */

import { access } from "node:fs/promises";
import { join } from "node:path";
import { requireArguments } from "../core/arguments.ts";
import { writeBytes } from "../formats/file.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import { factorsOf } from "../selection/factors.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { viewOfCut } from "./cut-view.ts";
import { historyOf } from "./history.ts";
import { skeletonOf } from "./network-skeleton.ts";
import { reportPage } from "./page.ts";
import type { StructureView } from "./structure.ts";

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function cutOf(network: Network, compact: Network): StructureView {
  const factors = factorsOf(network.graph);
  return viewOfCut(network, compact.graph, factors, skeletonOf(network.graph, factors));
}

/**
 * Writes the report of the run in `folder` and returns its path. The report of an unfinished run has no table and no
 * picture of the network.
 * @throws UserError "missing-file" if `folder` is not a run, "bad-file" if its events or networks are damaged.
 */
export async function writeReport(folder: string): Promise<string> {
  requireArguments("writeReport", { folder: [folder, "text"] });
  const history = historyOf(await readEvents(folder));
  const network = join(folder, runFiles.network);
  const compact = join(folder, runFiles.compact);
  const isCut = (await exists(network)) && (await exists(compact));
  const structure = isCut ? cutOf(await loadOnnx(network), await loadOnnx(compact)) : undefined;
  const path = join(folder, runFiles.report);
  await writeBytes(path, new TextEncoder().encode(reportPage(history, structure)));
  return path;
}
