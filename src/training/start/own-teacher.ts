/**
 * Whether trained weights learn from the original's answers too, in a run with a budget whose settings do not say. They
 * do if the original knows the classes of the data: a network that guesses would teach nonsense.
 */
import { UserError } from "../../core/errors.ts";
import type { Network } from "../../graph/graph.ts";
import type { Settings } from "../settings/settings.ts";
import { distillDefaults } from "../settings/table.ts";
import { isHeadNew } from "./head/head.ts";

/** What the original answers on training images. */
interface Answers {
  /** Mean recall of the classes, in percent. */
  readonly accuracy: number;
  readonly images: number;
  /** Set if the user is warned of the answers anyway. */
  readonly warning?: object;
}

/** Whether the network before training teaches the one in training its answers on labelled images. */
export function isDistilled({ distill }: Pick<Settings, "distill">): boolean {
  return distill !== undefined && distill !== false;
}

/** Whether a run keeps the network before training. */
export function hasTeacher(settings: Settings): boolean {
  return isDistilled(settings) || settings.teach !== undefined;
}

/**
 * Throws `UserError("bad-option")` if `settings` ask for distillation from `network` and its last layer has no weights
 * yet: its answers would be random.
 */
export function requireKnownClasses(settings: Settings, network: Network): void {
  if (!isDistilled(settings) || !isHeadNew(network)) return;
  throw new UserError("bad-option", "the last layer is replaced by a new one, so the original has no answers", {
    about: 'option "distill"',
    hint: "Leave it out. A run that starts from the result of this one can learn from its answers",
  });
}

/**
 * The accuracy in percent from which on answers are worth learning. A network that knows a share s of the images and
 * guesses the others is right on s + (1 − s) / classes of them; here s is one half.
 */
export function teachingAccuracy(classes: number): number {
  return 50 + 50 / classes;
}

/**
 * `settings` with distillation decided, from what the original answers, and a line about it. Without `answers` there is
 * nothing to learn from, and nothing is changed.
 */
export function withOwnTeacher(
  settings: Settings,
  answers: Answers | undefined,
  classes: number,
): { readonly settings: Settings; readonly notice?: string } {
  if (settings.distill !== undefined || answers === undefined) return { settings };
  const { accuracy, images, warning } = answers;
  const known = `which are right on ${accuracy.toFixed(1)} % of ${images} training images (mean over the classes)`;
  if (accuracy >= teachingAccuracy(classes)) {
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
