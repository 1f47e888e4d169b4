/**
 * `run.json`: the settings of a run and hashes of its data and initial weights, written once. Together with the dataset
 * it determines the run; a checkpoint adds the progress.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import type { Dataset, ImagePreparation, Normalization, Split } from "../../data/dataset.ts";
import { preparationSchema } from "../../data/images/open.ts";
import type { Weights } from "../../graph/graph.ts";
import { type Factor, factorKinds } from "../../selection/factors.ts";
import { controlOf } from "../events/event-parts.ts";
import type { ControlOf } from "../events/events.ts";
import { type TaughtOutput, taughtOutputSchema } from "../network/taught-output.ts";
import { type Settings, settingsSchema } from "../settings/settings.ts";
import { runFileError } from "./file-errors.ts";
import { type KeptFiles, keptNames } from "./kept-files.ts";
import { runFiles } from "./run-folder.ts";

/** A number of epochs that a run had before it got more. */
export interface Extension {
  readonly epochs: number;
  /** Step at which it got more. */
  readonly step: number;
}

export interface RunRecord {
  /** Version of this format. */
  readonly version: 1;
  readonly name: string;
  readonly created: string;
  /**
   * The model's name in the zoo or in its ONNX file; the name of the file if exporters give all networks the same name.
   */
  readonly model: string;
  readonly settings: Settings;
  /** Name of the caller's γ policy; absent if the settings decide γ. */
  readonly gammaPolicy?: string;
  /** Only for a from-scratch baseline: the run it belongs to. */
  readonly controlOf?: ControlOf;
  readonly data: {
    readonly name: string;
    /** The dataset's name or folder, to open it again. */
    readonly source: string;
    /** In the order of the logits. */
    readonly classes: readonly string[];
    /** Mean and standard deviation of pixels; missing in runs of older versions, which used the dataset's own. */
    readonly normalization?: Normalization;
    /** For image files: how they are prepared for the network. */
    readonly preparation?: ImagePreparation;
    /**
     * sha256 of the images, labels and inputs of each split, as limited by the settings. For image files: of their
     * names, sizes in bytes, labels and inputs, because reading all of a large dataset would take longer than an epoch.
     */
    readonly sha256: { readonly train: string; readonly test: string };
  };
  /** If outputs are taught: what each is, and how much it varies; measured when the run begins. */
  readonly taught?: readonly TaughtOutput[];
  /** The batch norms that were put back for training (`start/restored-norms.ts`), by name. */
  readonly restoredNorms?: readonly string[];
  /** sha256 over all parameters, in the graph's order. */
  readonly initialWeights: string;
  /** sha256 of the files that the run keeps and reads again when it is resumed, by name; absent if it has none. */
  readonly files?: KeptFiles;
  readonly factors: readonly Factor[];
  /** The earlier lengths of a run that was resumed for more epochs, the first one first. */
  readonly extensions?: readonly Extension[];
  readonly engine: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const record: z.ZodType<RunRecord> = z.object({
  version: z.literal(1),
  name: z.string(),
  created: z.iso.datetime(),
  model: z.string(),
  settings: settingsSchema,
  gammaPolicy: z.string().exactOptional(),
  controlOf: controlOf.exactOptional(),
  data: z.object({
    name: z.string(),
    source: z.string(),
    classes: z.array(z.string()),
    normalization: z.object({ mean: z.array(z.number()), standardDeviation: z.array(z.number()) }).exactOptional(),
    preparation: preparationSchema.exactOptional(),
    sha256: z.object({ train: sha256, test: sha256 }),
  }),
  taught: z.array(taughtOutputSchema).exactOptional(),
  restoredNorms: z.array(z.string()).exactOptional(),
  initialWeights: sha256,
  files: z.partialRecord(z.enum(keptNames), sha256).exactOptional(),
  factors: z.array(
    z.object({
      parameter: z.string(),
      kind: z.enum(factorKinds),
      layer: z.string(),
      count: z.int().positive(),
      gamma: z.number().nonnegative(),
      gammaScale: z.array(z.number().nonnegative()).exactOptional(),
      keepLast: z.boolean(),
      keepRun: z.tuple([z.int().nonnegative(), z.int().nonnegative()]).exactOptional(),
    }),
  ),
  extensions: z.array(z.object({ epochs: z.int().positive(), step: z.int().nonnegative() })).exactOptional(),
  engine: z.record(z.string(), z.string()),
  environment: z.record(z.string(), z.string()),
});

/** Writes `run.json` of `folder` atomically. */
export async function writeRunRecord(folder: string, value: RunRecord): Promise<void> {
  const path = join(folder, runFiles.record);
  try {
    await writeFileAtomic(path, `${JSON.stringify(value, undefined, 2)}\n`);
  } catch (error) {
    throw runFileError(error, path);
  }
}

/**
 * Reads `run.json` of `folder`.
 * @throws UserError "missing-file" if `folder` is not a run; "bad-file" if the file is damaged or of another version.
 */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  const path = join(folder, runFiles.record);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw runFileError(error, path, `Name the folder of a run: the one that has a ${runFiles.record}`);
  }
  try {
    return record.parse(JSON.parse(text));
  } catch (cause) {
    const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const what = issue === undefined ? "not JSON" : `${issue.path.join(".")}: ${issue.message}`;
    throw new UserError("bad-file", `run.json cannot be read (${what})`, {
      about: path,
      hint: "The run cannot continue without it: train it again under another name",
      cause,
    });
  }
}

/** sha256 of each split of `dataset`, for `RunRecord.data`. */
export function hashData({ train, test, labelSets }: Dataset): RunRecord["data"]["sha256"] {
  return { train: hashSplit(train, labelSets), test: hashSplit(test, labelSets) };
}

function hashSplit(split: Split, sets: Dataset["labelSets"]): string {
  const hash = createHash("sha256");
  if ("images" in split) hash.update(split.images);
  else for (const { path, bytes } of split.files) hash.update(`${path}\0${bytes}\n`);
  // The numbers of sets say little without the sets.
  if (sets !== undefined) hash.update(JSON.stringify(sets));
  for (const [name, { values }] of Object.entries(split.inputs ?? {})) hash.update(`${name}\0`).update(bytesOf(values));
  return hash.update(bytesOf(split.labels)).digest("hex");
}

/** sha256 of all names and values, in the order of the map. */
export function hashWeights(weights: Weights): string {
  const hash = createHash("sha256");
  for (const [name, { data }] of weights) hash.update(name).update(bytesOf(data));
  return hash.digest("hex");
}

function bytesOf(data: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
