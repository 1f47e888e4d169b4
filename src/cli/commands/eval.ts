/** `espalier eval <model.onnx> --data …`: measures the accuracy of a network file on test images. */
import { basename } from "node:path";
import { type Command, Option } from "commander";
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { required, UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { integerFor, oneOf, threadsFor } from "../../core/text-values.ts";
import type { DataProgress } from "../../data/cifar10-cache.ts";
import { type Dataset, firstImages, type InputColumns, withNotes } from "../../data/dataset.ts";
import type { ImageFileOptions } from "../../data/images/open.ts";
import { openDataset } from "../../data/open.ts";
import { defaultEngine, type EngineName, engineNames } from "../../engine/create.ts";
import { EngineHost } from "../../engine/host.ts";
import { type Accuracy, measureAccuracy } from "../../evaluation/accuracy.ts";
import { balancedAccuracy } from "../../evaluation/class-tally.ts";
import { type Classifier, engineClassifier } from "../../evaluation/classifier.ts";
import { type ClassResult, type Confusion, classResults, measureConfusion } from "../../evaluation/confusion.ts";
import { labelReadingOf } from "../../evaluation/label-scores.ts";
import { requireOnnxRuntime } from "../../evaluation/runtime-library.ts";
import { runtimeLogits } from "../../evaluation/runtime-logits.ts";
import { averagingViews, type ViewSet, viewCount, viewSets } from "../../evaluation/test-time-augmentation.ts";
import { requirePlaceFor, writeBytes } from "../../formats/file.ts";
import type { FixedInputs } from "../../formats/onnx/fixed-inputs.ts";
import { openOnnx } from "../../formats/onnx/index.ts";
import type { Pair } from "../../graph/attributes.ts";
import type { Network } from "../../graph/graph.ts";
import { endingInLogits, withoutLastSigmoid } from "../../graph/logits.ts";
import { evaluationPage } from "../../report/evaluation-page.ts";
import { formatCount, formatPercent, percentOf } from "../../report/format.ts";
import { readSize } from "../../training/settings/codecs.ts";
import { readFixedInputs } from "../../training/settings/fixed-input.ts";
import { fileImageFlags } from "../../training/settings/image-flags.ts";
import { tasks } from "../../training/settings/tasks.ts";
import { answersWithLabels, columnsOfFile } from "../../training/start/data/file-metadata.ts";
import { readingNote } from "../../training/start/reading-note.ts";
import { checkFit, sampleShapeOf } from "../../training/start/starting-network.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { addImageFlags, columnsOption, imageOptions } from "../flags.ts";
import { preprocessingNotes, preprocessingOf } from "../preprocessing.ts";
import { confusionLines } from "../view/confusion.ts";
import { dataProgress } from "../view/data-progress.ts";
import { printLabels } from "../view/labels.ts";
import { fileLines } from "../view/run-summary.ts";
import { withStatusLine } from "../view/status-line.ts";
import { unreadableLines } from "../view/unreadable.ts";

interface EvalOptions extends CommonOptions {
  readonly data: string;
  readonly batch: number;
  readonly limit?: number;
  readonly html?: string;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly runtime?: boolean;
  readonly size?: Pair;
  readonly input?: FixedInputs;
  readonly columns?: InputColumns;
  readonly tta?: ViewSet;
  readonly task?: (typeof tasks)[number];
}

/** What was measured on the test images. */
interface Scores {
  /** Of images with one label each. */
  readonly confusion?: Confusion;
  /** Of images with any number of labels. */
  readonly labels?: Accuracy;
  /** With test-time augmentation, if it was asked for. */
  readonly augmented?: { readonly views: ViewSet } & Accuracy;
}

interface OpeningOptions {
  readonly images: ImageFileOptions;
  readonly isMultiLabel: boolean;
  readonly columns: InputColumns | undefined;
}

/** Opens the test images, preprocessed as the user or the file says. */
async function openFor(
  path: string,
  { graph, weights }: Network,
  data: string,
  { images, isMultiLabel, columns }: OpeningOptions,
  onProgress: (progress: DataProgress) => void,
): Promise<Dataset> {
  const input = sampleShapeOf(graph);
  const file = { graph, weights, path };
  const dataset = await openDataset(data, {
    onProgress,
    images,
    severalLabels: isMultiLabel,
    imageDefaults: preprocessingOf(file, images),
    ...optional({ input, columns: columns ?? columnsOfFile(file) }),
  });
  return withNotes(dataset, preprocessingNotes(file, images));
}

async function score(
  file: string,
  { graph, weights }: Network,
  dataset: Dataset,
  options: EvalOptions,
  onNotice: (message: string) => void,
  onProgress: (images: number, all: number) => void,
): Promise<Scores> {
  checkFit(graph, dataset);
  const split = firstImages(dataset.test, options.limit ?? dataset.test.count);
  const { engine = defaultEngine(), threads } = options;
  const batch = Math.min(options.batch, Math.max(1, split.count));
  const reading = labelReadingOf(dataset, withoutLastSigmoid(graph));
  const measure = async (classifier: Classifier): Promise<Scores> => {
    if (reading !== undefined) {
      const { tta: views } = options;
      const seen = views === undefined ? classifier : averagingViews(classifier, views);
      return { labels: await measureAccuracy(seen, split, dataset.normalization, reading) };
    }
    const confusion = await measureConfusion(classifier, split, dataset.normalization, {
      onProgress: (images) => onProgress(images, split.count),
    });
    const { tta: views } = options;
    if (views === undefined) return { confusion };
    const accuracy = await measureAccuracy(averagingViews(classifier, views), split, dataset.normalization);
    return { confusion, augmented: { views, ...accuracy } };
  };
  if (options.runtime === true) {
    const classifier = await runtimeLogits(file, graph, batch, threads, dataset.labelSets !== undefined);
    try {
      return await measure(classifier);
    } finally {
      await classifier.dispose();
    }
  }
  const host = await EngineHost.start({
    engine,
    cacheFolder: kernelCacheFolder(),
    ...optional({ threads }),
  });
  try {
    const scored = dataset.labelSets === undefined ? endingInLogits(graph) : withoutLastSigmoid(graph);
    return await measure(await engineClassifier(host, { graph: scored, weights }, batch, onNotice));
  } finally {
    await host.dispose();
  }
}

function noFixedInputs(): UserError {
  return new UserError("bad-option", "ONNX Runtime runs the file as it is, with all of its inputs", {
    about: "--input",
    hint: "Leave --runtime out, or score the file that a run has written: it has the values inside",
  });
}

function noPage(): UserError {
  return new UserError(
    "bad-option",
    "the page of an evaluation shows a confusion matrix, and images with several labels have none",
    {
      about: "--html",
      hint: "Leave it out",
    },
  );
}

/** A quantised file computes on integers, which only ONNX Runtime does. */
function inRuntime(options: EvalOptions, file: string): EvalOptions {
  if (options.engine === undefined) return { ...options, runtime: true };
  throw new UserError("bad-option", "a quantised file is scored in ONNX Runtime only", {
    about: file,
    received: `--engine ${options.engine}`,
    hint: "Leave --engine out",
  });
}

/** A difference of accuracies that is worth a line, in percent. */
const VISIBLE = 0.1;

/** Percent; null for a class without images. */
function recallOf({ correct, images }: ClassResult): number | null {
  return images === 0 ? null : percentOf(correct, images);
}

async function writePage(path: string, file: string, { name, classes }: Dataset, confusion: Confusion): Promise<void> {
  const page = evaluationPage({ network: basename(file), dataset: name, classes, confusion, date: new Date() });
  await writeBytes(path, new TextEncoder().encode(page));
}

export function addEval(program: Command, context: Context): void {
  const command = program
    .command("eval")
    .description("Measure the accuracy of an ONNX file on the test images of a dataset.")
    .argument("<file>", "an ONNX file")
    .option(
      "--data <dataset>",
      "cifar10, a folder, name:folder, a CSV of paths and labels, or a Parquet file",
      "cifar10",
    )
    .option("--batch <images>", "batch size", integerFor("--batch"), 250)
    .addOption(
      new Option(
        "--tta <views>",
        "also average the answers to several views of each image: flip, or flip+shift by a pixel",
      ).argParser(oneOf("set of views", viewSets)),
    )
    .addOption(
      new Option("--task <what>", `what labels are: ${tasks.join(" or ")} (default: as the file says)`).argParser(
        oneOf("task", tasks),
      ),
    )
    .option("--html <file>", "write a page with the confusion matrix and the worst mistakes")
    .option("--size <pixels>", "height and width of images, for files that do not fix them", (text) => readSize(text))
    .option("--input <values>", "fixed values of the file's inputs besides the images, as scale=1,mask=m.npy", (text) =>
      readFixedInputs(text),
    )
    .addOption(columnsOption())
    .option("--limit <images>", "use only the first test images", integerFor("--limit"))
    .addOption(
      new Option("--engine <name>", `${engineNames.join(" or ")} (default: onednn where it is installed)`).argParser(
        oneOf("engine", engineNames),
      ),
    )
    .option("--threads <n>", "threads of the engine (default: all cores)", threadsFor("--threads"))
    .addOption(
      new Option(
        "--runtime",
        "run in ONNX Runtime, as quantised files always are; --threads is then 1 by default",
      ).conflicts("engine"),
    );
  addImageFlags(command, fileImageFlags);
  command.action(async (file: string, given: EvalOptions) => {
    if (given.runtime === true) requireOnnxRuntime();
    if (given.html !== undefined) await requirePlaceFor(given.html);
    const { network, quantized } = await openOnnx(file, optional({ size: given.size, inputs: given.input }));
    if (given.input !== undefined && given.runtime === true) throw noFixedInputs();
    const options = quantized === undefined ? given : inRuntime(given, file);
    if (options.runtime === true) requireOnnxRuntime();
    const isMultiLabel =
      options.task === "multi-label" || (options.task === undefined && answersWithLabels(network.graph));
    if (isMultiLabel && options.html !== undefined) throw noPage();
    const dataset = await dataProgress(context, (onProgress) =>
      openFor(
        file,
        network,
        options.data,
        { images: imageOptions(command), isMultiLabel, columns: options.columns },
        onProgress,
      ),
    );
    const notices = [readingNote(network.graph, dataset)].filter((note) => note !== undefined);
    const { confusion, augmented, labels } = await withStatusLine(context, (show) =>
      score(
        file,
        network,
        dataset,
        options,
        (notice) => notices.push(notice),
        (images, all) => show("scoring", `classified ${formatCount(images)} of ${formatCount(all)} images`),
      ),
    );
    for (const notice of notices) printNotice(context, notice);
    const unreadable = "files" in dataset.test ? dataset.test.unreadable.images : [];
    if (labels !== undefined) {
      const shown = { file, dataset, labels, unreadable, isJson: options.json === true };
      printLabels(context, shown);
      return;
    }
    const found = required(confusion, "the scores");
    const { accuracy, correct, images, loss, counts } = found;
    const results = classResults(found);
    const balanced = balancedAccuracy(results);
    if (options.html !== undefined) await writePage(options.html, file, dataset, found);
    if (options.json === true) {
      const worst = found.worst.map(({ pixels: _, ...image }) => image);
      const classes = dataset.classes;
      printJson(context, {
        ...{ file, dataset: dataset.name, accuracy, correct, images, loss, classes },
        ...(augmented === undefined
          ? {}
          : { augmented: { views: augmented.views, accuracy: augmented.accuracy, correct: augmented.correct } }),
        ...{ balancedAccuracy: balanced, recall: results.map(recallOf), confusion: counts, worst, unreadable },
      });
      return;
    }
    const { colours, print } = context.stdout;
    for (const note of dataset.notes ?? []) print(colours.dim(note));
    for (const line of unreadableLines(unreadable)) print(`${colours.yellow("!")} ${line}`);
    print(
      `${colours.bold(formatPercent(accuracy, 2))} of ${formatCount(images)} test images of ${dataset.name} ` +
        "classified correctly",
    );
    if (augmented !== undefined) {
      const over = `${viewCount(augmented.views)} views of each (${augmented.views})`;
      print(`${formatPercent(augmented.accuracy, 2)} with the answers averaged over ${over}`);
    }
    if (Math.abs(balanced - accuracy) > VISIBLE) {
      print(`${formatPercent(balanced, 2)} balanced accuracy: the mean recall of the classes`);
    }
    for (const line of confusionLines(found, dataset.classes, context.stdout)) print(line);
    if (options.html !== undefined)
      for (const line of ["", ...fileLines([["page", options.html]], context.stdout)]) print(line);
  });
  withCommonOptions(command, [
    "espalier eval runs/resnet-20-cifar10/compact.onnx",
    "espalier eval compact.onnx --data ./photos --html evaluation.html",
    "espalier eval tagger.onnx --data labels.csv --task multi-label",
    "espalier eval network.onnx --data cifar10 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
  ]);
}
