/** Shows the progress of downloads. */
import type { DataProgress } from "../../data/cifar10-cache.ts";
import { formatBytes } from "../../report/format.ts";
import type { Context } from "../context.ts";
import { withStatusLine } from "./status-line.ts";

function describe(progress: DataProgress): string {
  switch (progress.phase) {
    case "waiting":
      return `waiting: ${progress.reason}`;
    case "downloading":
      return `downloading CIFAR-10${progress.bytes > 0 ? `, ${formatBytes(progress.bytes)} so far` : ""}`;
    case "unpacking":
      return `unpacking ${progress.file} (${progress.done} of ${progress.total})`;
    case "finished":
      return `stored in ${progress.folder}`;
  }
}

/** Runs `work` and shows its progress. */
export async function dataProgress<T>(
  context: Context,
  work: (onProgress: (progress: DataProgress) => void) => Promise<T>,
): Promise<T> {
  return withStatusLine(context, (show) => work((progress) => show(progress.phase, describe(progress))));
}
