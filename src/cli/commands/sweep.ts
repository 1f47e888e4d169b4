/**
 * `espalier sweep`: several sparsity strengths and seeds of the same training in turn, gone on with where it stopped.
 */
import { stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import { UserError } from "../../core/errors.ts";
import { integerFor, oneOf } from "../../core/text-values.ts";
import { datasetReference } from "../../data/references.ts";
import { type Cluster, failTogether } from "../../distributed/cluster.ts";
import { joinCluster } from "../../distributed/join.ts";
import { imagesOf, requireWorkers, type SweepResult, sweep } from "../../experiments/sweep.ts";
import { parsePlan, readPlan, type SweepPlan } from "../../experiments/sweep-plan.ts";
import type { ControlOf } from "../../training/events.ts";
import { type GammaRequest, readGammas } from "../../training/settings/codecs.ts";
import { settingFlags, settingsOfFlags } from "../../training/settings/flags.ts";
import type { SettingsInput } from "../../training/settings/settings.ts";
import { inputOf, type OpenModel, openModel } from "../../training/start/starting-network.ts";
import { type Context, withCommonOptions } from "../context.ts";
import { givenFlags, imageOptions } from "../flags.ts";
import { selectionFor } from "../selection.ts";
import { finishedLines } from "../view/comparison.ts";
import { dataProgress } from "../view/data-progress.ts";
import { parallelView } from "../view/parallel-view.ts";
import { fileLines, nearPath } from "../view/run-summary.ts";
import { outcome, sweepView } from "../view/sweep-view.ts";
import { listRecipes } from "./recipes.ts";
import { addTrainingOptions, requestOf, type TrainingFlags } from "./train.ts";

interface SweepFlags extends TrainingFlags {
  readonly gammas?: readonly GammaRequest[];
  readonly budgets?: readonly string[];
  readonly seeds?: readonly number[];
  readonly baseline?: true;
  readonly controls?: (typeof controlChoices)[number] | true;
  readonly out?: string;
  readonly parallel?: (typeof parallelChoices)[number];
}

const controlChoices = ["epochs", "macs", "both"] as const;
const parallelChoices = ["runs"] as const;

/** Collects the values of an option that takes several. */
function several<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before = []) => [...before, parse(text)];
}

function gammaName({ all, ...kinds }: GammaRequest): string {
  if (all !== undefined) return `gamma-${all}`;
  return Object.entries(kinds)
    .map(([kind, value]) => `${kind}-${value}`)
    .join("-");
}

/** Checked with the plan. */
interface PlannedPoint {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A point each; `settings`: what the runs share, and the only point takes where none is asked for. */
function pointsOf(
  model: OpenModel<string>,
  options: SweepFlags,
  settings: SettingsInput,
  command: Command,
): readonly PlannedPoint[] {
  // Each of --gammas stands in for --gamma; the flags of single kinds come before all of them.
  const given = givenFlags(
    command,
    settingFlags.filter(({ key }) => key !== "gamma"),
  );
  const { select: ofKinds } = settingsOfFlags(given);
  const gammas = (options.gammas ?? []).map((gamma) => ({
    name: gammaName(gamma),
    settings: { select: selectionFor(model, { ...gamma, ...ofKinds }) },
  }));
  const budgets = (options.budgets ?? []).map((budget) => ({
    name: `budget-${budget.replaceAll(/[^\w.-]/g, "")}`,
    settings: { budget },
  }));
  const plain = options.baseline === true ? [{ name: "baseline", settings: { select: {} } }] : [];
  const { select = {}, budget } = settings;
  // What the recipe itself asks for, where no other values are named.
  const hasOwn = options.recipe !== undefined && gammas.length + budgets.length === 0;
  const own = hasOwn ? [{ name: "recipe", settings: { select, ...(budget === undefined ? {} : { budget }) } }] : [];
  const points: readonly PlannedPoint[] = [...plain, ...own, ...gammas, ...budgets];
  return points.length > 0 ? points : [{ name: "run", settings: {} }];
}

function controlsOf(chosen: SweepFlags["controls"]): readonly ControlOf["same"][] {
  if (chosen === undefined) return [];
  if (chosen === "both") return ["epochs", "macs"];
  return [chosen === true ? "epochs" : chosen];
}

async function planFrom(named: string | undefined, options: SweepFlags, command: Command): Promise<SweepPlan> {
  const { model, opened, data, settings } = await requestOf(named, options, command);
  const { seed = 1, budget, ...shared } = settings;
  const images = imageOptions(command);
  const points = pointsOf(opened, options, settings, command);
  // A budget that all runs shared would be one of those with a γ, too.
  const isShared = budget !== undefined && points.every(({ name }) => name === "run");
  return parsePlan(
    {
      version: 1,
      ...(options.recipe === undefined ? {} : { recipe: options.recipe }),
      model,
      data,
      ...(Object.keys(images).length === 0 ? {} : { images }),
      settings: isShared ? { ...shared, budget } : shared,
      points,
      seeds: options.seeds ?? [seed],
      controls: controlsOf(options.controls),
    },
    "the sweep",
  );
}

/** Whether `source` is a plan or the folder of a sweep, and no model. */
async function isPlan(source: string): Promise<boolean> {
  if (source.toLowerCase().endsWith(".json")) return true;
  return stat(source).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

const besidePlan: ReadonlySet<string> = new Set(["out", "parallel", "json", "debug"]);

function refuseOptions(command: Command, source: string): void {
  const given = command.options.find(
    (option) =>
      !besidePlan.has(option.attributeName()) && command.getOptionValueSource(option.attributeName()) === "cli",
  );
  if (given === undefined) return;
  throw new UserError("bad-option", `${given.long} cannot be given beside a plan, which has all settings`, {
    about: source,
    hint: "Change the plan, or name a model instead of it",
  });
}

async function runSweep(
  context: Context,
  source: string | undefined,
  options: SweepFlags,
  command: Command,
): Promise<void> {
  if (options.recipe === "list") return listRecipes(context, options);
  const { stdout, stderr, interruption, rank = 0 } = context;
  const { json = false, parallel } = options;
  const cluster = await joinCluster();
  if (parallel !== undefined) requireWorkers(cluster);
  const { planned, plan } = await cluster.onFirst(async () => {
    if (source === undefined || !(await isPlan(source))) {
      return { planned: "", plan: await planFrom(source, options, command) };
    }
    refuseOptions(command, source);
    return { planned: source, plan: await readPlan(source) };
  });
  const isFolder = planned !== "" && !planned.toLowerCase().endsWith(".json");
  const folder = options.out ?? (isFolder ? source : undefined);
  const data = await cluster.together(() =>
    dataProgress(context, async (onProgress) => {
      const reference = datasetReference(plan.data, { onProgress, ...imagesOf(plan) });
      const dataset = await reference.open(inputOf(await openModel(plan.model)));
      return { spec: reference.spec, open: async () => dataset };
    }),
  );
  const view = parallel === undefined ? sweepView(stdout, { json }) : parallelView(stdout, { json });
  const onFirstInterrupt = (): void => {
    if (rank > 0) return;
    const line = "stopping after this step and writing a checkpoint (Ctrl-C again to leave at once)";
    if (json) stderr.print(line);
    else view.print(`  ${stdout.colours.yellow("!")} ${line}`);
  };
  try {
    const result = await interruption.guard(onFirstInterrupt, () =>
      sweep(plan, {
        data,
        ...(folder === undefined ? {} : { folder }),
        ...(parallel === undefined ? {} : { parallel }),
        onEvent: (event, name) => view.event(event, name),
        onRun: (report) => view.run(report),
        signal: interruption.signal,
      }),
    );
    view.settle();
    if (!json) {
      const isAny = result.reports.some(({ state }) => state === "finished" || state === "done");
      const table = isAny ? await finishedLines([result.folder], stdout) : [];
      const lines = fileLines([["sweep", result.folder]], stdout);
      for (const line of [...table, "", `  ${outcome(result)}`, ...lines]) stdout.print(line);
      if (isAny)
        stdout.print(stdout.colours.dim(`  plots: espalier compare ${nearPath(result.folder)} --out comparison`));
    }
    await requireAll(result, cluster);
  } finally {
    view.settle();
  }
}

async function requireAll(result: SweepResult, cluster: Cluster): Promise<void> {
  const failed = result.reports.filter(({ state }) => state === "failed");
  if (failed.length === 0) return;
  const error = new UserError("run-failed", outcome(result), {
    list: failed.map(({ name, reason }) => `${name}: ${reason}`),
    hint: `Once that is mended, "espalier sweep ${result.folder}" goes on with them`,
  });
  await failTogether(cluster, error);
}

export function addSweep(program: Command, context: Context): void {
  const command = program
    .command("sweep")
    .description(
      "Train several sparsity strengths and seeds, in turn or at once; started again, it goes on where it stopped.",
    )
    .argument("[model or plan]", "a model as train takes it, a plan (JSON), or the folder of a sweep to go on with")
    .optionsGroup("What is varied:")
    .option(
      "--gammas <strengths...>",
      "a run for each sparsity strength γ: numbers, or neurons=…,blocks=… as --gamma takes them",
      several((text) => readGammas(text, "--gammas")),
    )
    .option(
      "--budgets <cost...>",
      "a run for each: 50%, 20M-macs, 100k-params, as --budget takes them",
      several(String),
    )
    .option("--baseline", "and a run without factors")
    .option("--seeds <n...>", "all of them with each of these seeds (default: 1)", several(integerFor("--seeds", 0)))
    .addOption(
      new Option(
        "--controls [same]",
        "train each run's compact architecture from new weights, too: for equal epochs, MACs, or both",
      ).argParser(oneOf("control", controlChoices)),
    )
    .option("--out <folder>", "of the sweep (default: runs/<model>-<data>-sweep)")
    .addOption(
      new Option(
        "--parallel <what>",
        "under mpirun: runs, for each rank to train runs on its own (default: all ranks train each run together)",
      ).argParser(oneOf("way to share out", parallelChoices)),
    );
  addTrainingOptions(command, "sweep")
    .optionsGroup("Output:")
    .action((source: string | undefined, options: SweepFlags) => runSweep(context, source, options, command));
  withCommonOptions(command, [
    "espalier sweep resnet-20 --gammas 0.001 0.002 0.004 --baseline --controls --epochs 10",
    "espalier sweep vgg-16 --budgets 60% 40% 20% --baseline --controls --epochs 30 --precision bf16",
    "espalier sweep resnet-56 --gammas neurons=0.001,blocks=0.01 neurons=0.002,blocks=0.02 --seeds 1 2 3",
    "espalier sweep --recipe sss-vgg-16-cifar10-short --budgets 60% 40% --seeds 1 2 --controls",
    "espalier sweep runs/resnet-20-cifar10-sweep",
    "espalier sweep plan.json --out runs/plan",
    "mpirun -n 4 espalier sweep plan.json --out runs/plan --parallel runs",
  ]);
}
