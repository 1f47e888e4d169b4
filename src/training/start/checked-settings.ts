/** Checks the settings of a new run, as far as neither its network nor its data is needed. */
import type { Cluster } from "../../distributed/cluster.ts";
import { requireWindow } from "../gamma/gamma-schedule.ts";
import { requireOneGamma } from "../gamma/settings-policy.ts";
import { requireOwnNames } from "../hooks/run-hook.ts";
import { requireBodyEpochs } from "../learning-rate/head-phase.ts";
import { imagesPerMicroBatch } from "../network/micro-batches.ts";
import { partOfBatch } from "../ranks/parts.ts";
import type { RunOptions } from "../session/run-scope.ts";
import { requireInt8 } from "../settings/integers.ts";
import { parseSettings, type Settings, type SettingsInput } from "../settings/settings.ts";
import { requireOneTarget, requireWeights, withFineTuning } from "./fine-tuning.ts";

export interface CheckedFor {
  readonly cluster: Cluster;
  /** Whether the run starts from trained weights, which get a lower learning rate. */
  readonly isFineTuned: boolean;
  /** Whether the caller brings a network to learn from. */
  readonly bringsTeacher: boolean;
  /** The caller's own hooks and γ policy. */
  readonly own: Pick<RunOptions, "hooks" | "gammaPolicy">;
}

/**
 * `input` with all defaults.
 * @throws UserError "unknown-name" or "bad-option" for settings that are unknown, out of range, or contradict each
 * other, the caller's hooks or the ranks.
 */
export function checkedSettings(
  input: SettingsInput,
  { cluster, isFineTuned, bringsTeacher, own }: CheckedFor,
): Settings {
  const settings = withThreadCount(parseSettings(isFineTuned ? withFineTuning(input) : input), cluster);
  requireWeights(settings, isFineTuned || bringsTeacher);
  requireOneTarget(settings);
  requireWindow(settings);
  requireBodyEpochs(settings);
  requireInt8(settings, isFineTuned);
  requireOneGamma(settings, own);
  const { hooks = [], gammaPolicy } = own;
  requireOwnNames(gammaPolicy === undefined ? hooks : [...hooks, gammaPolicy]);
  imagesPerMicroBatch(partOfBatch(settings.batch, cluster).count, settings.accumulate ?? 1);
  return settings;
}

/** Fixes the number of threads. It decides how sums are split, so a resumed run needs the same number. */
function withThreadCount(settings: Settings, cluster: Cluster): Settings {
  // With several ranks, each rank's host decides its number of threads.
  if (settings.engine === "reference" || cluster.size > 1) return settings;
  return { ...settings, threads: settings.threads ?? cluster.threads };
}
