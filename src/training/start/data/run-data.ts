/** Opens the data of a run and applies the limits of the settings. */
import { isDeepStrictEqual } from "node:util";
import { UserError } from "../../../core/errors.ts";
import { checkDataset } from "../../../data/check.ts";
import { type Dataset, firstImages, type SampleShape } from "../../../data/dataset.ts";
import { type DatasetReference, datasetReference } from "../../../data/references.ts";
import { hashData, type RunRecord } from "../../run-folder/run-record.ts";
import type { Settings } from "../../settings/settings.ts";
import { tableOptionsOf } from "../../settings/tasks.ts";

/**
 * A name or folder as the command line takes it, a reference such as `cifar10()`, or a dataset that is open already.
 */
export type DataSource = string | DatasetReference | Dataset | Promise<Dataset>;

export interface RunData {
  readonly dataset: Dataset;
  /** The name or folder that opens it again. */
  readonly source: string;
}

/**
 * Opens `source` for a run of `settings`; `input`: the network's input shape, if it is known. Throws the errors of
 * `openDataset`, and "bad-option" if the data has other labels than the task needs.
 */
export async function openData(
  source: DataSource,
  { limit, ...settings }: Pick<Settings, "limit" | "task" | "teach" | "columns">,
  input: SampleShape | undefined,
): Promise<RunData> {
  const reference = typeof source === "string" ? datasetReference(source, tableOptionsOf(settings)) : source;
  const opened = "open" in reference ? await reference.open(input) : await reference;
  checkDataset(opened);
  requireLabels(opened, settings);
  requireColumns(opened, settings);
  const { train = opened.train.count, test = opened.test.count } = limit;
  const dataset = { ...opened, train: firstImages(opened.train, train), test: firstImages(opened.test, test) };
  for (const [part, { count }] of Object.entries({ training: dataset.train, test: dataset.test })) {
    if (count > 0) continue;
    throw new UserError("bad-option", `there are no ${part} images`, {
      about: dataset.name,
      hint: "Give a dataset with training and test images, or a larger limit",
    });
  }
  return { dataset, source: "spec" in reference ? reference.spec : dataset.name };
}

/** @throws UserError "bad-option" if images have several labels and `task` says one, or the other way round. */
function requireLabels({ name, labelSets }: Dataset, { task, teach }: Pick<Settings, "task" | "teach">): void {
  const isMultiLabel = task === "multi-label";
  if (teach !== undefined || isMultiLabel === (labelSets !== undefined)) return;
  throw new UserError("bad-option", "the labels of the data do not fit the task", {
    about: name,
    expected: isMultiLabel ? "images with any number of labels: a dataset with labelSets" : "one label for each image",
    received: isMultiLabel ? "one label for each image" : "images with several labels",
    hint: isMultiLabel
      ? "Leave the task out, or give other data"
      : 'Set the task: --task multi-label, in code task: "multi-label"',
  });
}

/** @throws UserError "bad-option" if data that was opened elsewhere lacks the columns of the settings. */
function requireColumns({ name, columns }: Dataset, { columns: wanted }: Pick<Settings, "columns">): void {
  if (wanted === undefined || isDeepStrictEqual(columns, wanted)) return;
  throw new UserError("bad-option", "the data was opened without the columns of the settings", {
    about: name,
    expected: JSON.stringify(wanted),
    received: columns === undefined ? "none" : JSON.stringify(columns),
    hint: "Give the path of a CSV or Parquet file as the data, or leave the setting out for a dataset with inputs",
  });
}

/**
 * Opens the data of the run of `record` again, from `source` if the caller gives it.
 * @throws UserError "checksum" if it is not the same data, and the errors of opening it.
 */
export async function reopenData(record: RunRecord, source: DataSource | undefined): Promise<Dataset> {
  const { source: recorded, preparation, classes } = record.data;
  const labels = tableOptionsOf(record.settings);
  const options =
    preparation === undefined
      ? {}
      : { images: { ...preparation, ...(labels.unlabelled ? {} : { classes }) }, ...labels };
  const again =
    source === undefined || typeof source === "string" ? datasetReference(source ?? recorded, options) : source;
  const { dataset: opened } = await openData(again, record.settings, undefined).catch((error: unknown) => {
    if (source !== undefined || !(error instanceof UserError) || error.code !== "missing-file") throw error;
    throw new UserError("missing-file", "the data of the run is not where it was", {
      about: recorded,
      hint: "Say where it is now with --data <place>, in code with { data }",
      cause: error,
    });
  });
  const dataset = { ...opened, normalization: record.data.normalization ?? opened.normalization };
  const { train, test } = hashData(dataset);
  if (train === record.data.sha256.train && test === record.data.sha256.test) return dataset;
  throw new UserError("checksum", "this is not the data the run was started with", {
    about: record.data.source,
    expected: `sha256 ${record.data.sha256.train.slice(0, 12)}… of the training images`,
    received: `${train.slice(0, 12)}…`,
    hint: "Pass the same data again, or start a new run",
  });
}
