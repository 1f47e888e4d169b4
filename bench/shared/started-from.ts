/**
 * Checks by the hash in its record whether a run started with the weights of a file, and measures the accuracy of the
 * file on the run's test images.
 */
import { basename, join } from "node:path";
import { UserError } from "../../src/core/errors.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { measureAccuracy } from "../../src/evaluation/accuracy.ts";
import { engineClassifier } from "../../src/evaluation/classifier.ts";
import type { StartSummary } from "../../src/experiments/run-summary.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { runFiles } from "../../src/training/run-folder/run-folder.ts";
import { hashWeights, readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { reopenData } from "../../src/training/start/data/run-data.ts";
import { needsLatency, readLatencyTable } from "../../src/training/start/latency-table.ts";
import { networkFor, openModel, withFactors } from "../../src/training/start/starting-network.ts";

const BATCH = 250;

/**
 * The name and accuracy of `file`, from which the run in `folder` started.
 * @throws UserError "bad-option" if the run started with other weights, and the errors of reading the run, its data and
 * the file.
 */
export async function startOf(folder: string, file: string): Promise<StartSummary> {
  const record = await readRunRecord(folder);
  const dataset = await reopenData(record, undefined);
  const { settings } = record;
  const latencyTable = needsLatency(settings) ? await readLatencyTable(join(folder, runFiles.latencyTable)) : undefined;
  const { network } = withFactors(
    networkFor(await openModel(file, settings), dataset, settings).network,
    settings,
    latencyTable,
  );
  if (hashWeights(network.weights) !== record.initialWeights) {
    throw new UserError("bad-option", "the run did not start from this file", {
      about: folder,
      expected: `weights of sha256 ${record.initialWeights.slice(0, 12)}…`,
      received: `others in ${file}`,
      hint: "Name the file that the run was given",
    });
  }
  return { file: basename(file), accuracy: await accuracyOfFile(file, dataset) };
}

/** Accuracy on the whole test split, in percent. */
async function accuracyOfFile(file: string, { test, normalization }: Dataset): Promise<number> {
  const host = await EngineHost.start({ engine: "onednn" });
  try {
    const classifier = await engineClassifier(host, await loadOnnx(file), Math.min(BATCH, test.count));
    return (await measureAccuracy(classifier, test, normalization)).accuracy;
  } finally {
    await host.dispose();
  }
}
