/**
 * The cost of training on several ranks: sums that did not overlap with the backward pass, and waits for slow ranks.
 */
import type { Communicated } from "../training/events/events.ts";
import { formatBytes, formatDuration, formatMilliseconds, formatPercent, percentOf, plural } from "./format.ts";

/** The fields of an epoch's event that are used here. */
export type EpochOfRanks = Pick<
  Communicated,
  "epoch" | "ranks" | "bytes" | "underWayMilliseconds" | "exposedMilliseconds" | "stepMilliseconds" | "slowest"
>;

/** A rank that other ranks waited for. */
export interface WaitedFor {
  readonly rank: number;
  readonly host: string;
  readonly milliseconds: number;
  /** Number of epochs in which it was the slowest. */
  readonly epochs: number;
}

/** Percent of a step in which the ranks only waited for sums. */
export function exposedPercent({ exposedMilliseconds, stepMilliseconds }: EpochOfRanks): number {
  return stepMilliseconds === 0 ? 0 : percentOf(exposedMilliseconds, stepMilliseconds);
}

/** Percent of the epoch in which the other ranks waited for the slowest one. */
export function slowPercent({ slowest }: EpochOfRanks): number {
  return 100 * slowest.share;
}

function mean(epochs: readonly EpochOfRanks[], of: (epoch: EpochOfRanks) => number): number {
  return epochs.reduce((sum, epoch) => sum + of(epoch), 0) / Math.max(1, epochs.length);
}

/** `2 ranks`, or `2 to 4 ranks` if the run was resumed with another number. */
export function ranksWords(epochs: readonly EpochOfRanks[]): string {
  const counts = epochs.map(({ ranks }) => ranks);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most ? plural(most, "rank") : `${fewest} to ${plural(most, "rank")}`;
}

/** `1.50 ms of a step (1.7 %) not hidden behind the backward pass, of 12.0 ms in all`: means over the epochs. */
export function exposedWords(epochs: readonly EpochOfRanks[]): string {
  const exposed = formatMilliseconds(mean(epochs, ({ exposedMilliseconds }) => exposedMilliseconds));
  const underWay = formatMilliseconds(mean(epochs, ({ underWayMilliseconds }) => underWayMilliseconds));
  const share = formatPercent(mean(epochs, exposedPercent));
  return `${exposed} of a step (${share}) not hidden behind the backward pass, of ${underWay} in all`;
}

/**
 * The ranks that others waited for, the longest wait first. Each epoch counts for its slowest rank.
 */
export function waitedFor(epochs: readonly EpochOfRanks[]): readonly WaitedFor[] {
  const byRank = new Map<string, WaitedFor>();
  for (const { slowest } of epochs) {
    const { rank, host, waitedMilliseconds } = slowest;
    const before = byRank.get(`${rank} ${host}`);
    byRank.set(`${rank} ${host}`, {
      ...{ rank, host, epochs: (before?.epochs ?? 0) + 1 },
      milliseconds: (before?.milliseconds ?? 0) + waitedMilliseconds,
    });
  }
  return [...byRank.values()].toSorted((a, b) => b.milliseconds - a.milliseconds);
}

/** `119 ms`, `24 s`. */
export function waitWords(milliseconds: number): string {
  return milliseconds < 1000 ? formatMilliseconds(milliseconds) : formatDuration(milliseconds / 1000);
}

export function waitedWords({ rank, host, milliseconds, epochs }: WaitedFor): string {
  return `${waitWords(milliseconds)} for rank ${rank} on ${host}, last in ${plural(epochs, "epoch")}`;
}

/** Lines of the report, by name. */
export function ranksFacts(epochs: readonly EpochOfRanks[]): readonly (readonly [name: string, value: string])[] {
  const last = epochs.at(-1);
  if (last === undefined) return [];
  const byEpoch = epochs.map((one) => `${formatMilliseconds(one.exposedMilliseconds)}`);
  return [
    ["trained on", `${ranksWords(epochs)}, ${formatBytes(last.bytes)} a step and rank summed`],
    ["waiting for all-reduces", exposedWords(epochs)],
    ["not hidden, of a step, by epoch", byEpoch.join(", ")],
    ["others waited", waitedFor(epochs).map(waitedWords).join("; ")],
  ];
}
