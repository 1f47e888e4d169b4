/** A timed training step as lines: how long it took, what the plan holds, and the plan itself. */
import type { ExplainedStep, StepTime, StepTimeProgress } from "../../evaluation/step-time.ts";
import { formatBytes, formatCount, formatMilliseconds, formatPercent, plural } from "../../report/format.ts";
import { fitParts, type Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";

/** What is being done, in words. */
export function stepTimeStatus(progress: StepTimeProgress): string {
  switch (progress.phase) {
    case "preparing":
      return "preparing the plan: kernels that are new to this machine are timed once";
    case "timing":
      return progress.run === 0 ? "warming up" : `timing step ${progress.run} of ${progress.runs}`;
    case "explaining":
      return "timing each step of the plan";
  }
}

function planTable(steps: readonly ExplainedStep[]): string[] {
  return columns([
    [left("op"), left("node"), left("implementation"), right("ms"), right("GFLOP/s"), right("share")],
    ...steps.map(({ op, node, implementation, milliseconds, gigaflops, share }) => [
      left(op.replaceAll("_", " ")),
      left(node),
      left(implementation),
      right(milliseconds.toFixed(3)),
      right(gigaflops === 0 ? "" : formatCount(gigaflops)),
      right(formatPercent(100 * share)),
    ]),
  ]);
}

export interface StepConditions {
  readonly model: string;
  /** Structures with a scaling factor. */
  readonly structures: number;
  readonly threads: number;
  readonly engine: Readonly<Record<string, string>>;
}

export function stepTimeLines(time: StepTime, conditions: StepConditions, terminal: Terminal): string[] {
  const { bold, dim } = terminal.colours;
  const { batch, precision, runs, median, minimum, maximum, imagesPerSecond, bytes, steps } = time;
  const { model, structures, threads, engine } = conditions;
  const selection = structures === 0 ? "no scaling factors" : plural(structures, "scaling factor");
  const machine = [engine["name"], engine["library"], plural(threads, "thread")].filter((part) => part !== undefined);
  const [heading = "", ...rows] = steps.length === 0 ? [] : planTable(steps);
  return [
    "",
    `  ${bold(model)}  ${dim(`one training step of ${plural(batch, "image")} in ${precision}, ${selection}`)}`,
    dim(`  ${fitParts(machine, terminal.width() - 2, ", ")}`),
    "",
    ...(rows.length === 0 ? [] : [dim(heading), ...rows, ""]),
    `  step     ${bold(formatMilliseconds(median))} ${dim(`(median of ${plural(runs, "run")}, ${formatMilliseconds(minimum)} to ${formatMilliseconds(maximum)})`)}`,
    `  images   ${bold(formatCount(imagesPerSecond))} ${dim("a second")}`,
    `  plan     ${bold(formatBytes(bytes))} ${dim(`(${formatCount(bytes)} bytes)`)}`,
  ];
}
