/**
 * Rules for runs that start from trained weights: a lower default learning rate, and options that need trained
 * weights.
 */
import { UserError } from "../../core/errors.ts";
import type { ScheduleKind } from "../learning-rate/schedules.ts";
import type { Settings, SettingsInput } from "../settings/settings.ts";
import { usesDistillation } from "./distillation.ts";
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
export function requireWeights(settings: Settings, areThere: boolean): void {
  if (areThere) return;
  const { freezeBatchNorm, headEpochs, teach } = settings;
  const [option, why] = freezeBatchNorm
    ? ["freezeBatchNorm", "there are no statistics to normalise by"]
    : usesDistillation(settings)
      ? ["distill", "there is no trained network to distil from"]
      : headEpochs !== undefined
        ? ["headEpochs", "the rest of the network has learnt nothing that could be kept"]
        : teach !== undefined
          ? ["teach", "its outputs mean nothing that could be taught"]
          : [];
  if (option === undefined) return;
  throw new UserError("bad-option", `the run starts from new weights: ${why}`, {
    about: `option "${option}"`,
    hint: "Start from an ONNX file with trained weights, without --from-scratch",
  });
}

/** Throws `UserError("bad-option")` if `settings` ask for labels and for the network's own outputs. */
export function requireOneTarget(settings: Settings): void {
  const { teach, labelSmoothing, mixing, classWeights, headEpochs } = settings;
  const { teachTemperature, outputWeights, outputKinds, testTimeAugmentation } = settings;
  requireTask(settings);
  if (teach === undefined) {
    requireTeaching({ teachTemperature, outputWeights, outputKinds });
    return;
  }
  const others = {
    ...{ mixing, headEpochs, classWeights, testTimeAugmentation },
    distill: usesDistillation(settings) ? true : undefined,
    labelSmoothing: labelSmoothing > 0 ? labelSmoothing : undefined,
  };
  const [other] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
  if (other === undefined) return;
  throw new UserError("bad-option", "the network is taught its own outputs: there are no labels to learn from", {
    about: `option "${other}"`,
    hint: "Leave it out, or leave --teach out to learn from labels",
  });
}

/** Throws `UserError("bad-option")` if `settings` weigh classes, of which an image may have several. */
function requireTask({ task, classWeights, teach, int8 }: Settings): void {
  if (task !== "multi-label") return;
  const [other, why = ""] =
    classWeights !== undefined
      ? ["classWeights", "an image with several labels has no class of its own to be weighted by"]
      : teach !== undefined
        ? ["teach", "the network is taught its own outputs, so labels are not read"]
        : int8 === true
          ? ["int8", "the integers of such a network are not scored yet"]
          : [];
  if (other === undefined) return;
  throw new UserError("bad-option", why, {
    about: `option "${other}"`,
    hint: "Leave it out, or leave --task multi-label out",
  });
}

/** Throws `UserError("bad-option")` if one of `settings` is given, which mean something only with `teach`. */
function requireTeaching(settings: Readonly<Record<string, unknown>>): void {
  const [lost] = Object.entries(settings).find(([, value]) => value !== undefined) ?? [];
  if (lost === undefined) return;
  throw new UserError("bad-option", "the network learns from labels, not from its own outputs", {
    about: `option "${lost}"`,
    hint: "Give --teach outputs too, or leave it out",
  });
}
