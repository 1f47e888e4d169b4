/** What a run begins with, new or resumed, and how a new one writes it into its folder. */
import { join } from "node:path";
import type { Dataset } from "../../data/dataset.ts";
import { saveOnnx } from "../../formats/onnx/index.ts";
import type { Network } from "../../graph/graph.ts";
import type { LatencyTable } from "../../latency/table.ts";
import type { WarningBody } from "../hooks/warnings.ts";
import { type Checkpoint, writeCheckpoint } from "../run-folder/checkpoint-files.ts";
import { type KeptFiles, keptFiles } from "../run-folder/kept-files.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import { type RunRecord, writeRunRecord } from "../run-folder/run-record.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import { sealOf } from "../run-folder/seal.ts";
import { saveLatencyTable } from "./latency-table.ts";

export interface RunStart {
  readonly record: RunRecord;
  readonly dataset: Dataset;
  /** For a new run: the checkpoint of step 0. */
  readonly checkpoint: Checkpoint;
  /** The network to learn from, if the settings ask for one. */
  readonly teacher?: Network;
  /** The times of the network's layers, if the settings ask for latency. */
  readonly latencyTable?: LatencyTable;
  /** Whether the folder was created by this session. */
  readonly isNew: boolean;
  /** The step that an earlier session reached; null if no session has trained yet. */
  readonly resumedFrom: number | null;
  /** Whether a trained network is pruned that recognises the classes of these data. */
  readonly isTrained?: boolean;
  /** A warning about the accuracy of a trained network before the first step. */
  readonly warning?: WarningBody;
  /** Notices to emit at the start. */
  readonly notices: readonly string[];
}

/**
 * Writes the files of a new run before the long work of preparing plans: a run whose process is killed after this can
 * be resumed. `run.json` is written last, because its presence makes the folder a run. Returns the hashes of the files
 * that the run reads again when it is resumed.
 */
export async function writeStart(writer: RunWriter, start: RunStart): Promise<KeptFiles> {
  const { teacher, latencyTable } = start;
  const { folder } = writer;
  const written = await removingNewOnFailure(start, writer, () =>
    writer.write(async (owner) => {
      if (teacher !== undefined) await saveOnnx(teacher, join(folder, runFiles.teacher));
      if (latencyTable !== undefined) await saveLatencyTable(join(folder, runFiles.latencyTable), latencyTable);
      const files = await keptFiles(folder);
      const { record, checkpoint } = withKeptFiles(start, files);
      await writeCheckpoint(folder, checkpoint, owner);
      await writeRunRecord(folder, record);
      return files;
    }),
  );
  return written ?? {};
}

/** `start` with the hashes of the files that the run keeps in its record, and under its seal. */
export function withKeptFiles(start: RunStart, files: KeptFiles): RunStart {
  if (Object.keys(files).length === 0) return start;
  const record = { ...start.record, files };
  return { ...start, record, checkpoint: { ...start.checkpoint, seal: sealOf(record) } };
}

/**
 * Does `work`. If it fails for a new run, which has trained nothing yet, removes the folder: the same command then
 * works again.
 */
export async function removingNewOnFailure<T>(
  { isNew }: RunStart,
  writer: RunWriter,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isNew) await writer.discard();
    throw error;
  }
}
