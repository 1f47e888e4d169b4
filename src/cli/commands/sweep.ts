/**
 * `espalier sweep`: trains several sparsity strengths, budgets and seeds. A sweep that was stopped continues where it
 * stopped.
 */
import { stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { integerFor, oneOf } from "../../core/text-values.ts";
import { datasetReference } from "../../data/references.ts";
import { type Cluster, failTogether } from "../../distributed/cluster.ts";
import { joinCluster } from "../../distributed/join.ts";
import { imagesOf, requireWorkers, type SweepResult, sweep } from "../../experiments/sweep.ts";
import { parsePlan, readPlan, type SweepPlan } from "../../experiments/sweep-plan.ts";
import { type BaselineKind, baselineKinds } from "../../training/events/baseline-kinds.ts";
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

const controlChoices = [...baselineKinds, "both", "all"] as const;
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

/** A point of the plan. The plan's schema checks its settings. */
interface PlannedPoint {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** The points of the sweep. `settings` are those that all runs share; without any flag they are the only point. */
function pointsOf(
  model: OpenModel<string>,
  options: SweepFlags,
  settings: SettingsInput,
  command: Command,
): readonly PlannedPoint[] {
  // Each value of --gammas replaces --gamma. The flags of single kinds, like --gamma-blocks, override both.
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
  // Without --gammas and --budgets, the recipe's own selection is a point.
  const hasOwn = options.recipe !== undefined && gammas.length + budgets.length === 0;
  const own = hasOwn ? [{ name: "recipe", settings: { select, ...optional({ budget }) } }] : [];
  const points: readonly PlannedPoint[] = [...plain, ...own, ...gammas, ...budgets];
  return points.length > 0 ? points : [{ name: "run", settings: {} }];
}

function controlsOf(chosen: SweepFlags["controls"]): readonly BaselineKind[] {
  if (chosen === undefined) return [];
  if (chosen === "both") return ["epochs", "macs"];
  if (chosen === "all") return baselineKinds;
  return [chosen === true ? "epochs" : chosen];
}

async function planFrom(named: string | undefined, options: SweepFlags, command: Command): Promise<SweepPlan> {
  const { model, opened, data, settings } = await requestOf(named, options, command);
  const { seed = 1, budget, ...shared } = settings;
  const images = imageOptions(command);
  const points = pointsOf(opened, options, settings, command);
  // A budget among the shared settings would also apply to points that have a γ.
  const isShared = budget !== undefined && points.every(({ name }) => name === "run");
  return parsePlan(
    {
      version: 1,
      ...optional({ recipe: options.recipe }),
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
  throw new UserError("bad-option", `${given.long} cannot be combined with a plan, which has all settings`, {
    about: source,
    hint: "Change the plan, or name a model instead",
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
      const opened = await openModel(plan.model, {
        outputs: plan.settings.outputs,
        inputs: plan.settings.inputs,
        size: plan.images?.size,
      });
      const dataset = await reference.open(inputOf(opened));
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
        ...optional({ folder, parallel }),
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
    hint: `Remove the cause, then run "espalier sweep ${result.folder}" to train them`,
  });
  await failTogether(cluster, error);
}

export function addSweep(program: Command, context: Context): void {
  const command = program
    .command("sweep")
    .description(
      "Train a network with several sparsity strengths, budgets and seeds. A sweep that was stopped can be continued.",
    )
    .argument("[model or plan]", "a model as for train, a plan (JSON), or the folder of a sweep to continue")
    .optionsGroup("Runs of the sweep:")
    .option(
      "--gammas <strengths...>",
      "a run for each sparsity strength γ: numbers, or neurons=…,blocks=… as for --gamma",
      several((text) => readGammas(text, "--gammas")),
    )
    .option(
      "--budgets <cost...>",
      "a run for each budget: 50%, 20M-macs, 100k-params, as for --budget",
      several(String),
    )
    .option("--baseline", "also a run without scaling factors")
    .option("--seeds <n...>", "every run with each of these seeds (default: 1)", several(integerFor("--seeds", 0)))
    .addOption(
      new Option(
        "--controls [kind]",
        "also from-scratch baselines of each run: with equal epochs, equal training MACs (macs), one of each (both), " +
          "the uniformly thinner network (uniform), or all three (all)",
      ).argParser(oneOf("control", controlChoices)),
    )
    .option("--out <folder>", "folder of the sweep (default: runs/<model>-<data>-sweep)")
    .addOption(
      new Option(
        "--parallel <what>",
        "under mpirun: with runs, each rank trains runs of its own (default: all ranks train each run together)",
      ).argParser(oneOf("kind of parallelism", parallelChoices)),
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
