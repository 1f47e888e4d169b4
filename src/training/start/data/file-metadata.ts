/**
 * Metadata of a network's ONNX file about the images it takes: written when a run exports the network, read when images
 * are prepared for it.
 */
import { z } from "zod";
import { UserError } from "../../../core/errors.ts";
import { optional } from "../../../core/optional.ts";
import type { Dataset, InputColumns } from "../../../data/dataset.ts";
import { type ImageFileOptions, preparationSchema } from "../../../data/images/open.ts";
import { type Graph, takesChannelsLast } from "../../../graph/graph.ts";
import { columnsSchema } from "../../settings/columns.ts";
import type { ModelFile } from "../starting-network.ts";

/** N images, C channels (red, green, blue; or grey), H rows, W columns. */
const layouts = { first: "NCHW", last: "NHWC" } as const;

/** The names by number as a dictionary of Python, the form in which Ultralytics' models and their readers have them. */
function namesForPython(classes: readonly string[]): string {
  return `{${classes.map((name, label) => `${label}: ${JSON.stringify(name)}`).join(", ")}}`;
}

/** The value of the metadata "task" of networks that answer with any number of labels. */
const MULTI_LABEL = "multi-label";

/** Whether the metadata of a file says that its network answers with any number of labels. */
export function answersWithLabels({ header }: Pick<Graph, "header">): boolean {
  return (header?.metadata ?? []).some(([key, value]) => key === "task" && value === MULTI_LABEL);
}

/** Metadata for the file of `graph`, which was trained on the dataset. */
export function metadataOf(
  { name, classes, normalization, preparation, isUnlabelled, labelSets, columns }: Dataset,
  graph: Graph,
): Record<string, string> {
  return {
    dataset: name,
    ...(isUnlabelled === true ? {} : { classes: JSON.stringify(classes), names: namesForPython(classes) }),
    ...(labelSets === undefined || isUnlabelled === true ? {} : { task: MULTI_LABEL }),
    layout: takesChannelsLast(graph) ? layouts.last : layouts.first,
    normalization: JSON.stringify({ ...normalization, of: "pixel / 255" }),
    ...(preparation === undefined ? {} : { preparation: JSON.stringify(preparation) }),
    ...(columns === undefined ? {} : { columns: JSON.stringify(columns) }),
  };
}

/**
 * The columns of a table that feed the inputs besides the images, as the metadata of the file `path` says; undefined if
 * the network does not take these inputs, because they were given a fixed value.
 * @throws UserError "bad-file" if the entry cannot be read.
 */
export function columnsOfFile({ graph, path }: Pick<ModelFile, "graph" | "path">): InputColumns | undefined {
  const columns = entryOf({ graph, path }, "columns", columnsSchema);
  const taken = new Set(graph.inputs.map(({ name }) => name));
  return Object.keys(columns ?? {}).every((input) => taken.has(input)) ? columns : undefined;
}

/** `settings`, with the columns that the metadata of `file` names if they name none. Throws as `columnsOfFile` does. */
export function withColumnsOfFile<S extends { readonly columns?: InputColumns | undefined }>(
  settings: S,
  file: ModelFile | undefined,
): S {
  const columns = settings.columns === undefined && file !== undefined ? columnsOfFile(file) : undefined;
  return columns === undefined ? settings : { ...settings, columns };
}

/** The entry `key` of the file's metadata, read with `schema`. Throws `UserError("bad-file")` if that fails. */
function entryOf<T>(
  { graph, path }: Pick<ModelFile, "graph" | "path">,
  key: string,
  schema: z.ZodType<T>,
): T | undefined {
  const text = new Map(graph.header?.metadata ?? []).get(key);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new UserError("bad-file", `the metadata "${key}" cannot be read`, {
      about: path,
      hint: "Correct or remove this entry of the file's metadata",
      cause,
    });
  }
}

/** Image metadata of the ONNX specification, and its values as mean and standard deviation. */
const specified = { range: "Image.NominalPixelRange", format: "Image.BitmapPixelFormat" } as const;
const ranges: ReadonlyMap<string, readonly [mean: number, standardDeviation: number]> = new Map([
  ["NominalRange_0_255", [0, 1 / 255]],
  ["Normalized_0_1", [0, 1]],
  ["Normalized_1_1", [0.5, 0.5]],
]);
const formats: ReadonlyMap<string, number> = new Map([
  ["Gray8", 1],
  ["Rgb8", 3],
]);

/** Mean and standard deviation by the ONNX specification's metadata (`MetadataProps.md`), if the file has it. */
function specifiedConstants(
  metadata: ReadonlyMap<string, string>,
  path: string,
): z.infer<typeof constants> | undefined {
  const [range, format] = [metadata.get(specified.range), metadata.get(specified.format)];
  const channels = formats.get(format ?? "Rgb8");
  if (channels === undefined) {
    throw new UserError("unsupported", "the network takes pixels in another order of channels or with transparency", {
      about: `${specified.format} in the metadata of ${path}`,
      expected: [...formats.keys()].join(" or "),
      received: format ?? "",
      hint: "Export the network for one of these formats, or correct the metadata",
    });
  }
  const values = ranges.get(range ?? "");
  if (values === undefined) return undefined;
  const [mean, deviation] = values;
  return { mean: Array<number>(channels).fill(mean), standardDeviation: Array<number>(channels).fill(deviation) };
}

/** Throws `UserError("unsupported")` for an unknown layout of images. */
function checkLayout(layout: string | undefined, path: string): void {
  if (layout === undefined || layout === layouts.first || layout === layouts.last) return;
  throw new UserError("unsupported", "the network takes its images in another layout", {
    about: `layout in the metadata of ${path}`,
    expected: Object.values(layouts).join(" or "),
    received: layout,
    hint: "Export the network for one of these layouts, or correct the metadata",
  });
}

const numbers = z.array(z.number()).min(1);
const classNames = z.array(z.string()).min(1);
const constants = z.object({ mean: numbers, standardDeviation: numbers });

/**
 * How images must be prepared for the network of a file, as far as its metadata says: Espalier's own metadata, or that
 * of the ONNX specification; most other tools write none. Size and channels are those of the network's input and not
 * part of the result.
 * @throws UserError "bad-file" if an entry is not in Espalier's format, "unsupported" for another layout or order of
 * channels.
 */
export function preparationOf({ graph, path }: ModelFile): ImageFileOptions {
  const metadata = new Map(graph.header?.metadata ?? []);
  const read = <T>(key: string, schema: z.ZodType<T>): T | undefined => entryOf({ graph, path }, key, schema);
  const classes = read("classes", classNames);
  checkLayout(metadata.get("layout"), path);
  const { mean, standardDeviation } = read("normalization", constants) ?? specifiedConstants(metadata, path) ?? {};
  const { centreCrop, testShare, splitSeed, white } = read("preparation", preparationSchema) ?? {};
  return {
    ...optional({ classes }),
    ...(mean === undefined || standardDeviation === undefined ? {} : { mean, standardDeviation }),
    ...optional({ centreCrop, testShare, splitSeed, white }),
  };
}
