/**
 * How a file's network wants its images: what the user says, else what the file says. Without either it is asked for:
 * weights that were trained on other values than they are shown give wrong answers, and nothing else tells.
 */
import { UserError } from "../core/errors.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { preparationOf } from "../training/start/file-metadata.ts";
import type { ModelFile } from "../training/start/starting-network.ts";

/** What people train with, as flags. */
const usual = [
  ["ImageNet's, as torchvision and timm", "0.485,0.456,0.406", "0.229,0.224,0.225"],
  ["CIFAR-10's", "0.4914,0.4822,0.4465", "0.247,0.2435,0.2616"],
  ["values 0 … 1", "0,0,0", "1,1,1"],
  ["values −1 … 1", "0.5,0.5,0.5", "0.5,0.5,0.5"],
] as const;

/**
 * What `file` says about its images, where the user does not.
 * @throws UserError "bad-option" if neither says by what values are shifted and scaled, and what `preparationOf`
 * throws.
 */
export function preprocessingOf(file: ModelFile, { mean, standardDeviation }: ImageFileOptions): ImageFileOptions {
  const found = preparationOf(file);
  if ((mean === undefined) !== (standardDeviation === undefined)) {
    throw new UserError("bad-option", "--mean and --std go together", {
      hint: "Give both, one number a channel, over pixels / 255",
    });
  }
  if (mean !== undefined || found.mean !== undefined) return found;
  const values = usual.map(([name, means, deviations]) => `  ${name}: --mean ${means} --std ${deviations}`);
  throw new UserError("bad-option", "nothing says which values the network was trained on", {
    about: file.path,
    hint: [
      "Pixels / 255 are shifted by a mean and divided by a deviation, a number a channel. Usual are",
      ...values,
      "  one channel: --mean 0.5 --std 0.5, or those of your data",
    ].join("\n"),
  });
}
