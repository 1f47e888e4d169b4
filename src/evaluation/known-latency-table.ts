/** Keeps latency tables, so that each network is measured once on a machine. */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { writeBytes } from "../formats/file.ts";
import type { Graph } from "../graph/graph.ts";
import { formatLatencyTable, type LatencyTable, parseLatencyTable } from "../latency/table.ts";
import { timedLayers } from "../latency/timed-layers.ts";
import { type LatencyTableOptions, measureLatencyTable } from "./latency-table.ts";
import { onnxRuntimeVersion } from "./runtime-library.ts";

/**
 * Raise it if tables are measured in another way: older ones are measured again.
 */
const MEASUREMENT = 5;

/** The table of `graph` on this machine from `folder`, or else a new one, which is kept there. */
export async function knownLatencyTable(
  folder: string,
  graph: Graph,
  options: LatencyTableOptions = {},
): Promise<LatencyTable> {
  const { threads = 1, batch = 1 } = options;
  const layers = timedLayers(graph).map(({ key, outputs, inputs }) => [key, outputs, inputs]);
  const identity = [MEASUREMENT, onnxRuntimeVersion(), cpus()[0]?.model, threads, batch, layers];
  const hash = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 16);
  const path = join(folder, `latency-${hash}.json`);
  const known = await readFile(path, "utf8").then(
    (text) => readable(text, path),
    () => undefined,
  );
  if (known !== undefined) return known;
  const table = await measureLatencyTable(graph, options);
  await mkdir(folder, { recursive: true });
  await writeBytes(path, new TextEncoder().encode(formatLatencyTable(table)));
  return table;
}

/** The kept table; undefined if its file is damaged. */
function readable(text: string, path: string): LatencyTable | undefined {
  try {
    return parseLatencyTable(text, path);
  } catch {
    return undefined;
  }
}
