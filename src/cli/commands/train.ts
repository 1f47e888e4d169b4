/** `espalier train <model>`: one pass that trains a network and finds what of it is not needed. */
import { type Command, Option } from "commander";
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { datasetReference } from "../../data/references.ts";
import { joinCluster } from "../../distributed/cluster.ts";
import { type EngineName, engineNames } from "../../engine/create.ts";
import { knownWidths } from "../../evaluation/widths.ts";
import { modelNames } from "../../models/zoo.ts";
import { type GammaMeasure, gammaMeasures } from "../../selection/costs.ts";
import { together } from "../../training/conduct.ts";
import type { RunEvent } from "../../training/events.ts";
import { bringsWeights } from "../../training/fine-tuning.ts";
import {
  type PrecisionChoice,
  precisionChoices,
  type ScheduleOptions,
  type SettingsInput,
} from "../../training/options.ts";
import { recipe } from "../../training/recipes.ts";
import { inputOf } from "../../training/starting-network.ts";
import { train } from "../../training/train.ts";
import { type CommonOptions, type Context, withCommonOptions } from "../context.ts";
import { addImageOptions, type ImageFlags, imageOptions } from "../images.ts";
import { preprocessingOf } from "../preprocessing.ts";
import { withRecipe } from "../recipe.ts";
import { addRegularizationOptions, type RegularizationFlags, regularizationSettings } from "../regularization.ts";
import { watchRun } from "../run.ts";
import { type GammaOptions, selectionFor } from "../selection.ts";
import { gammaFor, integerFor, numberFor, oneOf, parseGamma, scheduleKinds } from "../values.ts";
import { dataProgress } from "../view/data-progress.ts";
import { openWatchPage } from "../watch-page.ts";
import { listRecipes } from "./recipes.ts";

/** What `addTrainingOptions` adds. */
export interface TrainingFlags extends CommonOptions, GammaOptions, ImageFlags, RegularizationFlags {
  readonly data: string;
  readonly epochs?: number;
  readonly gammaBy?: GammaMeasure;
  readonly budget?: string;
  readonly gammaAfter?: number;
  readonly budgetBy?: number;
  readonly recipe?: string;
  readonly round?: number | "auto";
  readonly shrink: boolean;
  readonly patience?: number;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly seed?: number;
  readonly schedule: ScheduleOptions["kind"];
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly momentum?: number;
  readonly augment: boolean;
  readonly latency: boolean;
  readonly limit?: number;
  readonly syncBn?: true;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly precision?: PrecisionChoice;
}

interface TrainOptions extends TrainingFlags {
  readonly name?: string;
  readonly out?: string;
  readonly ui?: true;
}

/** "auto": what pays on this machine, measured once. */
async function roundFor(round: number | "auto"): Promise<number> {
  return round === "auto" ? (await knownWidths(kernelCacheFolder())).multiple : round;
}

function parseRound(text: string): number | "auto" {
  return text === "auto" ? text : integerFor("--round")(text);
}

/** Passes over the training images where none are asked for: of new weights, and of those that a file brings. */
const defaultEpochs = { new: 40, trained: 15 } as const;

function epochsFor(model: string | undefined, { fromScratch }: TrainingFlags): number {
  const isTrained = model !== undefined && bringsWeights(model) && fromScratch !== true;
  return isTrained ? defaultEpochs.trained : defaultEpochs.new;
}

/** Settings as given: what was left out is left to the settings' own defaults. */
export async function settingsFrom(model: string | undefined, options: TrainingFlags): Promise<SettingsInput> {
  const { epochs, batch, seed, learningRate, weightDecay, momentum, limit, engine, threads, precision } = options;
  return {
    epochs: epochs ?? epochsFor(model, options),
    select: model === undefined ? {} : await selectionFor(model, options),
    schedule: { kind: options.schedule, ...(learningRate === undefined ? {} : { peak: learningRate }) },
    augment: options.augment,
    syncBatchNorm: options.syncBn === true,
    latency: options.latency,
    shrink: options.shrink && (options.patience === undefined || { patience: options.patience }),
    ...regularizationSettings(options),
    ...(options.gammaBy === undefined ? {} : { gammaBy: options.gammaBy }),
    ...(options.budget === undefined ? {} : { budget: options.budget }),
    ...(options.gammaAfter === undefined ? {} : { gammaAfter: options.gammaAfter }),
    ...(options.budgetBy === undefined ? {} : { budgetBy: options.budgetBy }),
    ...(options.round === undefined ? {} : { round: await roundFor(options.round) }),
    ...(batch === undefined ? {} : { batch }),
    ...(options.accumulate === undefined ? {} : { accumulate: options.accumulate }),
    ...(seed === undefined ? {} : { seed }),
    ...(weightDecay === undefined ? {} : { weightDecay }),
    ...(momentum === undefined ? {} : { momentum }),
    ...(limit === undefined ? {} : { limit: { train: limit } }),
    ...(engine === undefined ? {} : { engine }),
    ...(threads === undefined ? {} : { threads }),
    ...(precision === undefined ? {} : { precision }),
  };
}

async function runTraining(
  context: Context,
  named: string | undefined,
  options: TrainOptions,
  isGiven: (flag: string) => boolean,
): Promise<void> {
  if (options.recipe === "list") return listRecipes(context, options);
  const { name, out } = options;
  const source = named ?? (options.recipe === undefined ? undefined : recipe(options.recipe).model);
  const flags = { model: named, data: options.data, settings: await settingsFrom(source, options) };
  const { model, data: dataName, settings } = withRecipe(options.recipe, flags, isGiven);
  // Opened here and not by the run, so that a download is shown before the table of epochs begins.
  const data = await together(await joinCluster(), () =>
    dataProgress(context, async (onProgress) => {
      const isTrained = bringsWeights(model) && options.fromScratch !== true;
      // Of other images the network may be taught other classes; the same ones stay held out.
      const { classes: _, ...imageDefaults } = isTrained ? await preprocessingOf(model, options) : {};
      const images = imageOptions(options);
      const reference = datasetReference(dataName, { onProgress, images, imageDefaults });
      const dataset = await reference.open(await inputOf(model));
      return { spec: reference.spec, open: async () => dataset };
    }),
  );
  const page = options.ui === true && (context.rank ?? 0) === 0 ? await openWatchPage(context, out) : undefined;
  try {
    await watchRun(context, options, (hooks) => {
      const onEvent = (event: RunEvent): void => {
        hooks.onEvent(event);
        page?.onEvent(event);
      };
      return train(model, {
        ...{ ...settings, ...hooks, onEvent, data },
        ...(name === undefined ? {} : { name }),
        ...(out === undefined ? {} : { folder: out }),
      });
    });
  } finally {
    await page?.close();
  }
}

/** Adds everything that decides how a run trains, and on what; where it is kept is not in it. */
export function addTrainingOptions(command: Command): Command {
  command
    .option(
      "--data <dataset>",
      "cifar10, a folder, name:folder, a CSV of paths and labels, or a Parquet file",
      "cifar10",
    )
    .option(
      "--epochs <n>",
      `passes over the training images (default: ${defaultEpochs.new}; ${defaultEpochs.trained} from trained weights)`,
      integerFor("--epochs"),
    )
    .optionsGroup("What is selected:")
    .option(
      "--gamma <γ>",
      "sparsity strength: a number for neurons, groups and blocks, or neurons=…,groups=…,blocks=…,streams=…",
      parseGamma,
    )
    .option("--gamma-neurons <γ>", "of one factor an output channel", gammaFor("--gamma-neurons"))
    .option("--gamma-groups <γ>", "of one factor a group of a grouped convolution", gammaFor("--gamma-groups"))
    .option("--gamma-blocks <γ>", "of one factor a residual branch", gammaFor("--gamma-blocks"))
    .option("--gamma-streams <γ>", "of one factor a channel of a residual stream", gammaFor("--gamma-streams"))
    .addOption(
      new Option(
        "--gamma-by <cost>",
        `share γ out by what a structure costs: ${gammaMeasures.join(", ")} (default: none)`,
      ).argParser(oneOf("cost", gammaMeasures)),
    )
    .option(
      "--budget <cost>",
      "what is to be left, instead of a γ to guess: 50% (of the MACs), 50%-params, 20M-macs, 100k-params; " +
        "with --gamma, its numbers are the ratio between kinds",
    )
    .option(
      "--gamma-after <epochs>",
      "train so long without γ or budget first (default: 0)",
      numberFor("--gamma-after"),
    )
    .option(
      "--budget-by <epochs>",
      "meet the budget by then, and leave the rest to the survivors (default: at about two fifths of a one-cycle run)",
      numberFor("--budget-by"),
    )
    .option(
      "--round <n>",
      "keep widths at multiples of n (default: 1); auto: of what pays here (bench --widths)",
      parseRound,
    )
    .option(
      "--patience <epochs>",
      "cut while training what cannot have come back for so long: λ = 0 and ∂L/∂λ + γ ≥ 0 at every step (default: 1)",
      numberFor("--patience"),
    )
    .option("--no-shrink", "train the whole network to the end, and cut only then")
    .optionsGroup("How it is trained:")
    .option("--batch <images>", "images a step (default: 128)", integerFor("--batch"))
    .option(
      "--accumulate <n>",
      "work a batch through in n parts and add their gradients up, where it does not fit into memory (default: 1)",
      integerFor("--accumulate"),
    )
    .addOption(
      new Option("--schedule <kind>", `learning rate over the run: ${scheduleKinds.join(", ")}`)
        .default("one-cycle")
        .argParser(oneOf("schedule", scheduleKinds)),
    )
    .option(
      "--learning-rate <η>",
      "its peak (default: 0.2; 0.1 for step; a tenth of it from trained weights)",
      numberFor("--learning-rate"),
    )
    .option("--momentum <μ>", "of weights and factors (default: 0.9)", numberFor("--momentum"))
    .option("--weight-decay <n>", "of the weights (default: 0.0005)", numberFor("--weight-decay"))
    .option("--seed <n>", "of weights, order and augmentation (default: 1)", integerFor("--seed", 0))
    .option("--no-augment", "train on the images as they are")
    .option("--limit <images>", "use only the first training images", integerFor("--limit"));
  return addImageOptions(addRegularizationOptions(command))
    .optionsGroup("Where and with what:")
    .addOption(
      new Option(
        "--engine <name>",
        `${engineNames.join(" or ")} (default: onednn where it is installed; reference is slow)`,
      ).argParser(oneOf("engine", engineNames)),
    )
    .option("--threads <n>", "threads of the engine (default: all cores)", integerFor("--threads"))
    .addOption(
      new Option(
        "--precision <p>",
        "of the training steps: f32, bf16, or auto for the one whose steps are shorter here",
      )
        .default("f32")
        .argParser(oneOf("precision", precisionChoices)),
    )
    .option("--sync-bn", "under mpirun: normalise by the statistics of all ranks' images, not by each rank's own")
    .option("--no-latency", "do not time the networks in ONNX Runtime at the end");
}

export function addTrain(program: Command, context: Context): void {
  const command = program
    .command("train")
    .description("Train a network once and hand back a smaller one that gives the same answers.")
    .argument("[model]", `${modelNames.join(", ")}, or an ONNX file of your own`)
    .option(
      "--recipe <name>",
      "settings, model and data of a recipe, or of a .json file of your own; other flags come first (list: all there are)",
    );
  addTrainingOptions(command)
    .option("--name <name>", "of the run, kept in runs/<name> (default: model and dataset)")
    .option("--out <folder>", "the run's folder, instead of runs/<name>")
    .optionsGroup("Output:")
    .option("--ui", "serve a page over the run while it trains, and open it in the browser")
    .action((model: string | undefined, options: TrainOptions) =>
      runTraining(context, model, options, (flag) => (command.getOptionValueSource(flag) ?? "default") !== "default"),
    );
  withCommonOptions(command, [
    "espalier train resnet-20 --gamma neurons=0.0016,blocks=0.02 --epochs 10",
    "espalier train --recipe sss-resnet-20-cifar10-short --budget 40%",
    "espalier train vgg-16 --data cifar100:./cifar-100-binary --gamma 0.002 --schedule step",
    "espalier train resnet-20 --data ./photos --batch 32 --gamma 0.002",
    "espalier train model.onnx --data ./photos --gamma 0.002 --epochs 10 --distill --label-smoothing 0.1",
    "espalier train resnext-20 --gamma-groups 0.01 --name groups --json > events.jsonl",
    "espalier train resnet-56 --gamma neurons=0.001,streams=0.002 --gamma-by macs --round 8",
    "mpirun -n 4 espalier train resnet-50 --data ./imagenet --batch 256 --gamma-blocks 0.01",
  ]);
}
