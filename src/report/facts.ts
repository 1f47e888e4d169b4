/** The foot of the report: everything needed to tell this run from another, as plain lists. */

import type { RunFinished } from "../training/events.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatMilliseconds,
  formatQuantity,
  formatSmall,
  plural,
} from "./format.ts";
import type { History } from "./history.ts";
import { ranksFacts } from "./ranks.ts";
import { element, type Markup } from "./svg.ts";

type Facts = readonly (readonly [name: string, value: string])[];

/** `{a: {b: 1}}` → `a.b: 1`; the options are shown as they were given, whatever they are. */
function flatten(value: unknown, path: string): (readonly [string, string])[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value))
    return [[path, value.map((item) => (typeof item === "object" ? JSON.stringify(item) : String(item))).join(", ")]];
  if (typeof value !== "object") return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path === "" ? key : `${path}.${key}`));
}

/** Names as the sources spell them, in words: `learningRate.peak` → `learning rate peak`. */
function words(name: string): string {
  return name
    .replace(/[._]/g, " ")
    .replace(/([a-z])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);
}

function list(title: string, facts: Facts): Markup | undefined {
  if (facts.length === 0) return undefined;
  const entries = facts.map(([name, value]) => [element("dt", {}, words(name)), element("dd", {}, value)]);
  return element("div", {}, element("h3", {}, title), element("dl", {}, entries));
}

/** What was cut while training went on, a line a cut. */
function shrinking({ shrinks }: History): Facts {
  return shrinks.map(({ cut, speed }): readonly [string, string] => {
    const margins = cut.cuts.flatMap(({ margin }) => margin ?? []);
    const parts = [
      plural(cut.cuts.length, "structure"),
      `${formatQuantity(cut.before.macs)} → ${formatQuantity(cut.after.macs)} MACs`,
      ...(margins.length > 0 ? [`lowest margin ${formatSmall(Math.min(...margins))}`] : []),
      `smaller plans in ${formatMilliseconds(cut.rebuildMilliseconds)}`,
    ];
    if (speed !== undefined) {
      const { before, after } = speed.imagesPerSecond;
      parts.push(`${formatCount(Math.round(before))} → ${formatCount(Math.round(after))} images/s`);
    }
    return [`after epoch ${cut.epoch}`, parts.join(", ")];
  });
}

/** Whether the engine had to wait for its data, and everything else for the engine. */
export function freedomOf({ steps, waits, waitedMilliseconds, blockedMilliseconds }: RunFinished): readonly string[] {
  const waited = waits === 0 ? "" : `, ${formatMilliseconds(waitedMilliseconds)} waited in all`;
  return [
    `batches ready at ${formatCount(steps - waits)} of ${plural(steps, "step")}${waited}`,
    `event loop held up for ${formatMilliseconds(blockedMilliseconds)} at most`,
  ];
}

function timing({ epochs, finished, latency, sessions }: History): Facts {
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const facts: (readonly [string, string])[] = [["epochs", `${epochs.length} in ${formatDuration(seconds)}`]];
  if (finished !== undefined) facts.push(["session", formatDuration(finished.seconds)]);
  if (finished !== undefined) facts.push(["free for other things", freedomOf(finished).join("; ")]);
  const epochsHeld = epochs.map(({ blockedMilliseconds }) => formatMilliseconds(blockedMilliseconds));
  if (epochs.length > 0) facts.push(["event loop held up, by epoch", epochsHeld.join(", ")]);
  const epochsWaited = epochs.map(({ waitMilliseconds }) => formatMilliseconds(waitMilliseconds));
  if (epochs.length > 0) facts.push(["wait for data, mean of a step, by epoch", epochsWaited.join(", ")]);
  if (sessions > 1) facts.push(["sessions", `${sessions}, resumed from checkpoints`]);
  if (latency !== undefined) {
    const { batch, threads, before, after } = latency;
    const range = ({ lowerQuartile, median, upperQuartile }: typeof before): string =>
      `${formatMilliseconds(median)} (${formatMilliseconds(lowerQuartile)} to ${formatMilliseconds(upperQuartile)})`;
    facts.push(["latency before", range(before)], ["latency after", range(after)]);
    facts.push(["latency of", `batch ${batch}, ${plural(threads, "thread")}, median of ${before.runs} runs`]);
  }
  return facts;
}

/** What the run was made with. */
export function factLists(history: History): Markup {
  const { started, exported } = history;
  const { name, classes, trainImages, testImages } = started.dataset;
  const data: Facts = [
    ["name", name],
    ["classes", String(classes)],
    ["images", `${plural(trainImages, "training image")}, ${plural(testImages, "test image")}`],
  ];
  const files: Facts = (exported?.files ?? []).map(({ role, path, bytes }) => [role, `${path}, ${formatBytes(bytes)}`]);
  return element(
    "div",
    { class: "facts" },
    list("Options", flatten(started.options, "")),
    list("Data", data),
    list("Time", timing(history)),
    list("Several ranks", ranksFacts(history.communications)),
    list("Cut while training", shrinking(history)),
    list("Files", files),
    list("Engine", Object.entries(started.engine)),
    list("Made with", Object.entries(started.environment)),
  );
}
