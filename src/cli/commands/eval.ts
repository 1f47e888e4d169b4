/** `espalier eval <model.onnx> --data …`: accuracy of a network file on test images. */
import { type Command, Option } from "commander";
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { UserError } from "../../core/errors.ts";
import { type Dataset, firstImages, type Normalization } from "../../data/dataset.ts";
import { openDataset } from "../../data/open.ts";
import { type EngineName, engineNames } from "../../engine/create.ts";
import { EngineHost } from "../../engine/host.ts";
import { type Accuracy, measureAccuracy } from "../../evaluation/accuracy.ts";
import { engineClassifier } from "../../evaluation/classifier.ts";
import { loadOnnx } from "../../formats/onnx/index.ts";
import { formatCount, formatPercent } from "../../report/format.ts";
import { checkFit } from "../../training/starting-network.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { integerFor, numbersFor, oneOf } from "../values.ts";
import { dataProgress } from "../view/data-progress.ts";

interface EvalOptions extends CommonOptions {
  readonly data: string;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly batch: number;
  readonly limit?: number;
  readonly engine: EngineName;
  readonly threads?: number;
}

/** The dataset's own constants, or those given; one alone would silently mix two preprocessings. */
function normalizationFor({ mean, std }: EvalOptions, dataset: Dataset): Normalization {
  if (mean === undefined && std === undefined) return dataset.normalization;
  if (mean === undefined || std === undefined) {
    throw new UserError("bad-option", "--mean and --std go together", {
      hint: "Give both, one number a channel, over pixels / 255",
    });
  }
  return { mean, standardDeviation: std };
}

async function score(
  path: string,
  dataset: Dataset,
  options: EvalOptions,
  onNotice: (message: string) => void,
): Promise<Accuracy> {
  const network = await loadOnnx(path);
  checkFit(network.graph, dataset);
  const split = firstImages(dataset.test, options.limit ?? dataset.test.count);
  const { engine, threads } = options;
  const host = await EngineHost.start({
    engine,
    cacheFolder: kernelCacheFolder(),
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    const batch = Math.min(options.batch, Math.max(1, split.count));
    const classifier = await engineClassifier(host, network, batch, onNotice);
    return await measureAccuracy(classifier, split, normalizationFor(options, dataset));
  } finally {
    await host.dispose();
  }
}

export function addEval(program: Command, context: Context): void {
  const command = program
    .command("eval")
    .description("Score an ONNX file on the test images of a dataset.")
    .argument("<file>", "an ONNX file")
    .option("--data <dataset>", "cifar10, a folder, or name:folder", "cifar10")
    .option(
      "--mean <numbers>",
      "subtracted from pixels / 255, a number a channel (default: the dataset's)",
      numbersFor("--mean"),
    )
    .option("--std <numbers>", "divided by then, a number a channel (default: the dataset's)", numbersFor("--std"))
    .option("--batch <images>", "images at once", integerFor("--batch"), 250)
    .option("--limit <images>", "score only the first test images", integerFor("--limit"))
    .addOption(
      new Option("--engine <name>", engineNames.join(" or ")).default("onednn").argParser(oneOf("engine", engineNames)),
    )
    .option("--threads <n>", "threads of the engine (default: all cores)", integerFor("--threads"))
    .action(async (file: string, options: EvalOptions) => {
      const dataset = await dataProgress(context, (onProgress) => openDataset(options.data, { onProgress }));
      const { accuracy, correct, images } = await score(file, dataset, options, (notice) =>
        printNotice(context, notice),
      );
      if (options.json === true) {
        printJson(context, { file, dataset: dataset.name, accuracy, correct, images });
        return;
      }
      const { colours, print } = context.stdout;
      print(
        `${colours.bold(formatPercent(accuracy, 2))} of ${formatCount(images)} test images of ${dataset.name} answered rightly`,
      );
    });
  withCommonOptions(command, [
    "espalier eval runs/resnet-20-cifar10/compact.onnx",
    "espalier eval network.onnx --data cifar10 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
  ]);
}
