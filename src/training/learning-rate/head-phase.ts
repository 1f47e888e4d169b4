/**
 * The first epochs of a run in which only the head is trained, because its new weights would spoil the trained ones in
 * front of it. The schedule of the learning rate begins after them.
 */
import { UserError } from "../../core/errors.ts";
import type { Settings } from "../settings/settings.ts";
import { learningRateAt } from "./schedules.ts";

type HeadSettings = Pick<Settings, "epochs" | "headEpochs" | "schedule">;

export interface LearningRates {
  /** Of the last layer. */
  readonly head: number;
  /** Of all other parameters; 0 while the head is trained alone. */
  readonly body: number;
}

/** The learning rates of step `step` of `total`. */
export function learningRatesAt(
  { epochs, headEpochs = 0, schedule }: HeadSettings,
  step: number,
  total: number,
): LearningRates {
  const alone = (headEpochs * total) / epochs;
  if (step < alone) return { head: schedule.peak, body: 0 };
  const rate = learningRateAt(schedule, step - alone, total - alone);
  return { head: rate, body: rate };
}

/** @throws UserError "bad-option" if the whole run, or more, would train the head alone. */
export function requireBodyEpochs({ epochs, headEpochs = 0 }: Pick<Settings, "epochs" | "headEpochs">): void {
  if (headEpochs < epochs) return;
  throw new UserError("bad-option", `the last layer would be trained alone in all of ${epochs} epochs`, {
    about: "headEpochs",
    expected: `below ${epochs}`,
    received: `${headEpochs}`,
    hint: "Ask for fewer epochs of the last layer alone, or train for more epochs",
  });
}
