/**
 * Comparison of runs: found by folder, grouped by network and data, with their from-scratch baselines and the Pareto
 * front.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { type BaselineKind, baselineKindOf, baselineKinds } from "../training/events/baseline-kinds.ts";
import { runFileError } from "../training/run-folder/file-errors.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { type RunSummary, summarizeRun } from "./run-summary.ts";

/** A run with its from-scratch baselines. */
export interface ComparedRun {
  readonly run: RunSummary;
  /** The from-scratch baselines that were trained. */
  readonly controls: { readonly [Kind in BaselineKind]?: RunSummary };
  /** Whether no other run of the group is as accurate with fewer MACs. */
  readonly isOnFront: boolean;
}

/** Runs of one network on one dataset, with one kind of score. */
export interface RunGroup {
  readonly model: string;
  readonly dataset: string;
  /**
   * "agreement": with the original's outputs, which the runs were taught. "mAP": the mean average precision of images
   * with several labels.
   */
  readonly score: "accuracy" | "agreement" | "mAP";
  /** Sorted by MACs, the largest first. */
  readonly runs: readonly ComparedRun[];
}

export interface Comparison {
  readonly groups: readonly RunGroup[];
  /** Folders of runs that are not finished, relative to the working directory. */
  readonly unfinished: readonly string[];
}

/**
 * Compares the finished runs in `places`: folders of runs, folders of such folders (a sweep's), or globs of either.
 * @throws UserError "missing-file" if a place has no run in it, "bad-option" if no run is finished.
 */
export async function compareRuns(places: readonly string[]): Promise<Comparison> {
  requireArguments("compareRuns", { places: [places, "texts"] });
  const folders = [...new Set((await Promise.all(places.map(runFoldersIn))).flat())];
  const summaries: RunSummary[] = [];
  const unfinished: string[] = [];
  for (const folder of folders) {
    const summary = await summarizeRun(folder);
    if (summary === undefined) unfinished.push(relative(process.cwd(), folder));
    else summaries.push(summary);
  }
  if (summaries.length === 0) {
    throw new UserError("bad-option", "none of the runs is finished", {
      list: unfinished,
      hint: `Finish one with "espalier resume ${unfinished[0]}"`,
    });
  }
  return { groups: groupRuns(summaries), unfinished };
}

/**
 * Groups `summaries` by network, data and score, each run with its from-scratch baselines. Baselines without a run stay
 * alone.
 */
export function groupRuns(summaries: readonly RunSummary[]): readonly RunGroup[] {
  const keyOf = (run: RunSummary): string => JSON.stringify([run.model, run.dataset, scoreOf(run)]);
  return [...new Set(summaries.map(keyOf))].map((key): RunGroup => {
    const own = summaries.filter((run) => keyOf(run) === key);
    const controlled = (run: RunSummary, kind: BaselineKind): RunSummary | undefined =>
      own.find(
        ({ controlOf, group }) =>
          controlOf?.run === run.name && baselineKindOf(controlOf) === kind && group === run.group,
      );
    const main = own.filter(
      ({ controlOf, group }) =>
        controlOf === undefined || !own.some((run) => run.name === controlOf.run && run.group === group),
    );
    const front = new Set(
      paretoFront(
        main.filter(({ controlOf }) => controlOf === undefined),
        "macs",
      ),
    );
    const runs = main.map((run): ComparedRun => {
      const [epochs, macs, uniform] = baselineKinds.map((kind) => controlled(run, kind));
      const controls = optional({ epochs, macs, uniform });
      return { run, controls, isOnFront: front.has(run) };
    });
    const [first] = own;
    return {
      model: first?.model ?? "",
      dataset: first?.dataset ?? "",
      score: first === undefined ? "accuracy" : scoreOf(first),
      runs: runs.toSorted((a, b) => b.run.after.macs - a.run.after.macs || a.run.seed - b.run.seed),
    };
  });
}

/** What the accuracies of a run are. */
export function scoreOf({ isTaught, isMultiLabel }: RunSummary): RunGroup["score"] {
  if (isMultiLabel === true) return "mAP";
  return isTaught === true ? "agreement" : "accuracy";
}

/** The from-scratch baselines of a run, in the order of their kinds. */
export function controlsOf(controls: ComparedRun["controls"]): readonly RunSummary[] {
  return baselineKinds.flatMap((kind) => controls[kind] ?? []);
}

/** The costs that accuracy is compared with. Latency is the measured one. */
export type CostMeasure = "macs" | "parameters" | "latency";

/**
 * The Pareto front of `runs`, cheapest first: no other run is more accurate at the same cost or less, or as accurate at
 * a lower cost.
 */
export function paretoFront(runs: readonly RunSummary[], measure: CostMeasure): readonly RunSummary[] {
  const costOf = ({ after }: RunSummary): number => after[measure] ?? Number.POSITIVE_INFINITY;
  const sorted = runs.toSorted((a, b) => costOf(a) - costOf(b) || b.after.accuracy - a.after.accuracy);
  let best = Number.NEGATIVE_INFINITY;
  return sorted.filter(({ after: { accuracy } }) => {
    if (accuracy <= best) return false;
    best = accuracy;
    return true;
  });
}

/** Folders of runs at `place`: a run, a folder of runs, or a glob of either. */
async function runFoldersIn(place: string): Promise<readonly string[]> {
  if (isDynamicPattern(place)) {
    const found = await glob(place, { onlyDirectories: true, expandDirectories: false, absolute: true });
    const runs = (await Promise.all(found.map(runsAt))).flat();
    if (runs.length > 0) return runs.toSorted();
  } else {
    const runs = await runsAt(resolve(place));
    if (runs.length > 0) return runs;
  }
  throw new UserError("missing-file", "there is no run here", {
    about: place,
    hint: `Name folders that contain a ${runFiles.record}, or a folder of such folders`,
  });
}

async function runsAt(folder: string): Promise<readonly string[]> {
  let names: readonly string[];
  try {
    names = (await readdir(folder)).toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch (error) {
    throw runFileError(error, folder, "Is this the folder of a run or of a sweep?");
  }
  if (names.includes(runFiles.record)) return [folder.replace(/[\\/]$/, "")];
  const inside = await Promise.all(
    names.map(async (name) => ((await isFile(join(folder, name, runFiles.record))) ? [join(folder, name)] : [])),
  );
  return inside.flat();
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Label of a run in comparisons: its aim, "baseline", or the run whose from-scratch baseline it is. */
export function labelOf({ aim, controlOf, name }: RunSummary): string {
  if (controlOf !== undefined) return `from scratch: ${basename(controlOf.run)}`;
  return aim === "" ? "baseline" : aim || name;
}
