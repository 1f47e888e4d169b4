/**
 * `npm run results [-- plan …] [--runs folder] [--only-document]`: trains the plans in `bench/results/` one after
 * another, each as a sweep that continues where it stopped. It stores the finished runs of each plan in a table in
 * `docs/results/`, and writes `docs/results.md` and its picture from the tables. Ctrl-C stops after a step; finished
 * runs are stored.
 *
 * `npm run results -- --add <folder> [--from <file.onnx>]`: trains nothing. It adds the finished runs of `espalier
 * train` in `folder` to the table of that name. `--from`: the file that they started from; its accuracy is measured.
 *
 * `npm run results -- --control <plan>/<run> [--precision f32]`: trains the from-scratch baseline of a run in the
 * plan's table whose folder is gone, in an architecture of the same widths.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { required, UserError } from "../src/core/errors.ts";
import { optional } from "../src/core/optional.ts";
import { compareRuns, controlsOf } from "../src/experiments/comparison.ts";
import { type RunSummary, runSummarySchema } from "../src/experiments/run-summary.ts";
import { readPlan, runsOf } from "../src/experiments/sweep-plan.ts";
import { runFiles } from "../src/training/run-folder/run-folder.ts";
import { asSettings } from "../src/training/settings/settings.ts";
import { accuracyPicture } from "./shared/accuracy-picture.ts";
import { lostControl } from "./shared/lost-control.ts";
import { outcomesOf } from "./shared/result-outcomes.ts";
import { type ResultTable, resultsDocument } from "./shared/results-document.ts";
import { startOf } from "./shared/started-from.ts";

const PLANS = "bench/results";
const TABLES = "docs/results";
const DOCUMENT = "docs/results.md";
const PICTURE = "docs/pictures/accuracy.svg";
const INTERRUPTED = 130;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "runs/results" },
    "only-document": { type: "boolean", default: false },
    add: { type: "string" },
    from: { type: "string" },
    control: { type: "string" },
    precision: { type: "string" },
  },
});

async function namesIn(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".json"));
  return files.map((name) => basename(name, ".json")).toSorted();
}

/** Trains the remaining runs of a plan; false if it was stopped. The sweep itself reports failed runs. */
async function trainPlan(name: string): Promise<boolean> {
  const sweep = ["dist/cli/main.js", "sweep", join(PLANS, `${name}.json`), "--out", join(values.runs, name)];
  const { exitCode } = await execa("node", sweep, { stdio: "inherit", reject: false });
  return exitCode !== INTERRUPTED;
}

/** The finished runs in `folder`, each followed by its from-scratch baselines; empty if there are none. */
async function finishedIn(folder: string): Promise<readonly RunSummary[]> {
  try {
    const { groups } = await compareRuns([folder]);
    return groups.flatMap((group) => group.runs.flatMap(({ run, controls }) => [run, ...controlsOf(controls)]));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(`no table for ${folder}: ${error.message}`);
    return [];
  }
}

/** The runs of a table; empty if there is no such table. */
async function readTable(name: string): Promise<readonly RunSummary[]> {
  if (!(await namesIn(TABLES)).includes(name)) return [];
  return z.array(runSummarySchema).parse(JSON.parse(await readFile(join(TABLES, `${name}.json`), "utf8")));
}

/** Adds runs to the table `name`. A run replaces an earlier one of the same name. */
async function addToTable(name: string, added: readonly RunSummary[]): Promise<void> {
  if (added.length === 0) return;
  const runs = new Map([...(await readTable(name)), ...added].map((run) => [run.name, run]));
  const lines = [...runs.values()].map((run) => `  ${JSON.stringify(run)}`);
  await writeFileAtomic(join(TABLES, `${name}.json`), `[\n${lines.join(",\n")}\n]\n`);
}

/** Adds the file that `run` of `folder` started from, if it is given. */
async function withStart(folder: string, run: RunSummary, file: string | undefined): Promise<RunSummary> {
  if (file === undefined || run.controlOf !== undefined) return run;
  const isItself = existsSync(join(folder, runFiles.record));
  return { ...run, startedFrom: await startOf(isItself ? folder : join(folder, run.name), file) };
}

async function addRuns(folder: string): Promise<void> {
  const runs: RunSummary[] = [];
  for (const run of await finishedIn(folder)) runs.push(await withStart(folder, run, values.from));
  await addToTable(basename(resolve(folder)), runs);
}

async function addControl(place: string): Promise<void> {
  const [name, wanted] = [dirname(place), basename(place)];
  const run = (await readTable(name)).find((one) => one.name === wanted);
  if (run === undefined) {
    const hint = "Name it as <plan>/<run>, for example resnet-20/budget-50-seed-1";
    throw new UserError("bad-option", `there is no such run in ${TABLES}`, { about: place, hint });
  }
  const planned = runsOf(await readPlan(join(PLANS, `${name}.json`))).find((one) => one.name === wanted);
  const settings = asSettings({
    ...required(planned, `${wanted} in the plan`).settings,
    ...optional({ precision: values.precision }),
  });
  await addToTable(name, [await lostControl(run, settings, join(values.runs, name))]);
}

async function trainPlans(): Promise<void> {
  for (const name of positionals.length > 0 ? positionals : await namesIn(PLANS)) {
    const isWhole = await trainPlan(name);
    await addToTable(name, await finishedIn(join(values.runs, name)));
    if (!isWhole) return;
  }
}

async function writeDocument(): Promise<void> {
  const tables: ResultTable[] = [];
  for (const name of await namesIn(TABLES)) {
    tables.push({ name, runs: await readTable(name) });
  }
  await writeFileAtomic(DOCUMENT, resultsDocument(tables));
  await writeFileAtomic(PICTURE, accuracyPicture(outcomesOf(tables.flatMap(({ runs }) => runs))));
  console.log(`${DOCUMENT}: ${tables.reduce((sum, { runs }) => sum + runs.length, 0)} runs`);
}

async function main(): Promise<void> {
  await mkdir(TABLES, { recursive: true });
  if (values.add !== undefined) await addRuns(values.add);
  else if (values.control !== undefined) await addControl(values.control);
  else if (!values["only-document"]) await trainPlans();
  await writeDocument();
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
