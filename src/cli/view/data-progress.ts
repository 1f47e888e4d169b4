/** Says what is being fetched, on standard error: the data may be wanted by a command whose output is JSON. */
import { createLogUpdate } from "log-update";
import type { DataProgress } from "../../data/cifar10-cache.ts";
import { formatBytes } from "../../report/format.ts";
import type { Context } from "../context.ts";

function describe(progress: DataProgress): string {
  switch (progress.phase) {
    case "waiting":
      return `waiting: ${progress.reason}`;
    case "downloading":
      return `downloading CIFAR-10${progress.bytes > 0 ? `, ${formatBytes(progress.bytes)} so far` : ""}`;
    case "unpacking":
      return `unpacking ${progress.file} (${progress.done} of ${progress.total})`;
    case "finished":
      return `kept in ${progress.folder}`;
  }
}

/** Runs `work` and shows its progress: one redrawn line on a terminal, else a line whenever the phase changes. */
export async function dataProgress<T>(
  { stderr }: Context,
  work: (onProgress: (progress: DataProgress) => void) => Promise<T>,
): Promise<T> {
  if (!stderr.isLive) {
    let phase = "";
    return work((progress) => {
      if (progress.phase === phase) return;
      phase = progress.phase;
      stderr.print(`… ${describe(progress)}`);
    });
  }
  const update = createLogUpdate(stderr.stream);
  try {
    return await work((progress) => update(stderr.colours.dim(`… ${describe(progress)}`)));
  } finally {
    update.clear();
    update.done();
  }
}
