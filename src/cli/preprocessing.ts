/**
 * The preprocessing of images for a network from a file: the user's flags come first, then the file's metadata. If
 * neither has a mean and a deviation, the user must give them: with wrong values the network answers wrongly, and
 * nothing would report it.
 */
import { UserError } from "../core/errors.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { preparationOf } from "../training/start/file-metadata.ts";
import type { ModelFile } from "../training/start/starting-network.ts";

/** Common preprocessing, as values of the flags. */
const usual = [
  ["ImageNet's, as torchvision and timm", "0.485,0.456,0.406", "0.229,0.224,0.225"],
  ["CIFAR-10's", "0.4914,0.4822,0.4465", "0.247,0.2435,0.2616"],
  ["values 0 … 1", "0,0,0", "1,1,1"],
  ["values −1 … 1", "0.5,0.5,0.5", "0.5,0.5,0.5"],
] as const;

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
  const values = usual.map(([name, means, deviations]) => `  ${name}: --mean ${means} --std ${deviations}`);
  throw new UserError("bad-option", "the file does not say how to normalise images", {
    about: file.path,
    hint: [
      "Give the mean and the deviation of its training, a number for each channel, in units of pixels / 255. Usual are",
      ...values,
      "  one channel: --mean 0.5 --std 0.5, or those of your data",
    ].join("\n"),
  });
}
