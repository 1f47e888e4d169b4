/** `espalier quantize <file.onnx> --data …`: 8-bit integers for a trained network, without training. */
import { type Command, Option } from "commander";
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { integerFor, oneOf, threadsFor } from "../../core/text-values.ts";
import type { Dataset, InputColumns } from "../../data/dataset.ts";
import { openDataset } from "../../data/open.ts";
import { defaultEngine, type EngineName, engineNames } from "../../engine/create.ts";
import { EngineHost } from "../../engine/host.ts";
import { requireOnnxRuntime } from "../../evaluation/runtime-library.ts";
import { requirePlaceFor, writeBytes } from "../../formats/file.ts";
import { type OnnxFile, openOnnx, saveOnnx } from "../../formats/onnx/index.ts";
import { compareQuantized } from "../../quantization/compare.ts";
import { type Quantized, type QuantizeProgress, quantize } from "../../quantization/quantize.ts";
import { formatCount } from "../../report/format.ts";
import { fileImageFlags } from "../../training/settings/image-flags.ts";
import { answersWithLabels, columnsOfFile } from "../../training/start/data/file-metadata.ts";
import { checkFit, sampleShapeOf } from "../../training/start/starting-network.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { addImageFlags, columnsOption, imageOptions } from "../flags.ts";
import { preprocessingOf } from "../preprocessing.ts";
import { dataProgress } from "../view/data-progress.ts";
import { type QuantizationReport, quantizationLines } from "../view/quantization.ts";
import { type ShowStatus, withStatusLine } from "../view/status-line.ts";

interface QuantizeFlags extends CommonOptions {
  readonly data?: string;
  readonly columns?: InputColumns;
  readonly out?: string;
  readonly images?: number;
  readonly heldOut?: number;
  readonly keep?: readonly string[];
  readonly maxLoss?: number;
  readonly reduceRange?: true;
  readonly engine?: EngineName;
  readonly threads?: number;
}

/** Opset in which scales of single channels came to ONNX. Older files are raised to it. */
const oldestOpset = 13;

function readPoints(text: string): number {
  const points = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(points) && points >= 0) return points;
  throw new UserError("bad-option", "--max-loss takes points of accuracy, a number from 0", {
    received: `"${text}"`,
    hint: "0.3 is usual: 91.7 % may become 91.4 %",
  });
}

function readNames(text: string): readonly string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function requireFloats({ quantized }: OnnxFile, path: string): void {
  if (quantized === undefined) return;
  throw new UserError("bad-option", "is quantised already", {
    about: path,
    hint: "Give the file that it was made from; espalier inspect shows what this one has",
  });
}

function outputOf(file: string, asked: string | undefined): string {
  const out = asked ?? `${file.replace(/\.onnx$/i, "")}.int8.onnx`;
  if (out !== file && out.toLowerCase().endsWith(".onnx")) return out;
  throw new UserError("bad-option", "--out must name another .onnx file", {
    received: out,
    hint: `Leave it out to write ${outputOf(file, undefined)}`,
  });
}

async function openData(
  context: Context,
  file: string,
  { network }: OnnxFile,
  { data, columns }: Pick<QuantizeFlags, "data" | "columns">,
  images: ReturnType<typeof imageOptions>,
): Promise<Dataset> {
  if (data === undefined) {
    throw new UserError("bad-option", "quantizing needs training images, and no data was given", {
      hint: `Give the data that the network was trained on: espalier quantize ${file} --data ./photos`,
    });
  }
  const input = sampleShapeOf(network.graph);
  const imageDefaults = preprocessingOf({ ...network, path: file }, images);
  const dataset = await dataProgress(context, (onProgress) =>
    openDataset(data, {
      ...{ onProgress, images, imageDefaults, severalLabels: answersWithLabels(network.graph) },
      ...optional({ input, columns: columns ?? columnsOfFile({ ...network, path: file }) }),
    }),
  );
  checkFit(network.graph, dataset);
  return dataset;
}

function describe({ phase, of, done, total }: QuantizeProgress): string {
  switch (phase) {
    case "observing":
      return `observing ranges: ${formatCount(done)} of ${formatCount(total)} images`;
    case "comparing":
      return `comparing ranges: ${of}`;
    case "searching":
      return `searching sensitive layers: ${of} (${done + 1} of ${total})`;
  }
}

async function quantizeFile(
  { network }: OnnxFile,
  dataset: Dataset,
  flags: QuantizeFlags,
  show: ShowStatus,
): Promise<Quantized> {
  const { engine = defaultEngine(), threads, images, heldOut, keep, maxLoss, reduceRange } = flags;
  const host = await EngineHost.start({
    engine,
    cacheFolder: kernelCacheFolder(),
    ...optional({ threads }),
  });
  try {
    return await quantize(network, {
      host,
      dataset,
      ...optional({ images, heldOut, keep, maxLoss, reduceRange }),
      onProgress: (progress) => show(progress.phase, describe(progress)),
    });
  } finally {
    await host.dispose();
  }
}

async function run(context: Context, file: string, flags: QuantizeFlags, command: Command): Promise<void> {
  requireOnnxRuntime();
  const out = outputOf(file, flags.out);
  await requirePlaceFor(out);
  const opened = await openOnnx(file);
  requireFloats(opened, file);
  const dataset = await openData(context, file, opened, flags, imageOptions(command));
  if (opened.opset < oldestOpset) {
    printNotice(context, `the file's opset ${opened.opset} is raised to ${oldestOpset}, which quantised layers need`);
  }
  const report = await withStatusLine(context, async (show): Promise<QuantizationReport> => {
    const quantized = await quantizeFile(opened, dataset, flags, show);
    await saveOnnx(quantized.network, out, { quantization: quantized.quantization });
    const { graph } = opened.network;
    const comparison = await compareQuantized(file, out, { graph, dataset, onProgress: (of) => show(of, of) });
    const { method, candidates, score, kept, images } = quantized;
    return { file, out, dataset: dataset.name, method, candidates, heldOut: score, kept, images, comparison };
  });
  const json = out.replace(/\.onnx$/i, ".json");
  await writeBytes(json, new TextEncoder().encode(`${JSON.stringify(report, undefined, 2)}\n`));
  if (flags.json === true) printJson(context, report);
  else for (const line of quantizationLines(report, json, context.stdout)) context.stdout.print(line);
}

export function addQuantize(program: Command, context: Context): void {
  const command = program
    .command("quantize")
    .description(
      "Convert a trained network to 8-bit integers (INT8), without training. The result is an ONNX file in the QDQ " +
        "format. ONNX Runtime computes all of it in integers, except for the nodes that the command lists.",
    )
    .argument("<file>", "an ONNX file in floats, such as a run's compact.onnx")
    .option("--data <dataset>", "the training data: cifar10, a folder, name:folder, a CSV file, or a Parquet file")
    .addOption(columnsOption())
    .option("--out <file>", "the file to write (default: <file>.int8.onnx; its figures go to .json beside it)")
    .optionsGroup("Ranges:")
    .option("--images <n>", "training images to find the ranges of values from (default: 512)", integerFor("--images"))
    .option(
      "--held-out <n>",
      "other training images to choose the ranges with (default: 2000); test images only score the result",
      integerFor("--held-out"),
    )
    .option("--reduce-range", "7 bits for weights: on processors without VNNI, sums of 8-bit products can saturate")
    .optionsGroup("Layers that keep floats:")
    .option("--keep <names>", "layers that stay 32-bit floats, with commas; espalier inspect lists names", readNames)
    .option(
      "--max-loss <points>",
      "allowed loss of accuracy on the held-out images; above it, sensitive layers keep floats (default: 0.3)",
      readPoints,
    )
    .optionsGroup("Engine:")
    .addOption(
      new Option("--engine <name>", `${engineNames.join(" or ")} (default: onednn where it is installed)`).argParser(
        oneOf("engine", engineNames),
      ),
    )
    .option("--threads <n>", "threads of the engine (default: all cores)", threadsFor("--threads"))
    .optionsGroup("Images:");
  addImageFlags(command, fileImageFlags);
  command.action((file: string, flags: QuantizeFlags) => run(context, file, flags, command));
  withCommonOptions(command, [
    "espalier quantize runs/resnet-20-cifar10/compact.onnx --data cifar10",
    "espalier quantize model.onnx --data ./photos --keep conv1,fc --out small.onnx",
    "espalier bench model.onnx --against model.int8.onnx",
  ]);
}
