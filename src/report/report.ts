/** Writes `report.html` of a run folder from what the run left there: its events and its two networks. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { fileError } from "../data/files.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import type { Graph } from "../graph/graph.ts";
import { readEvents } from "../training/event-log.ts";
import { runFiles } from "../training/run-folder.ts";
import { historyOf } from "./history.ts";
import { reportPage } from "./page.ts";
import { structureOf } from "./structure.ts";

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function graphOf(path: string): Promise<Graph> {
  return readOnnx(await readFile(path), path).graph;
}

/**
 * Writes the report of the run in `folder` and returns its path. A run that has not finished gets a report without the
 * table and without the picture of the network.
 * @throws UserError "missing-file" if `folder` is no run, "bad-file" if its events or networks are damaged.
 */
export async function writeReport(folder: string): Promise<string> {
  const history = historyOf(await readEvents(folder));
  const network = join(folder, runFiles.network);
  const compact = join(folder, runFiles.compact);
  const isCut = (await exists(network)) && (await exists(compact));
  const structure = isCut ? structureOf(await graphOf(network), await graphOf(compact)) : undefined;
  const path = join(folder, runFiles.report);
  try {
    await writeFileAtomic(path, reportPage(history, structure));
  } catch (error) {
    throw fileError(error, path);
  }
  return path;
}
