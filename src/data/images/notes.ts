/** Sentences about how image files were read, for the user. */
import type { ImagePreparation } from "../dataset.ts";
import { type LabelledFile, listed } from "./classes.ts";
import { FULL_WHITE } from "./decode.ts";
import type { Depth } from "./depth.ts";
import { FORMATS } from "./formats.ts";
import type { FolderParts } from "./image-folder.ts";

export interface ReadImages {
  readonly preparation: ImagePreparation;
  readonly isUnlabelled: boolean;
  /** Whether an image may have several labels. */
  readonly hasSeveral: boolean;
  /** Of the 16-bit images, if there are any. */
  readonly depth: Depth | undefined;
  /** The images for testing. */
  readonly test: readonly LabelledFile[];
}

/** What the user should know about the images of `parts`, a sentence each. */
export function notesOf({ train, test, unused = [] }: FolderParts, read: ReadImages): readonly string[] {
  const { testShare, splitSeed } = read.preparation;
  const skipped = [...train.skipped, ...(test?.skipped ?? [])];
  const nested = [...new Set([...(train.nested ?? []), ...(test?.nested ?? [])])];
  const tested = new Set(read.test.flatMap(({ className, labels }) => labels ?? [className]));
  const untested = train.classes.filter((name) => !tested.has(name));
  const percent = Number((100 * testShare).toPrecision(6));
  const whole = read.isUnlabelled || read.hasSeveral ? "the images" : "each class";
  return [
    ...(test === undefined
      ? [`The data has no test split: ${percent} % of ${whole} was held out (seed ${splitSeed})`]
      : []),
    ...(unused.length > 0 ? [`Not used, for there is another part for testing: ${listed(unused)}`] : []),
    ...(untested.length > 0 && tested.size > 0
      ? [`There are no test images of the class ${listed(untested)}: the accuracy says nothing about it`]
      : []),
    ...severalNote([...train.files, ...(test?.files ?? [])], read.hasSeveral),
    ...(nested.length > 0 ? [`Images in folders inside a class belong to the class: ${listed(nested)}`] : []),
    ...depthNote(read),
    ...(skipped.length > 0
      ? [`Files that are not ${FORMATS} were skipped (${skipped.length}): ${listed(skipped)}`]
      : []),
  ];
}

/** From this share of the labels on with a separator in them, they are probably lists. */
const LISTS = 0.1;

/** How many labels images have; of single labels, a hint if they look like lists. */
function severalNote(files: readonly LabelledFile[], hasSeveral: boolean): readonly string[] {
  if (!hasSeveral) {
    const lists = files.filter(({ className }) => /[|;]|^\[/.test(className));
    const [first] = lists;
    if (first === undefined || lists.length < LISTS * files.length) return [];
    return [`Labels such as "${first.className}" are read as one class each; --task multi-label reads them as lists`];
  }
  const all = files.reduce((sum, { labels = [] }) => sum + labels.length, 0);
  const none = files.filter(({ labels = [] }) => labels.length === 0).length;
  const mean = (all / Math.max(1, files.length)).toFixed(2);
  return [
    `An image has ${mean} labels in the mean${none === 0 ? "" : `, ${none} of ${files.length} images have none`}`,
  ];
}

function depthNote({ preparation: { white = FULL_WHITE }, depth }: ReadImages): readonly string[] {
  if (depth === undefined || white === FULL_WHITE) return [];
  const counted = (value: number): string => value.toLocaleString("en-US");
  return [
    `16-bit images hold values up to ${counted(depth.largest)}: ${counted(white)} becomes white. ` +
      `--white ${FULL_WHITE} reads them as they are`,
  ];
}
