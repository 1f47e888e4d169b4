/**
 * Lists image folders: `class/file.jpg`, inside `train/` and `test/` (or `val/`) if these exist, else directly in the
 * folder. Folders inside a class belong to the class. Links are followed. Files without the extension of an image are
 * skipped, and recorded if they look like images of a format that is not decoded.
 */
import { opendir, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { UserError } from "../../core/errors.ts";
import { fileError } from "../files.ts";
import { type LabelledFile, listed, sortedClasses } from "./classes.ts";
import { FORMATS, imageName, otherImageName } from "./formats.ts";
import { splitFolders } from "./split-names.ts";

/** Number of files whose size is read at once. */
const CHUNK = 64;

/** The images of one split. */
export interface Part {
  /** The folder or file that lists them, for messages. */
  readonly about: string;
  readonly classes: readonly string[];
  readonly files: readonly LabelledFile[];
  /** Skipped files that look like images of other formats. */
  readonly skipped: readonly string[];
  /** Classes that have folders inside. */
  readonly nested?: readonly string[];
}

export interface FolderParts {
  readonly train: Part;
  /** Undefined if the folder does not say which images are for testing. */
  readonly test: Part | undefined;
  /** Folders that look like more parts for testing. */
  readonly unused?: readonly string[];
}

/**
 * True if `folder` has subfolders, which may be classes of images. Call it after the other formats: it does not check
 * that the files of another dataset are absent.
 */
export async function hasClassFolders(folder: string): Promise<boolean> {
  return (await entriesOf(folder)).folders.length > 0;
}

/**
 * Lists the images below `folder`, with paths relative to it.
 * @throws UserError "bad-file" for a class without images or a folder without classes; the errors of reading a folder.
 */
export async function listFolder(folder: string): Promise<FolderParts> {
  const { folders, files } = await entriesOf(folder);
  await refuseSplitClasses(folder, folders);
  const { train: trainName, tests } = splitFolders(folders);
  if (trainName === undefined) {
    const [test] = tests;
    // A dataset with only its test split: otherwise `test` would look like a class.
    if (test !== undefined && folders.length === 1) {
      return { train: emptyPart(join(folder, "train")), test: await listPart(folder, join(folder, test)) };
    }
    if (folders.length === 0) throw noFolders(folder, files);
    return { train: await listPart(folder, folder), test: undefined };
  }
  const [held, ...unused] = await withClasses(folder, tests);
  const trainFolder = join(folder, trainName);
  if (held === undefined && folders.length > 1 && (await entriesOf(trainFolder)).folders.length === 0) {
    // Here `train` is a class: pictures of trains, beside the folders of other classes.
    return { train: await listPart(folder, folder), test: undefined };
  }
  const train = await listPart(folder, trainFolder);
  return { train, test: held === undefined ? undefined : await listPart(folder, join(folder, held)), unused };
}

/** The test folders that have class folders. ImageNet's `test/` has none, its `val/` does. */
async function withClasses(folder: string, tests: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of tests) if ((await entriesOf(join(folder, name))).folders.length > 0) found.push(name);
  return found;
}

function emptyPart(about: string): Part {
  return { about, classes: [], files: [], skipped: [] };
}

/**
 * Refuses classes that hold the splits, instead of splits that hold the classes: as one class each they would mix the
 * images for testing with those for training.
 */
async function refuseSplitClasses(folder: string, folders: readonly string[]): Promise<void> {
  const [first] = folders;
  const own = splitFolders(folders);
  if (first === undefined || own.train !== undefined || own.tests.length > 0) return;
  const { train, tests } = splitFolders((await entriesOf(join(folder, first))).folders);
  const [held] = tests;
  if (held === undefined || train === undefined) return;
  throw new UserError("bad-file", "the classes hold the folders of the splits", {
    about: folder,
    expected: `${train}/${first} and ${held}/${first}`,
    received: `${first}/${train} and ${first}/${held}`,
    hint: "Put the class folders into the folders of the splits, or give a CSV file with the columns path,label,split",
  });
}

/** Lists the images in the class folders of `place`, with paths relative to `root`. */
async function listPart(root: string, place: string): Promise<Part> {
  const entries = await entriesOf(place);
  if (entries.folders.length === 0) throw noFolders(place, entries.files);
  const classes = sortedClasses(entries.folders);
  const files: LabelledFile[] = [];
  const skipped: string[] = [];
  const nested: string[] = [];
  for (const className of classes) {
    const classFolder = join(place, className);
    const inside = await filesBelow(classFolder);
    const images = inside.files.filter((name) => imageName.test(name)).sort();
    const others = inside.files.filter((name) => otherImageName.test(name));
    if (images.length === 0) throw emptyClass(classFolder, className, inside.folders, others);
    if (inside.folders.length > 0) nested.push(className);
    const paths = images.map((name) => join(classFolder, name));
    const sizes = await fileSizes(paths);
    for (const [index, path] of paths.entries()) {
      files.push({ path: portable(relative(root, path)), bytes: sizes[index] ?? 0, className });
    }
    for (const name of others) skipped.push(portable(relative(root, join(classFolder, name))));
  }
  return { about: place, classes, files, skipped, nested };
}

/** Files below `folder` at any depth, by their paths in it, and the folders directly inside. */
export async function filesBelow(folder: string): Promise<Entries> {
  const seen = new Set<string>();
  const files: string[] = [];
  const visit = async (inside: string): Promise<readonly string[]> => {
    const place = join(folder, inside);
    const real = await realpath(place).catch((error: unknown) => {
      throw fileError(error, place);
    });
    // A link may lead back to a folder around it.
    if (seen.has(real)) return [];
    seen.add(real);
    const entries = await entriesOf(place);
    for (const name of entries.files) files.push(portable(join(inside, name)));
    for (const name of entries.folders) await visit(join(inside, name));
    return entries.folders;
  };
  return { folders: await visit(""), files };
}

/** Sizes in bytes. A file that cannot be examined gets 0, and decoding reports it later. */
export async function fileSizes(paths: readonly string[]): Promise<readonly number[]> {
  const sizes: number[] = [];
  for (let start = 0; start < paths.length; start += CHUNK) {
    const chunk = paths.slice(start, start + CHUNK);
    sizes.push(
      ...(await Promise.all(
        chunk.map((path) =>
          stat(path).then(
            (status) => status.size,
            () => 0,
          ),
        ),
      )),
    );
  }
  return sizes;
}

export interface Entries {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/**
 * Names of the folders and files in `folder`, with links followed. Hidden entries and those of archivers are skipped.
 */
export async function entriesOf(folder: string): Promise<Entries> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.name.startsWith(".") || entry.name === "__MACOSX") continue;
      const isFolder = entry.isSymbolicLink() ? await leadsToFolder(join(folder, entry.name)) : entry.isDirectory();
      (isFolder ? folders : files).push(entry.name);
    }
  } catch (error) {
    throw fileError(error, folder);
  }
  return { folders: folders.sort(), files };
}

async function leadsToFolder(link: string): Promise<boolean> {
  return stat(link).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

/** The same path on every system, because it decides which images are held out. */
export function portable(path: string): string {
  return path.replaceAll(sep, "/");
}

function noFolders(folder: string, files: readonly string[]): UserError {
  const images = files.filter((name) => imageName.test(name)).length;
  return new UserError("bad-file", "there are no class folders", {
    about: folder,
    expected: "a folder for each class",
    received: images > 0 ? `${images} images that belong to no class` : "no images",
    hint:
      `Put the images into one folder for each class: ${folder}/cat/1.jpg, ${folder}/dog/1.jpg, … ` +
      'Or pass a CSV file with the header "path,label"',
  });
}

function emptyClass(folder: string, name: string, inside: readonly string[], others: readonly string[]): UserError {
  const received =
    others.length > 0
      ? `only other formats: ${listed(others)}`
      : inside.length > 0
        ? `only folders without images: ${listed(inside)}`
        : "no image";
  return new UserError("bad-file", `the class "${name}" has no images`, {
    about: folder,
    expected: `${FORMATS} files`,
    received,
    hint: "Put images into the folder, or remove it",
  });
}
