/**
 * Data for a run from trained weights. The images must be normalised as they were when the weights were trained. Only
 * the metadata of the network's file can say how.
 */
import { UserError } from "../../../core/errors.ts";
import { withNotes } from "../../../data/dataset.ts";
import type { OpenOptions } from "../../../data/open.ts";
import { datasetReference } from "../../../data/references.ts";
import type { ModelFile } from "../starting-network.ts";
import { preparationOf } from "./file-metadata.ts";
import { networkNormalizationNote, networkNormalizationOf } from "./network-normalization.ts";
import type { DataSource } from "./run-data.ts";

/** What images have: no labels, or any number of them, default: one each; and columns of numbers. */
type TableOptions = Pick<OpenOptions, "unlabelled" | "severalLabels" | "columns">;

/**
 * Returns `source` with its images prepared for the network of `file`. Open datasets and references, which have options
 * of their own, are returned unchanged.
 * @throws UserError "bad-option" if the file has no mean and standard deviation, and the errors of `preparationOf`.
 */
export function sourceForFile(file: ModelFile, source: DataSource, labels: TableOptions = {}): DataSource {
  if (typeof source !== "string") return source;
  // The classes of the new data may differ. The split stays, so that held-out images stay held out.
  const { classes: _, ...imageDefaults } = preparationOf(file);
  if (imageDefaults.mean !== undefined) return datasetReference(source, { imageDefaults, ...labels });
  const own = networkNormalizationOf(file);
  if (own !== undefined) {
    const reference = datasetReference(source, {
      ...{ imageDefaults: { ...imageDefaults, ...own.normalization }, ...labels },
    });
    return {
      ...reference,
      open: async (input) => withNotes(await reference.open(input), [networkNormalizationNote(own)]),
    };
  }
  throw new UserError("bad-option", "it is unknown how the network's training images were normalised", {
    about: file.path,
    hint:
      "Give mean and standard deviation of pixels / 255 with the data, one number for each channel: " +
      `datasetReference(${JSON.stringify(source)}, { images: { mean: […], standardDeviation: […] } })`,
  });
}
