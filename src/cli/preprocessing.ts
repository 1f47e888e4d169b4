/**
 * The preprocessing of images for a network from a file: the user's flags come first, then the file's metadata, then
 * its first nodes. If none of them has a mean and a deviation, the user must give them: with wrong values the network
 * answers wrongly, and nothing would report it.
 */
import { UserError } from "../core/errors.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { commonNormalizations, normalizationFlagsOf } from "../training/start/data/common-normalizations.ts";
import { preparationOf } from "../training/start/data/file-metadata.ts";
import { networkNormalizationNote, networkNormalizationOf } from "../training/start/data/network-normalization.ts";
import type { ModelFile } from "../training/start/starting-network.ts";

/**
 * The preprocessing that `file` specifies, as defaults for the user's options.
 * @throws UserError "bad-option" if neither the file nor the user gives a mean and a deviation, and what
 * `preparationOf` throws.
 */
export function preprocessingOf(file: ModelFile, { mean, standardDeviation }: ImageFileOptions): ImageFileOptions {
  const found = preparationOf(file);
  if ((mean === undefined) !== (standardDeviation === undefined)) {
    throw new UserError("bad-option", "--mean and --std go together", {
      hint: "Give both, each with a number for each channel, in units of pixels / 255",
    });
  }
  if (mean !== undefined || found.mean !== undefined) return found;
  const own = networkNormalizationOf(file);
  if (own !== undefined) return { ...found, ...own.normalization };
  const values = commonNormalizations.map((usual) => `  ${usual.name}: ${normalizationFlagsOf(usual)}`);
  throw new UserError("bad-option", "the file does not say how to normalise images", {
    about: file.path,
    hint: [
      "Give the mean and the deviation of its training, a number for each channel, in units of pixels / 255. Usual are",
      ...values,
      "  one channel: --mean 0.5 --std 0.5, or those of your data",
    ].join("\n"),
  });
}

/** Sentences about a preprocessing that only the network's first nodes decide. */
export function preprocessingNotes(file: ModelFile, { mean }: ImageFileOptions): readonly string[] {
  if (mean !== undefined || preparationOf(file).mean !== undefined) return [];
  const own = networkNormalizationOf(file);
  return own === undefined ? [] : [networkNormalizationNote(own)];
}
