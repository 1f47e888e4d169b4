/** `espalier inspect <model|file.onnx>`: shows a network's layers, structures, parameters and MACs. */
import type { Command } from "commander";
import { optional } from "../../core/optional.ts";
import { integerFor } from "../../core/text-values.ts";
import type { FixedInputs } from "../../formats/onnx/fixed-inputs.ts";
import { openOnnx } from "../../formats/onnx/index.ts";
import { modelNames } from "../../models/zoo.ts";
import { readNames } from "../../training/settings/codecs.ts";
import { readFixedInputs } from "../../training/settings/fixed-input.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { unusedSizeNotes } from "../fixed-size.ts";
import { inspect } from "../inspection.ts";
import { tableShown } from "../latency.ts";
import { isFile, openNetwork } from "../network.ts";
import { reportStructures } from "../structures.ts";
import { inspectionLines } from "../view/inspection.ts";
import { structureLines } from "../view/structures.ts";

interface InspectOptions extends CommonOptions {
  readonly classes?: number;
  readonly channels?: number;
  readonly size?: number;
  readonly structures?: boolean;
  readonly outputs?: readonly string[];
  readonly input?: FixedInputs;
  readonly latency?: true;
  readonly latencyTable?: string;
}

export function addInspect(program: Command, context: Context): void {
  const command = program
    .command("inspect")
    .description("Show the layers of a network, its structures, parameters and MACs.")
    .argument("<network>", `a model (${modelNames.join(", ")}) or an ONNX file`)
    .option("--classes <n>", "classes of a model (default: 10, or 1000 for 224 × 224 pixels)", integerFor("--classes"))
    .option("--channels <n>", "channels of a model's images (default: 3)", integerFor("--channels"))
    .option(
      "--size <pixels>",
      "height and width of a model's images (default: 32 or 224), or of a file's, if the file leaves them open",
      integerFor("--size"),
    )
    .option("--structures", "show the structures that can be pruned, their costs, and why other layers cannot")
    .option("--outputs <names>", "values of a file where the network ends, with commas between them", (text) =>
      readNames(text, "--outputs"),
    )
    .option("--input <values>", "fixed values of a file's inputs besides the images, as scale=1,mask=m.npy", (text) =>
      readFixedInputs(text),
    )
    .option("--latency", "show the predicted time of each layer in ONNX Runtime on this machine: one thread, one image")
    .option("--latency-table <file>", "show the predicted times of a table that espalier measure wrote")
    .action(async (source: string, options: InspectOptions) => {
      const { classes, channels, size, outputs, input: inputs } = options;
      const reading = optional({ outputs, size, inputs });
      const file = isFile(source) && options.structures !== true ? await openOnnx(source, reading) : undefined;
      const network =
        file?.network ?? (await openNetwork(source, { ...optional({ classes, channels, size }) }, reading));
      const notes = size === undefined || !isFile(source) ? [] : unusedSizeNotes(network.graph, [size, size]);
      for (const note of notes) printNotice(context, note);
      const latencyTable =
        options.latency === true || options.latencyTable !== undefined
          ? await tableShown(context, network.graph, {
              ...{ gammaBy: "latency" as const },
              ...optional({ latencyTable: options.latencyTable }),
            })
          : undefined;
      if (options.structures === true) {
        const report = reportStructures(network, latencyTable);
        if (options.json === true) printJson(context, report);
        else for (const line of structureLines(report, context.stdout)) context.stdout.print(line);
        return;
      }
      const inspection = inspect(network, latencyTable, file?.quantized);
      if (options.json === true) printJson(context, inspection);
      else for (const line of inspectionLines(inspection, context.stdout)) context.stdout.print(line);
    });
  withCommonOptions(command, [
    "espalier inspect resnet-20",
    "espalier inspect resnet-56 --structures",
    "espalier inspect vgg-16 --classes 100",
    "espalier inspect resnet-20 --latency",
    "espalier inspect resnet-50",
    "espalier inspect runs/resnet-20-cifar10/compact.onnx --json",
  ]);
}
