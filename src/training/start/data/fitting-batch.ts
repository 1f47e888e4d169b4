/** Makes the batch smaller if the data has fewer images. */
import type { Settings } from "../../settings/settings.ts";

/** Settings whose batch fits the data, and a sentence about it if it is not the one that was asked for. */
export interface FittedBatch {
  readonly fitted: Settings;
  readonly notice: string | undefined;
}

/** `settings` with a batch of at most `images`: all of them, as far as `ranks` and micro-batches divide them. */
export function fittingBatch(settings: Settings, images: number, ranks: number): FittedBatch {
  const { batch, accumulate = 1 } = settings;
  const unit = ranks * accumulate;
  if (batch <= images || images < unit) return { fitted: settings, notice: undefined };
  const most = images - (images % unit);
  return {
    fitted: { ...settings, batch: most },
    notice: `There are only ${images} training images: a step takes ${most} of them instead of ${batch}`,
  };
}
