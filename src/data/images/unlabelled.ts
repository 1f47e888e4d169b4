/**
 * Lists the images below a folder without classes, for networks that learn without labels: all of them, or those in
 * `train/` and in `test/` or `val/` if these exist.
 */
import { join, relative } from "node:path";
import { UserError } from "../../core/errors.ts";
import { FORMATS, imageName, otherImageName } from "./formats.ts";
import { entriesOf, type FolderParts, fileSizes, filesBelow, type Part, portable } from "./image-folder.ts";
import { splitFolders } from "./split-names.ts";

/** The class that stands for all images. */
export const ANY_CLASS = "images";

/** @throws UserError "bad-file" for a folder without images, and the errors of reading a folder. */
export async function listUnlabelled(folder: string): Promise<FolderParts> {
  const { folders } = await entriesOf(folder);
  const { train, tests } = splitFolders(folders);
  const [held, ...unused] = tests;
  if (train === undefined || held === undefined) return { train: await partOf(folder, folder), test: undefined };
  return { train: await partOf(folder, join(folder, train)), test: await partOf(folder, join(folder, held)), unused };
}

async function partOf(root: string, place: string): Promise<Part> {
  const { files } = await filesBelow(place);
  const images = files.filter((name) => imageName.test(name)).sort();
  if (images.length === 0) {
    throw new UserError("bad-file", "there are no images", {
      about: place,
      expected: `${FORMATS} files`,
      received: files.length === 0 ? "an empty folder" : `${files.length} other files`,
      hint: "Name the folder that holds the pictures",
    });
  }
  const paths = images.map((name) => join(place, name));
  const sizes = await fileSizes(paths);
  return {
    about: place,
    classes: [ANY_CLASS],
    files: paths.map((path, index) => ({
      path: portable(relative(root, path)),
      bytes: sizes[index] ?? 0,
      className: ANY_CLASS,
    })),
    skipped: files.filter((name) => otherImageName.test(name)),
  };
}
