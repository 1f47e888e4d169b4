/** The names that people give to the parts of a dataset, in folders and in tables, in any case. */

const trainNames: readonly string[] = ["train", "training"];
/** In this order: a test part comes before a validation part. */
const testNames: readonly string[] = ["test", "testing", "val", "valid", "validation"];

/** All of them, for messages. */
export const splitNames: readonly string[] = [...trainNames, ...testNames];

/** The part that `name` means; undefined if it is no name of a part. */
export function splitNamed(name: string): "train" | "test" | undefined {
  const own = name.toLowerCase();
  return trainNames.includes(own) ? "train" : testNames.includes(own) ? "test" : undefined;
}

export interface SplitFolders {
  /** The folder of the training part. */
  readonly train: string | undefined;
  /** Folders of images for testing, the first choice first. */
  readonly tests: readonly string[];
}

/** Which of `folders` are named like the parts of a dataset. */
export function splitFolders(folders: readonly string[]): SplitFolders {
  const called = (names: readonly string[]): readonly string[] =>
    names.flatMap((name) => folders.filter((folder) => folder.toLowerCase() === name));
  return { train: called(trainNames)[0], tests: called(testNames) };
}
