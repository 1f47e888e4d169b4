/**
 * Whether an open dataset is what the rest takes it for. Our readers make sound ones; a dataset made by a program of
 * the user's is checked here, before a wrong label or a short array turns up in the middle of a run.
 */
import { UserError } from "../core/errors.ts";
import { normalizationTable } from "./augmentation.ts";
import { type Dataset, type Split, sampleSize } from "./dataset.ts";

const REMEDY = "Mend the program that makes the dataset; docs/data.md has what a dataset holds";

/** Throws `UserError("bad-option")`, naming the part and the image, for a dataset that cannot be trained on. */
export function checkDataset(dataset: Dataset): void {
  const { name, classes, sampleShape, normalization } = dataset;
  const wrong = (what: string, expected: string, received: string, hint = REMEDY): UserError =>
    new UserError("bad-option", what, { about: name, expected, received, hint });
  if (classes.length < 2) {
    throw wrong("there are not enough classes", "the names of at least 2 classes", `${classes.length}`);
  }
  if (sampleShape.length !== 3 || !sampleShape.every((extent) => Number.isInteger(extent) && extent > 0)) {
    throw wrong("the shape of an image is none", "[channels, height, width]", `[${sampleShape.join(", ")}]`);
  }
  normalizationTable(normalization, sampleShape[0]);
  for (const part of ["train", "test"] as const) {
    const split = dataset[part];
    if (split.sampleShape.join() !== sampleShape.join()) {
      throw wrong(
        `the images of "${part}" have another shape than the dataset`,
        `[${sampleShape.join(", ")}]`,
        `[${split.sampleShape.join(", ")}]`,
      );
    }
    checkImages(split, part, wrong);
    if (split.labels.length !== split.count) {
      throw wrong(`"${part}" has not one label an image`, `${split.count} labels`, `${split.labels.length}`);
    }
    const image = split.labels.findIndex((label) => !(label >= 0 && label < classes.length));
    if (image < 0) continue;
    throw wrong(
      `the label of image ${image} of "${part}" is no class`,
      `0 … ${classes.length - 1}`,
      String(split.labels[image]),
      "Labels are places in the list of classes, counted from 0",
    );
  }
}

function checkImages(
  split: Split,
  part: string,
  wrong: (what: string, expected: string, received: string, hint?: string) => UserError,
): void {
  if ("files" in split) {
    if (split.files.length === split.count) return;
    throw wrong(`"${part}" does not have as many images as it says`, `${split.count}`, `${split.files.length}`);
  }
  // Types tell a program in TypeScript; one in JavaScript may hand over floats, which would be cut off to 0 and 1.
  if (!(split.images instanceof Uint8Array)) {
    throw wrong(`the pixels of "${part}" are no bytes`, "a Uint8Array of values 0 … 255", typeof split.images);
  }
  const expected = split.count * sampleSize(split.sampleShape);
  if (split.images.length === expected) return;
  throw wrong(
    `"${part}" has not as many pixels as its images need`,
    `${expected} for ${split.count} images`,
    String(split.images.length),
  );
}
