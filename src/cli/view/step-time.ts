/** A timed training step as lines: its time, its plan, and the plan's memory. */
import type { PlanTimes } from "../../engine/engine.ts";
import type { StepCommunication, StepTime, StepTimeProgress } from "../../evaluation/step-time.ts";
import { formatBytes, formatCount, formatMilliseconds, formatPercent, plural } from "../../report/format.ts";
import { fitParts, type Terminal } from "../terminal.ts";
import { type Cell, columns, left, right } from "./columns.ts";
import { passedOverLines, planSums, planTable } from "./plan-table.ts";

/** The progress of the measurement, in words. */
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

export interface StepConditions {
  readonly model: string;
  /** Number of structures with a scaling factor. */
  readonly structures: number;
  readonly threads: number;
  readonly engine: Readonly<Record<string, string>>;
}

/** Time of all-reduces in a step, and how much of it the backward pass hides. */
function communicationLines(
  { ranks, bytes, underWayMilliseconds, exposedMilliseconds }: StepCommunication,
  median: number,
  { colours: { bold, dim } }: Terminal,
): string[] {
  const hidden = underWayMilliseconds === 0 ? 0 : 1 - exposedMilliseconds / underWayMilliseconds;
  const exposed = `${formatPercent((100 * exposedMilliseconds) / median)} of the step`;
  const overlap = `${formatPercent(100 * Math.max(0, hidden))} hidden behind the backward pass`;
  const sums = `a step, over ${ranks} ranks, ${formatBytes(bytes)} each`;
  return [
    `  sums     ${bold(formatMilliseconds(underWayMilliseconds))} ${dim(sums)}`,
    `  waiting  ${bold(formatMilliseconds(exposedMilliseconds))} ${dim(`of it, ${exposed}; ${overlap}`)}`,
  ];
}

/** A row for each all-reduce of a step: when it started, was done, and was needed. Time before "needed" is hidden. */
function sumLines({ sums }: StepCommunication): string[] {
  const at = (milliseconds: number): Cell => right(`${milliseconds.toFixed(2)} ms`);
  return columns(
    [
      [left("sum of"), right("bytes"), right("started"), right("done"), right("needed"), right("waited")],
      ...sums.map(({ bucket, bytes, startedAt, doneAt, neededAt, waitedMilliseconds }) => [
        ...[left(bucket), right(formatBytes(bytes))],
        ...[at(startedAt), at(doneAt), at(neededAt), at(waitedMilliseconds)],
      ]),
    ],
    2,
  );
}

/** Time of a step that is not spent in the library's primitives. */
function outsideOf(
  { outsidePrimitives, whole, primitives, host, copies }: PlanTimes,
  engine: string,
  { colours }: Terminal,
): string {
  const { bold, dim } = colours;
  const rest = Math.max(0, whole - primitives - host - copies);
  const parts = [
    `steps in plain loops ${formatMilliseconds(host)}`,
    `copies of feeds and results ${formatMilliseconds(copies)}`,
    `the loop over the plan's steps ${formatMilliseconds(rest)}`,
  ];
  const outside = `of a step is spent outside ${engine}'s primitives: ${parts.join(", ")}`;
  return `${bold(formatPercent(100 * outsidePrimitives))} ${dim(outside)}`;
}

export function stepTimeLines(time: StepTime, conditions: StepConditions, terminal: Terminal): string[] {
  const { bold, dim } = terminal.colours;
  const { batch, precision, runs, median, minimum, maximum, imagesPerSecond, bytes, times, steps, communication } =
    time;
  const { model, structures, threads, engine } = conditions;
  const selection = structures === 0 ? "no scaling factors" : plural(structures, "scaling factor");
  const machine = [engine["name"], engine["library"], plural(threads, "thread")].filter((part) => part !== undefined);
  const withHeading = ([heading = "", ...rows]: readonly string[]): string[] => [dim(heading), ...rows, ""];
  const notTaken = passedOverLines(steps);
  const plan =
    steps.length === 0
      ? []
      : [
          ...withHeading(planTable(steps, terminal.width())),
          ...withHeading(planSums(steps)),
          ...(communication === undefined ? [] : withHeading(sumLines(communication))),
          ...(notTaken.length === 0 ? [] : withHeading(["  not taken", ...notTaken.map((line) => `  ${line}`)])),
        ];
  const range = `${formatMilliseconds(minimum)} to ${formatMilliseconds(maximum)}`;
  return [
    "",
    `  ${bold(model)}  ${dim(`one training step of ${plural(batch, "image")} in ${precision}, ${selection}`)}`,
    dim(`  ${fitParts(machine, terminal.width() - 2, ", ")}`),
    "",
    ...plan,
    `  step     ${bold(formatMilliseconds(median))} ${dim(`(median of ${plural(runs, "run")}, ${range})`)}`,
    `  images   ${bold(formatCount(imagesPerSecond))} ${dim("a second")}`,
    ...(communication === undefined ? [] : communicationLines(communication, median, terminal)),
    ...(times === undefined ? [] : [`  outside  ${outsideOf(times, engine["name"] ?? "", terminal)}`]),
    `  plan     ${bold(formatBytes(bytes))} ${dim(`(${formatCount(bytes)} bytes)`)}`,
  ];
}
