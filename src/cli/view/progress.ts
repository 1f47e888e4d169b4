/** The lines redrawn while an epoch goes on. */
import { formatDuration, formatPercent, formatQuantity, percentOf } from "../../report/format.ts";
import type { RunStarted, Step } from "../../training/events.ts";
import { fitParts, type Terminal } from "../terminal.ts";

/** Eighths of a character cell, so that the bar moves smoothly. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const;

/** A bar of `width` columns, filled to `share` (0 … 1). */
export function bar(share: number, width: number): { readonly filled: string; readonly empty: string } {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const filled = "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
  return { filled, empty: " ".repeat(Math.max(0, width - filled.length)) };
}

/** What a step says in words, most important first. */
export function stepParts(step: Step, started: RunStarted): readonly string[] {
  const { alive, count } = step.structures;
  return [
    `loss ${step.loss.toFixed(3)}`,
    ...(count === 0
      ? []
      : [
          `${alive}/${count} structures alive`,
          `${formatPercent(percentOf(step.macs, started.cost.macs))} of the MACs left`,
        ]),
    `${formatQuantity(step.imagesPerSecond)} images/s`,
  ];
}

/** Two lines: how far the epoch and the run are, and how the network is. */
export function progressLines(
  step: Step,
  started: RunStarted,
  lastAccuracy: number | undefined,
  terminal: Terminal,
): string {
  const { colours } = terminal;
  const width = terminal.width() - 1;
  const perEpoch = Math.max(1, started.stepsPerEpoch);
  const inEpoch = (step.step - 1) % perEpoch;
  const share = step.step === 0 ? 0 : (inEpoch + 1) / perEpoch;
  const { filled, empty } = bar(share, Math.max(8, Math.min(30, width - 50)));
  const first = fitParts(
    [
      `  epoch ${colours.bold(`${step.epoch}/${started.epochs}`)}`,
      `${colours.green(filled)}${colours.bgBlackBright(empty)} ${String(Math.floor(share * 100)).padStart(3)} %`,
      colours.dim(`${formatDuration(step.etaSeconds)} to go`),
    ],
    width,
  );
  const accuracy = lastAccuracy === undefined ? [] : [`accuracy ${colours.bold(formatPercent(lastAccuracy))}`];
  const second = fitParts(["", ...accuracy, ...stepParts(step, started)], width, colours.dim(" · ")).replace(" · ", "");
  return `${first}\n ${second}`;
}
