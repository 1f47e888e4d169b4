/** `espalier export <file> --for transformers.js`: writes a network for the library that will run it. */
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { oneOf } from "../../core/text-values.ts";
import { saveForTransformersJs, transformersJsFiles } from "../../deployment/transformers-js.ts";
import { loadOnnx } from "../../formats/onnx/index.ts";
import type { Pair } from "../../graph/attributes.ts";
import { readSize } from "../../training/settings/codecs.ts";
import { normalizationFlags } from "../../training/settings/image-flags.ts";
import { answersWithLabels, preparationOf } from "../../training/start/data/file-metadata.ts";
import { classNamesOf } from "../../training/start/head/class-names.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { unusedSizeNotes } from "../fixed-size.ts";
import { addImageFlags, imageOptions } from "../flags.ts";
import { preprocessingNotes, preprocessingOf } from "../preprocessing.ts";
import { nearPath } from "../view/run-summary.ts";

const targets = ["transformers.js"] as const;

interface ExportOptions extends CommonOptions {
  readonly for: (typeof targets)[number];
  readonly out?: string;
  readonly size?: Pair;
}

const LIBRARY = "@huggingface/transformers";

/** How to load the folder: in Node, in a browser, and in Python. */
function loadingLines(folder: string): readonly (readonly [string, string])[] {
  const [place, name] = [dirname(folder), basename(folder)];
  return [
    [
      "Node",
      `import { env, pipeline } from ${JSON.stringify(LIBRARY)}; env.localModelPath = ${JSON.stringify(place)}; ` +
        `const classify = await pipeline("image-classification", ${JSON.stringify(name)})`,
    ],
    ["browser", `the same with env.allowLocalModels = true and env.localModelPath = the address that serves ${place}`],
    [
      "Python",
      `onnxruntime.InferenceSession(${JSON.stringify(join(folder, transformersJsFiles.network))})` +
        '.run(["logits"], {"pixel_values": images})',
    ],
  ];
}

export function addExport(program: Command, context: Context): void {
  const command = program
    .command("export")
    .description("Write an ONNX file as a folder that another library loads, with its classes and preprocessing.")
    .argument("<file>", "an ONNX file of an image classifier")
    .addOption(
      new Option("--for <library>", targets.join(", ")).argParser(oneOf("library", targets)).makeOptionMandatory(),
    )
    .option("--out <folder>", "the folder (default: the file's name without .onnx)")
    .option("--size <pixels>", "height and width of images, for files that do not fix them", (text) => readSize(text));
  addImageFlags(command, normalizationFlags("the file's"));
  command.action(async (file: string, options: ExportOptions) => {
    const network = { ...(await loadOnnx(file, optional({ size: options.size }))), path: file };
    if (answersWithLabels(network.graph)) {
      throw new UserError("unsupported", "transformers.js has no image classifiers with several labels an image", {
        about: file,
        hint: "Run the file in ONNX Runtime as it is: each output is a label's logit or probability",
      });
    }
    const images = imageOptions(command);
    const { mean = [], standardDeviation = [] } = { ...preprocessingOf(network, images), ...images };
    const { centreCrop } = preparationOf(network);
    const classes = classNamesOf(network.graph);
    const folder = options.out ?? file.replace(/\.onnx$/i, "");
    await saveForTransformersJs(network, folder, {
      normalization: { mean, standardDeviation },
      ...optional({ classes, centreCrop }),
    });
    const notes = [
      ...unusedSizeNotes(network.graph, options.size),
      ...preprocessingNotes(network, images),
      ...(classes === undefined ? ["The file has no names of classes: they are called LABEL_0, LABEL_1, …"] : []),
    ];
    if (options.json === true) {
      printJson(context, { folder, files: Object.values(transformersJsFiles), notes });
      return;
    }
    const { colours, print } = context.stdout;
    for (const note of notes) print(`${colours.yellow("!")} ${note}`);
    print(`${colours.green("✓")} ${nearPath(folder)}: ${Object.values(transformersJsFiles).join(", ")}`);
    for (const [where, line] of loadingLines(folder)) print(`  ${colours.dim(where.padEnd(7))}  ${line}`);
  });
  withCommonOptions(command, [
    "espalier export runs/resnet-20-photos/compact.onnx --for transformers.js --out resnet-photos",
    "espalier export model.onnx --for transformers.js --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5",
  ]);
}
