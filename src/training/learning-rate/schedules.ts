/**
 * Learning rate schedules as pure functions of (step, total), so checkpoints need no state of a schedule. Steps count
 * from 0 to total − 1.
 */
import { z } from "zod";

const rate = z.number().positive();
const share = z.number().min(0).max(1);

/**
 * Rises from `peak / startDivisor` to `peak` during the share `peakAt` of the run, then falls to `peak / startDivisor /
 * endDivisor`, both along half a cosine: Smith and Topin, "Super-Convergence", 2018, in the two-phase form and with the
 * step counting of PyTorch's `OneCycleLR`.
 */
const oneCycleSchema = z.strictObject({
  kind: z.literal("one-cycle"),
  peak: rate.default(0.2),
  /** Share of the run, between 0 and 1, at which the peak is reached. */
  peakAt: share.default(0.2),
  startDivisor: z.number().min(1).default(25),
  endDivisor: z.number().min(1).default(1e4),
});

/**
 * Falls from `peak` to 0 along half a cosine (Loshchilov and Hutter, "SGDR", 2017, equation 5 without restarts), after
 * a linear rise from 0 during the share `warmup` of the run.
 */
const cosineSchema = z.strictObject({
  kind: z.literal("cosine"),
  peak: rate.default(0.2),
  /** Share of the run, 0 for none. */
  warmup: z.number().min(0).max(0.9).default(0),
});

/** Multiplies `peak` by `factor` at each of `milestones`, as the papers of ResNet and of SSS do. */
const stepSchema = z.strictObject({
  kind: z.literal("step"),
  peak: rate.default(0.1),
  /** Shares of the run, ascending. */
  milestones: z.array(share).readonly().default([0.5, 0.75]),
  factor: rate.default(0.1),
});

/**
 * Rises on a line from `start · peak` to `peak` during the share `peakAt` of the run, then falls on a line towards
 * `end · peak`, which the step after the last one would have: the schedule of Jordan, "94% on CIFAR-10 in 3.29 Seconds
 * on a Single GPU", 2024, whose shares are the defaults.
 */
const triangularSchema = z.strictObject({
  kind: z.literal("triangular"),
  peak: rate.default(0.2),
  /** Share of the run, between 0 and 1, at which the peak is reached. */
  peakAt: share.default(0.23),
  /** Share of the peak that the first step has. */
  start: share.default(0.2),
  /** Share of the peak that the fall ends at. */
  end: share.default(0.07),
});

/** Reads a schedule and fills in its defaults. */
export const scheduleSchema = z.discriminatedUnion("kind", [
  oneCycleSchema,
  cosineSchema,
  stepSchema,
  triangularSchema,
]);

export type Schedule = Readonly<z.output<typeof scheduleSchema>>;

/** A schedule as a caller gives it: every number is optional. */
export type ScheduleOptions = Readonly<z.input<typeof scheduleSchema>>;

export type ScheduleKind = Schedule["kind"];
export const scheduleKinds: readonly ScheduleKind[] = scheduleSchema.options.map(({ shape }) => shape.kind.value);

export type OneCycleSchedule = Extract<Schedule, { kind: "one-cycle" }>;
type CosineSchedule = Extract<Schedule, { kind: "cosine" }>;
type StepSchedule = Extract<Schedule, { kind: "step" }>;
type TriangularSchedule = Extract<Schedule, { kind: "triangular" }>;

/** Learning rate of step `step` of `total`. */
export function learningRateAt(schedule: Schedule, step: number, total: number): number {
  switch (schedule.kind) {
    case "one-cycle":
      return oneCycle(schedule, step, total);
    case "cosine":
      return cosine(schedule, step, total);
    case "step":
      return stepwise(schedule, step, total);
    case "triangular":
      return triangular(schedule, step, total);
  }
}

/** From `start` (share 0) to `end` (share 1) along half a cosine. */
function halfCosine(start: number, end: number, share: number): number {
  return end + ((start - end) / 2) * (1 + Math.cos(Math.PI * share));
}

function oneCycle({ peak, peakAt, startDivisor, endDivisor }: OneCycleSchedule, step: number, total: number): number {
  const start = peak / startDivisor;
  const top = peakAt * total - 1;
  if (step <= top) return top > 0 ? halfCosine(start, peak, step / top) : peak;
  const last = total - 1;
  return last > top ? halfCosine(peak, start / endDivisor, (step - top) / (last - top)) : peak;
}

function cosine({ peak, warmup }: CosineSchedule, step: number, total: number): number {
  const rising = Math.round(warmup * total);
  if (step < rising) return (peak * (step + 1)) / rising;
  return halfCosine(peak, 0, (step - rising) / (total - rising));
}

function stepwise({ peak, milestones, factor }: StepSchedule, step: number, total: number): number {
  const passed = milestones.filter((share) => step >= Math.round(share * total)).length;
  return peak * factor ** passed;
}

function triangular({ peak, peakAt, start, end }: TriangularSchedule, step: number, total: number): number {
  const rising = Math.floor(peakAt * total);
  if (step < rising) return peak * (start + ((1 - start) * step) / rising);
  return peak * (1 + ((end - 1) * (step - rising)) / (total - rising));
}
