/**
 * Opens a folder of images, a CSV file of paths and labels, or Parquet files of encoded images as a dataset. Nothing is
 * decoded yet.
 */
import { basename, dirname, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type {
  AreaCrop,
  Dataset,
  FileSplit,
  ImagePreparation,
  InputColumns,
  Normalization,
  SampleShape,
} from "../dataset.ts";
import { type LabelSets, numberedSets } from "../label-sets.ts";
import { checkClassCount, checkKnownClasses, checkTestClasses, type LabelledFile, sortedClasses } from "./classes.ts";
import { inputsOf, widthsOf } from "./column-numbers.ts";
import { listCsv } from "./csv.ts";
import { listCsvLabels } from "./csv-labels.ts";
import { FULL_WHITE, loadDecoder } from "./decode.ts";
import { depthOf } from "./depth.ts";
import { holdOut, shuffled } from "./holdout-split.ts";
import { type FolderParts, listFolder } from "./image-folder.ts";
import { notesOf } from "./notes.ts";
import { listParquet, parquetFiles } from "./parquet.ts";
import { ANY_CLASS, listUnlabelled } from "./unlabelled.ts";
import { Unreadable } from "./unreadable.ts";
import { haveSize, wholeImages } from "./whole.ts";

/** How images are prepared. Every option has a default. */
export interface ImageFileOptions {
  /** Height and width in pixels, or one number for both; default: the network's input size, else 224. */
  readonly size?: number | readonly [number, number];
  /** Number of channels, 1 or 3; default: the network's, else 3. */
  readonly channels?: 1 | 3;
  /**
   * Mean of each channel, over pixels / 255; default: ImageNet's 0.485, 0.456, 0.406. Needs `standardDeviation` too.
   */
  readonly mean?: readonly number[];
  /** Standard deviation of each channel; default: ImageNet's 0.229, 0.224, 0.225. */
  readonly standardDeviation?: readonly number[];
  /** Fraction of each side that the centre crop of a test image keeps; default 0.875. */
  readonly centreCrop?: number;
  /** Fraction of each class that is held out for testing if the data has no test split; default 0.2. */
  readonly testShare?: number;
  /** Seed that decides which images are held out; default 1. */
  readonly splitSeed?: number;
  /** Names of the network's classes in the order of its logits; default: the data's own class names, sorted. */
  readonly classes?: readonly string[];
  /** The value of 16-bit images that becomes white; default: the largest of as many bits as the images use. */
  readonly white?: number;
}

/** The augmentation that the paper trains with: ResNet's augmentation for ImageNet. */
export const imageAugmentation: AreaCrop = {
  area: [0.08, 1],
  aspect: [3 / 4, 4 / 3],
  flip: true,
  colour: 0.4,
  noise: 0.1,
};

/** Mean and standard deviation of ImageNet's training images, which almost every published network uses. */
const imageNet: Normalization = { mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225] };
/**
 * The same for grey images: the grey weights applied to the mean; the standard deviation is that of all channels
 * together.
 */
const greyImageNet: Normalization = { mean: [0.458], standardDeviation: [0.226] };

const side = z.int().min(1).max(4096);
const share = z.number().min(0).max(1);
const white = z.int().min(1).max(FULL_WHITE).exactOptional();
const schema = z.strictObject({
  size: z.union([side, z.tuple([side, side]).readonly()]).exactOptional(),
  channels: z.union([z.literal(1), z.literal(3)]).exactOptional(),
  mean: z.array(z.number()).exactOptional(),
  standardDeviation: z.array(z.number().positive()).exactOptional(),
  centreCrop: z.number().gt(0).max(1).default(0.875),
  testShare: share.default(0.2),
  splitSeed: z.int().min(0).max(0xffffffff).default(1),
  classes: z.array(z.string()).min(1).exactOptional(),
  white,
});

/** Schema of `ImagePreparation`, for `run.json`. */
export const preparationSchema: z.ZodType<ImagePreparation> = z.object({
  size: z.tuple([side, side]).readonly(),
  channels: z.union([z.literal(1), z.literal(3)]),
  mean: z.array(z.number()),
  standardDeviation: z.array(z.number().positive()),
  centreCrop: z.number(),
  testShare: share,
  splitSeed: z.int(),
  white,
});

/** `options` with every default filled in. `input`: the network's input shape, if known. */
function prepare(options: ImageFileOptions, input: SampleShape | undefined): ImagePreparation {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError("bad-option", issue?.message ?? "not valid", {
      about: `option "${issue?.path.join(".")}" of the images`,
      hint: "Change it, or omit it for the default; docs/data.md lists the options for image files",
      cause: parsed.error,
    });
  }
  const { size, mean, standardDeviation, centreCrop, testShare, splitSeed, white: given } = parsed.data;
  if ((mean === undefined) !== (standardDeviation === undefined)) {
    throw new UserError("bad-option", "the mean and the standard deviation of the images go together", {
      hint: "Give both, with one number for each channel, over pixels / 255",
    });
  }
  const channels = parsed.data.channels ?? channelsOf(input) ?? 3;
  const standard = channels === 1 ? greyImageNet : imageNet;
  return {
    size: typeof size === "number" ? [size, size] : (size ?? (input === undefined ? [224, 224] : [input[1], input[2]])),
    channels,
    mean: mean ?? standard.mean,
    standardDeviation: standardDeviation ?? standard.standardDeviation,
    ...{ centreCrop, testShare, splitSeed },
    ...optional({ white: given }),
  };
}

function channelsOf(input: SampleShape | undefined): 1 | 3 | undefined {
  if (input === undefined) return undefined;
  if (input[0] === 1 || input[0] === 3) return input[0];
  throw new UserError("bad-option", "the network does not take grey or colour images", {
    expected: "1 or 3 channels",
    received: String(input[0]),
    hint: "Image files give 1 or 3 channels; for other networks, make a dataset of your own (docs/data.md)",
  });
}

/**
 * Opens the images of `place`: a folder (`class/file.jpg`, with or without `train/` and `test/` or `val/` around it), a
 * CSV file with the columns path and label, or a Parquet file or a folder of them, with the columns image and label. A
 * label is the index of a class in the sorted class names. `labels`: with "none" a folder's images need no classes;
 * with "several" an image of a table may have any number of labels. With "none", images that have the size of the
 * network already are shown whole. `columns`: the columns of a table with numbers for the network's inputs besides the
 * images.
 * @throws UserError "bad-file" if the folder or file is not a valid dataset, "bad-option" for wrong options.
 */
export async function openImages(
  place: string,
  options: ImageFileOptions = {},
  input?: SampleShape,
  labels: "one" | "none" | "several" = "one",
  columns?: InputColumns,
): Promise<Dataset<FileSplit>> {
  const prepared = prepare(options, input);
  const isCsv = place.toLowerCase().endsWith(".csv");
  const tables = await parquetFiles(place);
  const hasSeveral = labels === "several" && (isCsv || tables.length > 0);
  const isUnlabelled = labels === "none";
  const table = { columns, isUnlabelled };
  const stored = tables.length > 0 ? await listParquet(tables, { hasSeveral, ...table }) : undefined;
  const parts =
    stored ??
    (isCsv
      ? await (hasSeveral ? listCsvLabels : listCsv)(place, table)
      : await (isUnlabelled ? listUnlabelled : listFolder)(place));
  const { train, test } = parts;
  const classes = options.classes ?? (hasSeveral ? allClasses(parts) : ownClasses(parts));
  if (options.classes !== undefined) {
    for (const part of [train, test]) checkKnownClasses(part?.classes ?? [], options.classes, part?.about ?? place);
  } else if (test !== undefined && train.classes.length > 0 && !hasSeveral) {
    checkTestClasses(train, test);
  }
  if (columns !== undefined && !isCsv && stored === undefined) throw needsTable(place);
  const hasNoLabels = isUnlabelled && train.classes.join() === ANY_CLASS;
  if (!hasNoLabels && !hasSeveral) checkClassCount(classes, place);
  const { testShare, splitSeed } = prepared;
  const split =
    test === undefined
      ? holdOut(train.files, hasSeveral ? [""] : classes, testShare, splitSeed)
      : { train: train.files, test: test.files };
  await loadDecoder();
  const folder = isCsv ? dirname(resolve(place)) : resolve(place);
  const store = stored?.store;
  const [trainFiles, testFiles] = [shuffled(split.train), shuffled(split.test)];
  const numbered = hasSeveral ? numberedLabels([...trainFiles, ...testFiles], classes) : undefined;
  const labelOf = numbered?.labelOf ?? labelsByName(classes);
  const sampled = trainFiles.length > 0 ? trainFiles : testFiles;
  const depth = await depthOf({ folder, files: sampled, ...optional({ store }) });
  const sampleShape: SampleShape = [prepared.channels, ...prepared.size];
  const isWhole = isUnlabelled && (await haveSize({ folder, files: sampled, sampleShape, ...optional({ store }) }));
  const preparation = {
    ...prepared,
    centreCrop: isWhole ? (options.centreCrop ?? 1) : prepared.centreCrop,
    ...optional({ white: prepared.white ?? depth?.white }),
  };
  const { mean, standardDeviation, centreCrop } = preparation;
  const shown = { sampleShape, centreCrop, ...optional({ store, white: preparation.white }) };
  const widths = widthsOf(sampled);
  const inputs = { train: inputsOf(trainFiles, widths, columns), test: inputsOf(testFiles, widths, columns) };
  return {
    name: basename(resolve(place)).replace(/\.(csv|parquet)$/i, ""),
    classes,
    ...(hasNoLabels ? { isUnlabelled: true } : {}),
    sampleShape,
    normalization: { mean, standardDeviation },
    augmentation: isWhole ? wholeImages(sampleShape) : imageAugmentation,
    ...optional({ labelSets: numbered?.sets }),
    train: fileSplit(folder, trainFiles, labelOf, { ...shown, ...optional({ inputs: inputs.train }) }),
    test: fileSplit(folder, testFiles, labelOf, { ...shown, ...optional({ inputs: inputs.test }) }),
    preparation,
    ...optional({ columns }),
    notes: notesOf(parts, {
      hasSeveral,
      preparation,
      isUnlabelled: hasNoLabels,
      depth,
      test: split.test,
    }),
  };
}

function needsTable(place: string): UserError {
  return new UserError("bad-option", "a folder of images has no columns of numbers", {
    about: place,
    expected: "a CSV file with the columns path and label beside those of --columns, or a Parquet file",
    hint: "Write the paths, the labels and the numbers of the images into a CSV file, and give it as the data",
  });
}

/** The classes of the training images, or else of the test images. */
function ownClasses({ train, test }: FolderParts): readonly string[] {
  return train.classes.length > 0 ? train.classes : (test?.classes ?? []);
}

/** The classes of all images. Where they have an order of their own, it is the same in both splits. */
function allClasses({ train, test }: FolderParts): readonly string[] {
  const others = (test?.classes ?? []).filter((name) => !train.classes.includes(name));
  return others.length === 0 ? ownClasses({ train, test }) : sortedClasses([...train.classes, ...others]);
}

/** The label of a file. */
type LabelOf = (file: LabelledFile) => number;

function labelsByName(classes: readonly string[]): LabelOf {
  const numbers = new Map(classes.map((name, label) => [name, label]));
  return ({ className }) => numbers.get(className) ?? 0;
}

/** The sets of labels of `files`, and the number of each file's set. */
function numberedLabels(
  files: readonly LabelledFile[],
  classes: readonly string[],
): { readonly sets: LabelSets; readonly labelOf: LabelOf } {
  const { sets, labels } = numberedSets(
    files.map((file) => file.labels ?? []),
    classes,
  );
  const numbers = new Map(files.map((file, index) => [file, labels[index] ?? 0]));
  return { sets, labelOf: (file) => numbers.get(file) ?? 0 };
}

function fileSplit(
  folder: string,
  files: readonly LabelledFile[],
  labelOf: LabelOf,
  shown: Pick<FileSplit, "sampleShape" | "centreCrop" | "store" | "white" | "inputs">,
): FileSplit {
  const labels = new Int32Array(new SharedArrayBuffer(files.length * Int32Array.BYTES_PER_ELEMENT));
  for (const [index, file] of files.entries()) labels[index] = labelOf(file);
  return {
    folder,
    files: files.map(({ className: _, labels: __, numbers: ___, ...file }) => file),
    labels,
    count: files.length,
    ...shown,
    unreadable: new Unreadable(),
  };
}
