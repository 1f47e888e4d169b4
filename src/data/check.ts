/**
 * Checks an open dataset. Espalier's own readers return valid datasets. For a dataset that a user's program made, this
 * check finds a wrong label or a short array before the run starts.
 */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { normalizationTable } from "./augmentation.ts";
import { type Dataset, type Split, sampleSize } from "./dataset.ts";

const REMEDY = "Correct the program that makes the dataset; docs/data.md describes the parts of a dataset";

/**
 * Throws `UserError("bad-option")` if `dataset` cannot be used for training. The error names the split and the image.
 */
export function checkDataset(dataset: Dataset): void {
  requireArguments("train", { "options.data": [dataset, "dataset"] });
  const { name, classes, sampleShape, normalization } = dataset;
  const wrong = (what: string, expected: string, received: string, hint = REMEDY): UserError =>
    new UserError("bad-option", what, { about: name, expected, received, hint });
  const { labelSets } = dataset;
  const fewest = dataset.isUnlabelled === true || labelSets !== undefined ? 1 : 2;
  if (classes.length < fewest) {
    const expected = fewest === 1 ? "the name of a class" : "the names of at least 2 classes";
    throw wrong("there are not enough classes", expected, `${classes.length}`);
  }
  const strange = labelSets?.flat().find((label) => !(Number.isInteger(label) && label >= 0 && label < classes.length));
  if (strange !== undefined) {
    throw wrong("a set of labels has one that is not a class", `0 … ${classes.length - 1}`, `${strange}`);
  }
  const most = labelSets === undefined ? classes.length : labelSets.length;
  if (sampleShape.length !== 3 || !sampleShape.every((extent) => Number.isInteger(extent) && extent > 0)) {
    throw wrong("the shape of the images is not valid", "[channels, height, width]", `[${sampleShape.join(", ")}]`);
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
    checkInputs(split, part, dataset.train, wrong);
    if (split.labels.length !== split.count) {
      throw wrong(
        `"${part}" does not have one label for each image`,
        `${split.count} labels`,
        `${split.labels.length}`,
      );
    }
    const image = split.labels.findIndex((label) => !(label >= 0 && label < most));
    if (image < 0) continue;
    throw wrong(
      `the label of image ${image} of "${part}" is not a ${labelSets === undefined ? "class" : "set of labels"}`,
      `0 … ${most - 1}`,
      String(split.labels[image]),
      `A label is an index into the list of ${labelSets === undefined ? "classes" : "sets of labels"}, counted from 0`,
    );
  }
}

/** Throws unless each of the split's inputs has finite numbers for all images, as many for each as in `train`. */
function checkInputs(
  { inputs = {}, count }: Split,
  part: string,
  train: Split,
  wrong: (what: string, expected: string, received: string) => UserError,
): void {
  const names = Object.keys(train.inputs ?? {});
  if (Object.keys(inputs).sort().join() !== names.toSorted().join()) {
    const received = Object.keys(inputs).join(", ") || "none";
    throw wrong(`"${part}" has values for other inputs than "train"`, names.join(", ") || "none", received);
  }
  for (const [name, { width, values }] of Object.entries(inputs)) {
    const expected = train.inputs?.[name]?.width ?? 0;
    if (width !== expected || !(Number.isInteger(width) && width > 0)) {
      throw wrong(`input "${name}" of "${part}" has another width`, `${expected}, above 0`, String(width));
    }
    if (!(values instanceof Float32Array) || values.length !== count * width) {
      const received = values instanceof Float32Array ? String(values.length) : typeof values;
      throw wrong(
        `input "${name}" of "${part}" does not have its values for all images`,
        `${count * width} floats`,
        received,
      );
    }
    const strange = values.findIndex((value) => !Number.isFinite(value));
    if (strange < 0) continue;
    const image = Math.floor(strange / width);
    throw wrong(
      `input "${name}" of image ${image} of "${part}" is not a number`,
      "finite numbers",
      `${values[strange]}`,
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
    throw wrong(`"${part}" does not have \`count\` images`, `${split.count}`, `${split.files.length}`);
  }
  // The types check a program in TypeScript. A program in JavaScript may pass floats, which would be truncated to 0 and
  // 1.
  if (!(split.images instanceof Uint8Array)) {
    throw wrong(`the pixels of "${part}" are not bytes`, "a Uint8Array of values 0 … 255", typeof split.images);
  }
  const expected = split.count * sampleSize(split.sampleShape);
  if (split.images.length === expected) return;
  throw wrong(
    `the number of pixels of "${part}" does not match its images`,
    `${expected} for ${split.count} images`,
    String(split.images.length),
  );
}
