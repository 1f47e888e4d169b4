/** The lines that are redrawn during an epoch. */
import { formatDuration, formatMilliseconds, formatPercent, formatQuantity, percentOf } from "../../report/format.ts";
import type { RunStarted, Step } from "../../training/events/events.ts";
import { fitParts, type Terminal } from "../terminal.ts";

/** A progress bar of `width` columns. Its part `share` (0 … 1) is thick, so that it is readable without colours. */
export function bar(share: number, width: number): { readonly filled: string; readonly empty: string } {
  const halves = Math.round(Math.min(1, Math.max(0, share)) * width * 2);
  const filled = "━".repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? "╸" : "");
  return { filled, empty: "─".repeat(width - filled.length) };
}

/** The figures of a step in words, the most important first. */
export function stepParts(step: Step, started: RunStarted): readonly string[] {
  const { alive, count } = step.structures;
  return [
    `loss ${step.loss.toFixed(3)}`,
    ...(count === 0
      ? []
      : [
          `${alive}/${count} structures alive`,
          `${formatPercent(percentOf(step.macs, started.cost.macs))} of MACs left`,
        ]),
    `${formatQuantity(step.imagesPerSecond)} images/s`,
  ];
}

/** Two lines: the progress of the epoch and the run, and the figures of the latest step. */
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
      `${colours.green(filled)}${colours.dim(empty)} ${String(Math.floor(share * 100)).padStart(3)} %`,
      colours.dim(`${formatDuration(step.etaSeconds)} to go`),
    ],
    width,
  );
  const accuracy = lastAccuracy === undefined ? [] : [`accuracy ${colours.bold(formatPercent(lastAccuracy))}`];
  const waiting = [
    `${formatMilliseconds(step.waitMilliseconds)} wait for data`,
    `event loop blocked ≤ ${formatMilliseconds(step.blockedMilliseconds)}`,
  ];
  const second = fitParts([...accuracy, ...stepParts(step, started), ...waiting], width - 2, colours.dim(" · "));
  return `${first}\n  ${second}`;
}
