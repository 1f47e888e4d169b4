/** The lists at the end of the report: settings, data, times, files, engine and environment of the run. */

import type { RunFinished } from "../training/events/events.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatEpochs,
  formatMilliseconds,
  formatQuantity,
  formatSmall,
  plural,
} from "./format.ts";
import type { History } from "./history.ts";
import { ranksFacts } from "./ranks.ts";
import { element, type Markup } from "./svg.ts";

type Facts = readonly (readonly [name: string, value: string])[];

/** `{a: {b: 1}}` → `a.b: 1`, for any options. */
function flatten(value: unknown, path: string): (readonly [string, string])[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value))
    return [[path, value.map((item) => (typeof item === "object" ? JSON.stringify(item) : String(item))).join(", ")]];
  if (typeof value !== "object") return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path === "" ? key : `${path}.${key}`));
}

/** Names of fields as words: `learningRate.peak` → `learning rate peak`. */
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

/** The pruning steps during training, one line each. */
function shrinking({ shrinks }: History): Facts {
  return shrinks.map(({ cut, speed }): readonly [string, string] => {
    const margins = cut.cuts.flatMap(({ margin }) => margin ?? []);
    const parts = [
      plural(cut.cuts.length, "structure"),
      `${formatQuantity(cut.before.macs)} → ${formatQuantity(cut.after.macs)} MACs`,
      ...(margins.length > 0 ? [`lowest margin ${formatSmall(Math.min(...margins))}`] : []),
      `new plans prepared in ${formatMilliseconds(cut.rebuildMilliseconds)}`,
    ];
    if (speed !== undefined) {
      const { before, after } = speed.imagesPerSecond;
      parts.push(`${formatCount(Math.round(before))} → ${formatCount(Math.round(after))} images/s`);
    }
    return [`after epoch ${cut.epoch}`, parts.join(", ")];
  });
}

/** How long the engine waited for data, and the longest time that the event loop was blocked. */
export function freedomOf({ steps, waits, waitedMilliseconds, blockedMilliseconds }: RunFinished): readonly string[] {
  const waited = waits === 0 ? "" : `, ${formatMilliseconds(waitedMilliseconds)} of waiting in total`;
  return [
    `batches ready at ${formatCount(steps - waits)} of ${plural(steps, "step")}${waited}`,
    `event loop blocked for ${formatMilliseconds(blockedMilliseconds)} at most`,
  ];
}

function timing({ epochs, finished, sessions }: History): Facts {
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const facts: (readonly [string, string])[] = [["epochs", `${epochs.length} in ${formatDuration(seconds)}`]];
  if (finished !== undefined) facts.push(["session", formatDuration(finished.seconds)]);
  if (finished !== undefined) facts.push(["waiting", freedomOf(finished).join("; ")]);
  const epochsBlocked = epochs.map(({ blockedMilliseconds }) => formatMilliseconds(blockedMilliseconds));
  if (epochs.length > 0) facts.push(["event loop blocked, by epoch", epochsBlocked.join(", ")]);
  const epochsWaited = epochs.map(({ waitMilliseconds }) => formatMilliseconds(waitMilliseconds));
  if (epochs.length > 0) facts.push(["wait for data, mean of a step, by epoch", epochsWaited.join(", ")]);
  if (sessions > 1) facts.push(["sessions", `${sessions}, each resumed from a checkpoint`]);
  return facts;
}

/** How the pruned network was brought to 8-bit integers; empty if it was not. */
function integers({ int8 }: History): Facts {
  if (int8 === undefined) return [];
  const { path, bytes, epochs, layers, floats, runtime, images, agreeing, latency } = int8;
  const others = floats.map(({ name, op }) => `${name} (${op})`).join(", ");
  return [
    ["file", `${path}, ${formatBytes(bytes)}`],
    ["trained", epochs > 0 ? `simulated in the last ${formatEpochs(epochs)}` : "ranges calibrated only"],
    ["layers on integers", `${layers}${others === "" ? "" : `; on floats: ${others}`}`],
    ["same answers as floats", `${formatCount(agreeing)} of ${formatCount(images)} in ${runtime}`],
    ...(latency === null
      ? []
      : [
          [
            "one image, one thread",
            `${formatMilliseconds(latency.integers.median)}, on floats ${formatMilliseconds(latency.floats.median)}`,
          ] as const,
        ]),
  ];
}

/** All lists. */
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
    list("Pruned while training", shrinking(history)),
    list("Files", files),
    list("8-bit integers", integers(history)),
    list("Engine", Object.entries(started.engine)),
    list("Made with", Object.entries(started.environment)),
  );
}
