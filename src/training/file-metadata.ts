/** What a network's file says about the images it takes: written when a run exports it, read when images are prepared for it. */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { Dataset } from "../data/dataset.ts";
import { type ImageFileOptions, preparationSchema } from "../data/images/open.ts";
import { loadOnnxMetadata } from "../formats/onnx/index.ts";

/** Metadata for the file of a network that was trained on `dataset`. */
export function metadataOf({ name, classes, normalization, preparation }: Dataset): Record<string, string> {
  return {
    dataset: name,
    classes: JSON.stringify(classes),
    normalization: JSON.stringify({ ...normalization, of: "pixel / 255" }),
    ...(preparation === undefined ? {} : { preparation: JSON.stringify(preparation) }),
  };
}

const numbers = z.array(z.number()).min(1);
const classNames = z.array(z.string()).min(2);
const constants = z.object({ mean: numbers, standardDeviation: numbers });

/**
 * How image files are to be prepared for the network in the file `path`, as far as its metadata says; a file of another tool says
 * nothing. Size and channels are the network's own and not told here.
 * @throws UserError "bad-file" if an entry is not what Espalier writes, and what reading the file throws.
 */
export async function preparationOf(path: string): Promise<ImageFileOptions> {
  const metadata = await loadOnnxMetadata(path);
  const read = <T>(key: string, schema: z.ZodType<T>): T | undefined => {
    const text = metadata.get(key);
    if (text === undefined) return undefined;
    try {
      return schema.parse(JSON.parse(text));
    } catch (cause) {
      throw new UserError("bad-file", `its metadata "${key}" cannot be read`, { about: path, cause });
    }
  };
  const classes = read("classes", classNames);
  const { mean, standardDeviation } = read("normalization", constants) ?? {};
  const { centreCrop, testShare, splitSeed } = read("preparation", preparationSchema) ?? {};
  return {
    ...(classes === undefined ? {} : { classes }),
    ...(mean === undefined || standardDeviation === undefined ? {} : { mean, standardDeviation }),
    ...(centreCrop === undefined ? {} : { centreCrop }),
    ...(testShare === undefined ? {} : { testShare }),
    ...(splitSeed === undefined ? {} : { splitSeed }),
  };
}
