/**
 * Rules for runs that start from trained weights: a lower default learning rate, and options that need trained
 * weights.
 */
import { UserError } from "../../core/errors.ts";
import type { ScheduleKind } from "../schedules.ts";
import type { Settings, SettingsInput } from "../settings/settings.ts";
import { isRunFolder } from "./finished-run.ts";
import { isOnnxFile, type ModelSource } from "./starting-network.ts";

/**
 * Default peaks of the learning rate for trained weights, a tenth of those for new weights: a higher rate would destroy
 * the trained weights.
 */
export const fineTuningPeaks: { readonly [Kind in ScheduleKind]: number } = {
  "one-cycle": 0.02,
  cosine: 0.02,
  step: 0.01,
  triangular: 0.02,
};

/** Whether `source` has weights. */
export function bringsWeights(source: ModelSource): boolean {
  return typeof source === "string" ? isOnnxFile(source) || isRunFolder(source) : "graph" in source;
}

/** `input` with the learning rate for fine-tuning, if it has none. */
export function withFineTuning(input: SettingsInput): SettingsInput {
  const { schedule = { kind: "one-cycle" } } = input;
  const peak = schedule.peak ?? fineTuningPeaks[schedule.kind];
  // The schema refuses an unknown kind later.
  return peak === undefined ? input : { ...input, schedule: { ...schedule, peak } };
}

/** Throws `UserError("bad-option")` if `settings` need trained weights and there are none. */
export function requireWeights({ freezeBatchNorm, distill, headEpochs }: Settings, areThere: boolean): void {
  if (areThere) return;
  const [option, why] = freezeBatchNorm
    ? ["freezeBatchNorm", "there are no statistics to normalise by"]
    : distill !== undefined
      ? ["distill", "there is no trained network to distil from"]
      : headEpochs !== undefined
        ? ["headEpochs", "the rest of the network has learnt nothing that could be kept"]
        : [];
  if (option === undefined) return;
  throw new UserError("bad-option", `the run starts from new weights: ${why}`, {
    about: `option "${option}"`,
    hint: "Start from an ONNX file with trained weights, without --from-scratch",
  });
}
