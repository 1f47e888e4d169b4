/** Classes by name: sorts the names, and finds mistakes in them before any training. */
import { UserError } from "../../core/errors.ts";

/** The numbers of an image, by the name of the input that gets them. */
export type ImageNumbers = Readonly<Record<string, readonly number[]>>;

/** An image file and the name of its class. */
export interface LabelledFile {
  readonly path: string;
  readonly bytes: number;
  readonly className: string;
  /** Its labels, if it may have several: `className` is then "". */
  readonly labels?: readonly string[];
  /** For the network's inputs besides the images, if any were asked for. */
  readonly numbers?: ImageNumbers;
  readonly at?: number;
}

/**
 * Class names in the order of their labels: by value if all names are whole numbers, else by code units, independent of
 * the locale.
 */
export function sortedClasses(names: Iterable<string>): readonly string[] {
  const distinct = [...new Set(names)];
  const areNumbers = distinct.every((name) => /^\d{1,9}$/.test(name));
  return distinct.sort((a, b) => (areNumbers && Number(a) !== Number(b) ? Number(a) - Number(b) : a < b ? -1 : 1));
}

/** The classes of a split, and its place for messages. */
interface SplitClasses {
  readonly about: string;
  readonly classes: readonly string[];
}

/** Throws `UserError("bad-file")` if the test split has classes that the training split does not have. */
export function checkTestClasses(train: SplitClasses, test: SplitClasses): void {
  const extra = test.classes.filter((name) => !train.classes.includes(name));
  if (extra.length === 0) return;
  throw new UserError("bad-file", `there are classes only for testing: ${listed(extra)}`, {
    about: test.about,
    expected: `only classes of ${train.about}`,
    received: listed(test.classes),
    hint: "Add training images of these classes, or remove the classes; names are compared letter by letter",
  });
}

/** Throws `UserError("bad-file")` unless there are at least two classes. */
export function checkClassCount(classes: readonly string[], about: string): void {
  if (classes.length >= 2) return;
  throw new UserError("bad-file", "there are not enough classes", {
    about,
    expected: "at least 2 classes",
    received: classes.length === 0 ? "none" : `only "${classes[0]}"`,
    hint: /\.(csv|parquet)$/i.test(about)
      ? "Add images of other classes to the file"
      : `Put the images into one folder for each class: ${about}/cat/1.jpg, ${about}/dog/1.jpg, …`,
  });
}

/** Throws `UserError("bad-file")` if `found` has a class that `known`, the classes of a network, does not have. */
export function checkKnownClasses(found: readonly string[], known: readonly string[], about: string): void {
  const unknown = found.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new UserError("bad-file", `the network does not know the class ${listed(unknown)}`, {
    about,
    expected: `only ${listed(known)}`,
    received: listed(found),
    hint: "Use images of the classes that the network was trained on, with the same class names",
  });
}

/** The first few names, quoted. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return `${shown.join(", ")}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ""}`;
}
