/**
 * Learning rate over a run, as pure functions of (step, total): a resumed run needs no state of a schedule. Steps count
 * from 0; a schedule is asked for steps 0 … total − 1.
 */

/**
 * Up from `peak / startDivisor` to `peak` during the share `peakAt` of the run, then down to `peak / startDivisor /
 * endDivisor`, both along half a cosine: Smith and Topin, "Super-Convergence", 2018, in the two-phase form and with the
 * step counting of PyTorch's `OneCycleLR`.
 */
export interface OneCycleSchedule {
  readonly kind: "one-cycle";
  readonly peak: number;
  /** Share of the run, between 0 and 1, at which the peak is reached. */
  readonly peakAt: number;
  readonly startDivisor: number;
  readonly endDivisor: number;
}

/**
 * From `peak` to 0 along half a cosine (Loshchilov and Hutter, "SGDR", 2017, equation 5 without restarts), after a linear
 * rise from 0 during the share `warmup` of the run.
 */
export interface CosineSchedule {
  readonly kind: "cosine";
  readonly peak: number;
  /** Share of the run, 0 for none. */
  readonly warmup: number;
}

/** `peak`, times `factor` at each of `milestones`: what the papers of ResNet and of SSS use. */
export interface StepSchedule {
  readonly kind: "step";
  readonly peak: number;
  /** Shares of the run, ascending. */
  readonly milestones: readonly number[];
  readonly factor: number;
}

export type Schedule = OneCycleSchedule | CosineSchedule | StepSchedule;

/** Learning rate of step `step` of `total`. */
export function learningRateAt(schedule: Schedule, step: number, total: number): number {
  switch (schedule.kind) {
    case "one-cycle":
      return oneCycle(schedule, step, total);
    case "cosine":
      return cosine(schedule, step, total);
    case "step":
      return stepwise(schedule, step, total);
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
