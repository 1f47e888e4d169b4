/** The latency of both networks in ONNX Runtime, and whether it is what a budget of latency asked for. */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { required } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { thisProcessor } from "../../core/processor.ts";
import { measureLatencyAside } from "../../evaluation/runtime-thread.ts";
import { networkFile, withoutCarried } from "../../formats/onnx/carried/network-file.ts";
import type { Network } from "../../graph/graph.ts";
import { networkCost } from "../../latency/predict.ts";
import { budgetShare } from "../../selection/budget.ts";
import type { LatencyMeasured } from "../events/events.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import type { Session } from "../session/session.ts";
import { latencyFigures } from "./figures.ts";

/** Median milliseconds of one image on one thread. */
export interface MeasuredLatencies {
  readonly before: number;
  readonly after: number;
}

type LatencyOfBoth = Required<LatencyMeasured>["allThreads"];

/**
 * Measures `network`, the trained one, and the compact one in `compactFile`: on one thread, and for the event also on
 * all cores. The trained network is timed with its factors multiplied into its weights: as separate nodes they would
 * make it slower, and the comparison unfair.
 */
export async function measureLatencies(
  { background }: Session,
  { emitter }: RunWriter,
  network: Network,
  compactFile: string,
): Promise<MeasuredLatencies> {
  const temporary = await mkdtemp(join(tmpdir(), "espalier-latency-"));
  try {
    const plainFile = join(temporary, runFiles.network);
    const alone = { graph: withoutCarried(network.graph), weights: network.weights };
    await background.call("saveNetwork", { network: alone, path: plainFile, isBaked: true });
    const compact = await networkFile(compactFile, network.graph);
    const measure = async (threads: number): Promise<LatencyOfBoth> => {
      const [before, after] = await measureLatencyAside([plainFile, compact.path], { threads });
      return {
        threads,
        before: latencyFigures(required(before, "before")),
        after: latencyFigures(required(after, "after")),
      };
    };
    try {
      const cores = availableParallelism();
      const one = await measure(1);
      const allThreads = cores > 1 ? await measure(cores) : undefined;
      emitter.emit({ type: "latency", batch: 1, ...one, ...optional({ allThreads }) });
      return { before: one.before.median, after: one.after.median };
    } finally {
      await compact.dispose();
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** How far the measured latency may be from the budget, as a share of the full network's latency. */
const LATENCY_TOLERANCE = 0.05;

/** Warns if the run has a budget of latency for this machine, and the measured latency misses it. */
export function warnIfLatencyMissed(
  { settings: { budget }, graph, latencyTable }: Session,
  { emitter }: RunWriter,
  { before, after }: MeasuredLatencies,
): void {
  if (budget?.of !== "latency" || latencyTable === undefined) return;
  const { device, provider, threads, batch } = latencyTable;
  if (device !== thisProcessor().model || provider !== "cpu" || threads !== 1 || batch !== 1) return;
  const share = budgetShare(budget, networkCost(graph, latencyTable));
  const measured = after / before;
  if (measured <= share + LATENCY_TOLERANCE) return;
  const [is, was] = [measured, share].map((part) => `${(100 * part).toFixed(1)} %`);
  emitter.emit({
    type: "warning",
    reason: "latency-missed",
    message: `The measured latency is ${is} of the full network's, and the budget is ${was}`,
    hint:
      "The prediction was wrong, or the machine was busy while it measured. Measure again with " +
      "espalier bench --against, and give a smaller budget if the result is the same",
  });
}
