/** Measures the latency table of a network for a command, with a status line. */
import { type LatencyTableOptions, measureLatencyTable } from "../evaluation/latency-table.ts";
import type { Graph } from "../graph/graph.ts";
import type { LatencyTable } from "../latency/table.ts";
import type { Settings } from "../training/settings/settings.ts";
import { latencyTableFor } from "../training/start/latency-table.ts";
import type { Context } from "./context.ts";
import { type ShowStatus, withStatusLine } from "./view/status-line.ts";

function showVariants(show: ShowStatus): NonNullable<LatencyTableOptions["onVariant"]> {
  return (index, count, attempt) => {
    const again = attempt === 1 ? "" : `, attempt ${attempt}: the machine was busy`;
    show(`timing ${attempt}`, `timing layers in ONNX Runtime: network ${index + 1} of ${count}${again}`);
  };
}

/** A new table of `graph` on this machine. Throws the errors of `measureLatencyTable`. */
export async function measureShown(
  context: Context,
  graph: Graph,
  options: Omit<LatencyTableOptions, "onVariant">,
): Promise<LatencyTable> {
  return withStatusLine(context, (show) => measureLatencyTable(graph, { ...options, onVariant: showVariants(show) }));
}

/** The table that `settings` ask for; undefined if they ask for none. Throws the errors of `latencyTableFor`. */
export async function tableShown(
  context: Context,
  graph: Graph,
  settings: Partial<Pick<Settings, "budget" | "gammaBy" | "latencyTable">>,
): Promise<LatencyTable | undefined> {
  return withStatusLine(context, (show) => latencyTableFor(graph, settings, { onVariant: showVariants(show) }));
}
