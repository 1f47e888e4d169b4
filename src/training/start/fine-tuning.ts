/**
 * What is different where a run starts from trained weights: a lower learning rate by default, and options that only
 * make sense with weights there.
 */
import { UserError } from "../../core/errors.ts";
import type { ScheduleKind } from "../schedules.ts";
import type { Settings, SettingsInput } from "../settings/settings.ts";
import { isOnnxFile, type ModelSource } from "./starting-network.ts";

/**
 * Weights that are good already are lost at the rate that new ones need: a tenth of it, one-cycle unless another
 * schedule is chosen.
 */
export const fineTuningPeaks: { readonly [Kind in ScheduleKind]: number } = {
  "one-cycle": 0.02,
  cosine: 0.02,
  step: 0.01,
};

/** Whether `source` comes with weights. */
export function bringsWeights(source: ModelSource): boolean {
  return typeof source === "string" ? isOnnxFile(source) : "graph" in source;
}

/** `input` with the learning rate of fine-tuning, where it names none. */
export function withFineTuning(input: SettingsInput): SettingsInput {
  const { schedule = { kind: "one-cycle" } } = input;
  const peak = schedule.peak ?? fineTuningPeaks[schedule.kind];
  // A kind that does not exist is the schema's to refuse.
  return peak === undefined ? input : { ...input, schedule: { ...schedule, peak } };
}

/** Throws `UserError("bad-option")` if `settings` need trained weights and there are none. */
export function requireWeights({ freezeBatchNorm, distill }: Settings, areThere: boolean): void {
  if (areThere) return;
  const [option, why] = freezeBatchNorm
    ? ["freezeBatchNorm", "there are no statistics to normalise by"]
    : distill !== undefined
      ? ["distill", "there is no trained network to learn from"]
      : [];
  if (option === undefined) return;
  throw new UserError("bad-option", `the run starts from new weights: ${why}`, {
    about: `option "${option}"`,
    hint: "Start from an ONNX file with trained weights, without --from-scratch",
  });
}
