/**
 * Distillation from the network before training. If the settings of a run with a budget do not say whether to distil,
 * the run does so if the network recognises the classes of the data: one that guesses would teach nonsense.
 */
import { UserError } from "../../core/errors.ts";
import type { Network } from "../../graph/graph.ts";
import type { Settings } from "../settings/settings.ts";
import { distillDefaults } from "../settings/table.ts";
import { isHeadNew } from "./head/head.ts";

/** The accuracy of the network before training, on training images. */
interface MeasuredAccuracy {
  /** Mean recall of the classes, in percent. */
  readonly accuracy: number;
  readonly images: number;
  /** Set if the user is warned of this accuracy anyway. */
  readonly warning?: object;
}

/** Whether the network before training teaches the one in training its answers on labelled images. */
export function usesDistillation({ distill }: Pick<Settings, "distill">): boolean {
  return distill !== undefined && distill !== false;
}

/** Whether a run keeps the network before training. */
export function hasTeacher(settings: Settings): boolean {
  return usesDistillation(settings) || settings.teach !== undefined;
}

/**
 * Throws `UserError("bad-option")` if `settings` ask for distillation from `network` and its last layer has no weights
 * yet: its answers would be random.
 */
export function requireKnownClasses(settings: Settings, network: Network): void {
  if (!usesDistillation(settings) || !isHeadNew(network)) return;
  throw new UserError("bad-option", "the last layer is replaced by a new one, so the original has no answers", {
    about: 'option "distill"',
    hint: "Leave it out. A run that starts from the result of this one can learn from its answers",
  });
}

/**
 * The least accuracy, in percent, of a network that is worth distilling from. A network that knows a share s of the
 * images and guesses the others is right on s + (1 − s) / classes of them; here s is one half.
 */
export function leastDistillationAccuracy(classes: number): number {
  return 50 + 50 / classes;
}

/**
 * `settings` with distillation on or off, by the `measured` accuracy, and a sentence about it. Without an accuracy
 * there is nothing to learn from, and nothing is changed.
 */
export function withDistillationDecided(
  settings: Settings,
  measured: MeasuredAccuracy | undefined,
  classes: number,
): { readonly settings: Settings; readonly notice?: string } {
  if (settings.distill !== undefined || measured === undefined) return { settings };
  const { accuracy, images, warning } = measured;
  const known = `which are right on ${accuracy.toFixed(1)} % of ${images} training images (mean over the classes)`;
  if (accuracy >= leastDistillationAccuracy(classes)) {
    return {
      settings: { ...settings, distill: distillDefaults },
      notice: `The run learns from the original network's own answers too, ${known}; --no-distill turns it off`,
    };
  }
  return {
    settings: { ...settings, distill: false },
    ...(warning === undefined
      ? { notice: `The run does not learn from the original network's own answers, ${known}; --distill turns it on` }
      : {}),
  };
}
