/** The latency table of a run: read from the file that the settings name, or measured on this machine. */
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { UserError } from "../../core/errors.ts";
import { knownLatencyTable } from "../../evaluation/known-latency-table.ts";
import type { LatencyTableOptions } from "../../evaluation/latency-table.ts";
import { readBytes, writeBytes } from "../../formats/file.ts";
import type { Graph } from "../../graph/graph.ts";
import { predictorOf } from "../../latency/predict.ts";
import { formatLatencyTable, type LatencyTable, parseLatencyTable } from "../../latency/table.ts";
import type { Settings } from "../settings/settings.ts";

type LatencySettings = Partial<Pick<Settings, "budget" | "gammaBy" | "latencyTable">>;

/** Whether settings ask for a cost in milliseconds. */
export function needsLatency({ budget, gammaBy, latencyTable }: LatencySettings): boolean {
  return budget?.of === "latency" || gammaBy === "latency" || latencyTable !== undefined;
}

/**
 * The latency table for `graph`; undefined if `settings` need none. Without a file the layers are timed on this
 * machine, and the result is kept for later runs.
 * @throws UserError "missing-file", "bad-file", "bad-option" if the file lacks layers of `graph` or gives them no time,
 * and the errors of `measureLatencyTable`.
 */
export async function latencyTableFor(
  graph: Graph,
  settings: LatencySettings,
  options: LatencyTableOptions = {},
): Promise<LatencyTable | undefined> {
  if (!needsLatency(settings)) return undefined;
  const { latencyTable: file } = settings;
  if (file === undefined) {
    try {
      return await knownLatencyTable(kernelCacheFolder(), graph, options);
    } catch (error) {
      if (!(error instanceof UserError) || error.code !== "engine-missing") throw error;
      const { hint } = error.details;
      throw new UserError("engine-missing", "a budget of latency needs ONNX Runtime, or a table of another device", {
        hint: `${hint}; or give --latency-table table.json`,
        cause: error,
      });
    }
  }
  const table = await readLatencyTable(file);
  const predictor = predictorOf(table);
  predictor.requireLayers(graph, file);
  if (predictor.run(graph) > 0) return table;
  throw new UserError("bad-option", "by the latency table this network takes no time", {
    about: file,
    hint: `Measure ${graph.name} itself: espalier measure <model> --out table.json`,
  });
}

/** Reads the table in `file`. @throws UserError "missing-file" or "bad-file". */
export async function readLatencyTable(file: string): Promise<LatencyTable> {
  return parseLatencyTable(new TextDecoder().decode(await readBytes(file)), file);
}

/** Writes `table` to `file`, atomically. @throws the errors of `writeBytes`. */
export async function saveLatencyTable(file: string, table: LatencyTable): Promise<void> {
  await writeBytes(file, new TextEncoder().encode(formatLatencyTable(table)));
}
