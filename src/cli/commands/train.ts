/** `espalier train <model>`: trains a network and prunes it in the same run. */
import type { Command } from "commander";
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { optional } from "../../core/optional.ts";
import { withNotes } from "../../data/dataset.ts";
import { type DatasetReference, datasetReference } from "../../data/references.ts";
import { joinCluster } from "../../distributed/join.ts";
import { knownWidths } from "../../evaluation/width-multiples.ts";
import { modelNames } from "../../models/zoo.ts";
import { parseBudget } from "../../selection/budget.ts";
import type { RunEvent } from "../../training/events/events.ts";
import { asFixedInputs } from "../../training/settings/fixed-input.ts";
import { settingFlags, settingsOfFlags } from "../../training/settings/flags.ts";
import { imageFlags } from "../../training/settings/image-flags.ts";
import { recipe } from "../../training/settings/recipes.ts";
import { settingGroups, type TrainingCommand } from "../../training/settings/setting.ts";
import type { SettingsInput } from "../../training/settings/settings.ts";
import { tableOptionsOf } from "../../training/settings/tasks.ts";
import { withColumnsOfFile } from "../../training/start/data/file-metadata.ts";
import { finishedRun, isRunFolder } from "../../training/start/finished-run.ts";
import { needsLatency } from "../../training/start/latency-table.ts";
import { fileOf, inputOf, networkFor, type OpenModel, openModel } from "../../training/start/starting-network.ts";
import { train } from "../../training/train.ts";
import { type CommonOptions, type Context, withCommonOptions } from "../context.ts";
import { addImageFlags, addSettingFlags, givenFlags, imageOptions } from "../flags.ts";
import { tableShown } from "../latency.ts";
import { preprocessingNotes, preprocessingOf } from "../preprocessing.ts";
import { type TrainingRequest, withRecipe } from "../recipe.ts";
import { watchRun } from "../run.ts";
import { selectionFor } from "../selection.ts";
import { dataProgress } from "../view/data-progress.ts";
import { openWatchPage } from "../watch-page.ts";
import { listRecipes } from "./recipes.ts";

/** Flags of all commands that train, beside those of settings. */
export interface TrainingFlags extends CommonOptions {
  readonly data?: string;
  readonly recipe?: string;
}

interface TrainOptions extends TrainingFlags {
  readonly out?: string;
  readonly ui?: true;
}

/** What to train, with the opened model. An ONNX file is read once, here. */
export interface OpenRequest extends TrainingRequest {
  readonly opened: OpenModel<string>;
}

/** Reads the flags of `command`. `--gamma` applies to the kinds of structures that the model has. */
export async function requestOf(
  named: string | undefined,
  { recipe: name, data }: TrainingFlags,
  command: Command,
): Promise<OpenRequest> {
  const run = named !== undefined && isRunFolder(named) ? await finishedRun(named) : undefined;
  const source = named ?? (name === undefined ? undefined : recipe(name).model);
  const given = settingsOfFlags(givenFlags(command, settingFlags));
  const outputs = listOf(given["outputs"]) ?? (name === undefined ? undefined : recipe(name).settings.outputs);
  const inputs = asFixedInputs(given["inputs"]) ?? (name === undefined ? undefined : recipe(name).settings.inputs);
  const opened =
    source === undefined ? undefined : await openModel(source, { outputs, inputs, size: imageOptions(command).size });
  const { select, round } = given;
  const settings = {
    ...given,
    ...(select === undefined || opened === undefined ? {} : { select: selectionFor(opened, select) }),
    ...(round === "auto" ? { round: (await knownWidths(kernelCacheFolder())).multiple } : {}),
  };
  const request = withRecipe(name, { model: named, data: data ?? run?.data, settings });
  const found = opened ?? request.model;
  return { ...request, settings: withColumnsOfFile(request.settings, fileOf(found)), opened: found };
}

function listOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.map(String) : undefined;
}

async function runTraining(
  context: Context,
  named: string | undefined,
  options: TrainOptions,
  command: Command,
): Promise<void> {
  if (options.recipe === "list") return listRecipes(context, options);
  const { out } = options;
  const { opened: model, data: dataName, settings } = await requestOf(named, options, command);
  // The dataset is opened here and not by the run, so that a download is shown before the table of epochs begins.
  const data = await (await joinCluster()).together(() =>
    dataProgress(context, async (onProgress) => {
      const file = settings.fromScratch === true ? undefined : fileOf(model);
      const images = imageOptions(command);
      // Do not take the file's classes as a default: other images may have other classes. Keep its held-out split.
      const { classes: _, ...imageDefaults } = file === undefined ? {} : preprocessingOf(file, images);
      const reference = datasetReference(dataName, {
        ...{ onProgress, images, imageDefaults },
        ...tableOptionsOf(settings),
      });
      const opened = await reference.open(inputOf(model));
      const dataset = withNotes(opened, file === undefined ? [] : preprocessingNotes(file, images));
      return { spec: reference.spec, open: async () => dataset };
    }),
  );
  await timeLayers(context, model, data, settings);
  const page = options.ui === true && (context.rank ?? 0) === 0 ? await openWatchPage(context, out) : undefined;
  try {
    await watchRun(context, options, (hooks) => {
      const onEvent = (event: RunEvent): void => {
        hooks.onEvent(event);
        page?.onEvent(event);
      };
      return train(model, {
        ...{ ...settings, ...hooks, onEvent, data },
        ...optional({ folder: out }),
      });
    });
  } finally {
    await page?.close();
  }
}

/**
 * Times the layers if `settings` ask for latency, so that a status line shows it. The run finds the result among those
 * that are kept.
 */
async function timeLayers(
  context: Context,
  model: OpenModel<string>,
  data: DatasetReference,
  settings: SettingsInput,
): Promise<void> {
  if ((context.rank ?? 0) > 0) return;
  const { budget, gammaBy, latencyTable, fromScratch, keepHead } = settings;
  const asked = {
    ...optional({ budget: typeof budget === "string" ? parseBudget(budget) : budget, gammaBy, latencyTable }),
  };
  if (!needsLatency(asked)) return;
  const kept = { ...optional({ fromScratch, keepHead }), isTaught: settings.teach !== undefined };
  await tableShown(context, networkFor(model, await data.open(), kept).network.graph, asked);
}

/** Adds the flags of the model, the data and the settings of a run. */
export function addTrainingOptions(command: Command, name: TrainingCommand): Command {
  command
    .optionsGroup(`${settingGroups.task}:`)
    .option(
      "--recipe <name>",
      "take settings, model and data from a recipe or your own .json file; other flags override it (list: show all)",
    )
    .option(
      "--data <dataset>",
      "cifar10, a folder, name:folder, a CSV of paths and labels, or a Parquet file (default: cifar10)",
    );
  for (const group of ["task", "pruning", "training", "weights", "regularization"] as const) {
    addSettingFlags(command, name, group);
  }
  addImageFlags(command.optionsGroup(`${settingGroups.images}:`), imageFlags);
  addSettingFlags(command, name, "machine");
  return command;
}

export function addTrain(program: Command, context: Context): void {
  const command = program
    .command("train")
    .description("Train a network once and get a smaller one that gives the same answers.")
    .argument("[model]", `${modelNames.join(", ")}, your own ONNX file, or the folder of a finished run`);
  addTrainingOptions(command, "train")
    .optionsGroup("Output:")
    .option("--out <folder>", "folder of the run (default: runs/<name>)")
    .option("--ui", "show the run in the browser while it trains")
    .action((model: string | undefined, options: TrainOptions) => runTraining(context, model, options, command));
  withCommonOptions(command, [
    "espalier train resnet-20 --gamma neurons=0.0016,blocks=0.02 --epochs 10",
    "espalier train --recipe sss-resnet-20-cifar10-short --budget 40%",
    "espalier train resnet-20 --budget 50%-latency --epochs 10",
    "espalier train vgg-16 --data cifar100:./cifar-100-binary --gamma 0.002 --schedule step",
    "espalier train resnet-20 --data ./photos --batch 32 --gamma 0.002",
    "espalier train model.onnx --data ./photos --gamma 0.002 --epochs 10 --distill --label-smoothing 0.1",
    "espalier train runs/resnet-20-photos --budget 50%",
    "espalier train resnext-20 --gamma-groups 0.01 --name groups --json > events.jsonl",
    "espalier train resnet-56 --gamma neurons=0.001,streams=0.002 --gamma-by macs --round 8",
    "mpirun -n 4 espalier train resnet-50 --data ./imagenet --batch 256 --gamma-blocks 0.01",
  ]);
}
