/** The weight decay of each kind of parameter, from the settings, as the training graph takes it. */
import { type DecayedKind, usualDecays, type WeightDecays } from "../../autodiff/parameter-kinds.ts";
import type { Settings } from "./settings.ts";

/**
 * The weight decay of each kind: the gradient of a parameter w is g + decay · w. A decoupled decay is what one step at
 * the peak of the schedule takes off w, without momentum. It is divided by the peak and by the kind's multiple of the
 * learning rate, so it is the same for every rate.
 */
export function weightDecaysOf({
  weightDecay,
  weightDecayOf,
  decoupledWeightDecay = false,
  learningRateOf = {},
  schedule,
}: Pick<
  Settings,
  "weightDecay" | "weightDecayOf" | "decoupledWeightDecay" | "learningRateOf" | "schedule"
>): WeightDecays {
  const of = (kind: DecayedKind): number => {
    const decay = weightDecay * (weightDecayOf?.[kind] ?? usualDecays[kind]);
    return decoupledWeightDecay ? decay / (schedule.peak * (learningRateOf[kind] ?? 1)) : decay;
  };
  return {
    convolution: of("convolution"),
    linear: of("linear"),
    bias: of("bias"),
    scale: of("scale"),
    shift: of("shift"),
    muon: of("muon"),
  };
}
