/** What pruning did to the time of an image: measured latency before and after, and why it is not less. */
import type { LatencyFigures, LatencyMeasured } from "../training/events/events.ts";
import { budgetSchema } from "../training/settings/pruning.ts";
import { formatMilliseconds, formatPercent, percentOf, plural } from "./format.ts";
import type { History } from "./history.ts";
import { element, type Markup } from "./svg.ts";

/** By how many points the share of the time may exceed the share of the MACs before a remark says so. */
const NOTABLE = 10;

/** `1.34 ms (1.30 ms to 1.41 ms)`: the median, and the quartiles. */
export function latencyRange({ median, lowerQuartile, upperQuartile }: LatencyFigures): string {
  return `${formatMilliseconds(median)} (${formatMilliseconds(lowerQuartile)} to ${formatMilliseconds(upperQuartile)})`;
}

/** For each number of threads: `0.44 ms (…) → 0.24 ms (…), 55.2 %`. */
export function latencyFacts({ batch, threads, before, after, allThreads }: LatencyMeasured): readonly Fact[] {
  const fact = (count: number, was: LatencyFigures, is: LatencyFigures): Fact => [
    `batch ${batch}, ${plural(count, "thread")}`,
    `${latencyRange(was)} → ${latencyRange(is)}, ${formatPercent(percentOf(is.median, was.median))}`,
  ];
  const all = allThreads === undefined ? [] : [fact(allThreads.threads, allThreads.before, allThreads.after)];
  return [fact(threads, before, after), ...all];
}

type Fact = readonly [term: string, value: string];

/** If fewer MACs did not become as much less time: a sentence that says so, and what helps; else undefined. */
export function slownessRemark({
  latency,
  finished,
  started,
}: Pick<History, "latency" | "finished" | "started">): string | undefined {
  if (latency === undefined || finished === undefined) return undefined;
  const time = percentOf(latency.after.median, latency.before.median);
  const macs = percentOf(finished.after.macs, finished.before.macs);
  if (time < macs + NOTABLE) return undefined;
  const budget = budgetSchema.safeParse(started.options["budget"]);
  // Channels then went where they saved time, as the user asked.
  if (budget.data?.of === "latency") return undefined;
  const share = Math.max(10, 10 * Math.round(macs / 10));
  return (
    `${formatPercent(macs)} of the MACs take ${formatPercent(time)} of the time: layers with few channels leave the ` +
    "processor's vectors partly empty. A budget of latency prunes what takes time on this machine: " +
    `--budget ${share}%-latency`
  );
}

/** The measured latency; undefined if it was not measured. */
export function latencyCard(history: History): Markup | undefined {
  const { latency } = history;
  if (latency === undefined) return undefined;
  const left = percentOf(latency.after.median, latency.before.median);
  const remark = slownessRemark(history);
  return element(
    "div",
    { class: "card" },
    element("p", { class: "verdict plain" }, `${formatPercent(left)} of the time`),
    element(
      "p",
      { class: "soft" },
      `Latency in ONNX Runtime, in turns: medians and quartiles of ${latency.before.runs} runs.`,
    ),
    element(
      "dl",
      {},
      latencyFacts(latency).flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
    ),
    remark === undefined ? undefined : element("p", {}, remark),
  );
}
