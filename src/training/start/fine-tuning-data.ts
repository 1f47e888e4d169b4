/**
 * The data of a run from trained weights, where it is only named: its images have to become the values that the weights
 * were trained on. The file's metadata may say so; nothing else tells that they are others.
 */
import { UserError } from "../../core/errors.ts";
import { datasetReference } from "../../data/references.ts";
import { preparationOf } from "./file-metadata.ts";
import type { DataSource } from "./run-data.ts";
import type { ModelFile } from "./starting-network.ts";

/**
 * `source` as the network of `file` wants its images; what was opened, or is a reference with options of its own, is
 * left as it is.
 * @throws UserError "bad-option" if the file does not say by what pixels are shifted and scaled, and what
 * `preparationOf` throws.
 */
export function sourceForFile(file: ModelFile, source: DataSource): DataSource {
  if (typeof source !== "string") return source;
  // Of other images the network may be taught other classes; the same ones stay held out.
  const { classes: _, ...imageDefaults } = preparationOf(file);
  if (imageDefaults.mean !== undefined) return datasetReference(source, { imageDefaults });
  throw new UserError("bad-option", "nothing says which values the network was trained on", {
    about: file.path,
    hint:
      "Say it with the data, a number a channel over pixels / 255: " +
      `datasetReference(${JSON.stringify(source)}, { images: { mean: […], standardDeviation: […] } })`,
  });
}
