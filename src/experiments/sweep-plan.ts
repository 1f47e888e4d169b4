/**
 * The plan of a sweep: one model, one dataset, settings that all runs share, points that each change some settings, and
 * seeds. It is stored in `sweep.json` in the sweep's folder, beside the folders of the runs.
 */

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { requireArguments } from "../core/arguments.ts";
import { aboutPart, UserError } from "../core/errors.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { type BaselineKind, baselineKinds } from "../training/events/baseline-kinds.ts";
import { runFileError } from "../training/run-folder/file-errors.ts";
import { asSettings, parseSettings, type Settings, type SettingsInput } from "../training/settings/settings.ts";
import { bringsWeights, withFineTuning } from "../training/start/fine-tuning.ts";
import { controlFolder } from "./control.ts";
import { setBySweep } from "./settings.ts";

/** A point: the settings that it changes. A setting that is an object is replaced as a whole. */
export interface SweepPoint {
  /** The names of its runs start with this. */
  readonly name: string;
  readonly settings: Readonly<Partial<SettingsInput>>;
}

export interface SweepPlan {
  /** Version of this format. */
  readonly version: 1;
  /** Name of the recipe that the settings come from, for information; the plan has all of the settings. */
  readonly recipe?: string;
  /** As `train` takes it: a name of the zoo, or the path of an ONNX file. */
  readonly model: string;
  /** As `--data` takes it. */
  readonly data: string;
  /** For image files: how they are prepared. */
  readonly images?: Pick<ImageFileOptions, "size" | "mean" | "standardDeviation" | "testShare" | "splitSeed" | "white">;
  readonly settings: SettingsInput;
  readonly points: readonly SweepPoint[];
  readonly seeds: readonly number[];
  /** The from-scratch baselines of each run. A run that pruned nothing gets none. */
  readonly controls: readonly BaselineKind[];
}

/** A run of a sweep. */
export interface SweepRun {
  /** Name of the run and of its folder. */
  readonly name: string;
  readonly point: string;
  readonly seed: number;
  /** Settings of the run; for a from-scratch baseline, those of the run that it belongs to. */
  readonly settings: SettingsInput;
  /** Only for a from-scratch baseline: the run of the sweep that it belongs to. */
  readonly controlOf?: { readonly name: string; readonly kind: BaselineKind };
}

export const SWEEP_FILE = "sweep.json";

const safeName = z.string().regex(/^[\w.][\w.=-]*$/, "letters, digits, dots, dashes, = and underscores only");
const settings = z.record(z.string(), z.unknown());
const schema = z.strictObject({
  version: z.literal(1),
  recipe: z.string().exactOptional(),
  model: z.string().min(1),
  data: z.string().min(1).default("cifar10"),
  images: z
    .strictObject({
      size: z.union([z.int().positive(), z.tuple([z.int().positive(), z.int().positive()])]).exactOptional(),
      mean: z.array(z.number()).exactOptional(),
      standardDeviation: z.array(z.number()).exactOptional(),
      testShare: z.number().exactOptional(),
      splitSeed: z.int().exactOptional(),
      white: z.int().exactOptional(),
    })
    .exactOptional(),
  settings,
  points: z.array(z.strictObject({ name: safeName, settings })).min(1),
  seeds: z.array(z.int().min(0).max(0xffffffff)).min(1).default([1]),
  controls: z.array(z.enum(baselineKinds)).default([]),
});

/**
 * Checks `input` and the settings of every run in it.
 * @throws UserError "bad-option" or "unknown-name" that names the point; `about`: where the plan comes from.
 */
export function parsePlan(input: unknown, about: string): SweepPlan {
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError("bad-option", `this is not the plan of a sweep: ${issue?.path.join(".")} ${issue?.message}`, {
      about,
      hint: "It needs model, settings and points; see docs/experiments.md",
      cause: parsed.error,
    });
  }
  const plan = parsed.data;
  requireDistinct(
    "points",
    plan.points.map(({ name }) => name),
    about,
  );
  requireDistinct("seeds", plan.seeds.map(String), about);
  const shared = readSettings(plan.settings, {}, about);
  const points = plan.points.map(({ name, settings: changed }): SweepPoint => {
    readSettings(plan.settings, changed, `${about}, point "${name}"`);
    return { name, settings: changed };
  });
  return { ...plan, settings: shared, points };
}

/**
 * Reads the plan in `path`, a file or the folder of a sweep.
 * @throws UserError "missing-file", "bad-file" if it is not JSON, and the errors of `parsePlan`.
 */
export async function readPlan(path: string): Promise<SweepPlan> {
  requireArguments("readPlan", { path: [path, "text"] });
  const file = path.toLowerCase().endsWith(".json") ? path : join(path, SWEEP_FILE);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw runFileError(error, file, "Is this the folder or the plan of a sweep?");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UserError("bad-file", "the plan of the sweep is not JSON", {
      about: file,
      hint: "Correct the file; docs/experiments.md describes the format",
      cause,
    });
  }
  return parsePlan(value, file);
}

/** Writes `plan` into `folder`, and creates the folder if needed. */
export async function writePlan(folder: string, plan: SweepPlan): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(join(folder, SWEEP_FILE), `${JSON.stringify(plan, undefined, 2)}\n`);
  } catch (error) {
    throw runFileError(error, join(folder, SWEEP_FILE));
  }
}

/**
 * The runs of `plan` in the order of training: all points of one seed before the next seed, each run followed by its
 * from-scratch baselines.
 */
export function runsOf({ points, seeds, settings: shared, controls }: SweepPlan): readonly SweepRun[] {
  return seeds.flatMap((seed) =>
    points.flatMap((point): SweepRun[] => {
      const name = `${point.name}-seed-${seed}`;
      const run = { name, point: point.name, seed, settings: { ...shared, ...point.settings, seed } };
      const controlled = controls.map((kind): SweepRun => {
        return { ...run, name: controlFolder(name, kind), controlOf: { name, kind } };
      });
      return [run, ...controlled];
    }),
  );
}

/** Settings of a run of `model` with every default, as in its `run.json`. */
export function settledSettings(model: string, input: SettingsInput): Settings {
  const isFineTuned = bringsWeights(model) && input.fromScratch !== true;
  return parseSettings(isFineTuned ? withFineTuning(input) : input);
}

function requireDistinct(what: string, names: readonly string[], about: string): void {
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice === undefined) return;
  throw new UserError("bad-option", `two ${what} of the sweep are the same: ${twice}`, {
    about,
    hint: "Leave one out, or change it",
  });
}

function readSettings(shared: object, changed: object, about: string): SettingsInput {
  const input: unknown = { ...shared, ...changed };
  for (const name of setBySweep) {
    if (Object.hasOwn({ ...shared, ...changed }, name)) {
      throw new UserError("bad-option", `the sweep decides "${name}"`, {
        about,
        hint: name === "seed" ? 'List the seeds in "seeds"' : "Name the points instead",
      });
    }
  }
  try {
    return asSettings(input);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw aboutPart(error, about);
  }
}
