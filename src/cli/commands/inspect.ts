/** `espalier inspect <model|file.onnx>`: layers, structures, parameters and MACs. */
import type { Command } from "commander";
import { loadOnnx } from "../../formats/onnx/index.ts";
import { model, modelNames } from "../../models/zoo.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { type Inspection, inspect } from "../inspection.ts";
import { integerFor } from "../values.ts";
import { inspectionLines } from "../view/inspection.ts";

interface InspectOptions extends CommonOptions {
  readonly classes: number;
  readonly channels: number;
  readonly size: number;
}

/** What ends in .onnx, or is written as a path, is a file; anything else a model's name. */
function isFile(network: string): boolean {
  return network.endsWith(".onnx") || /[\\/]/.test(network);
}

async function inspectNamed(network: string, { classes, channels, size }: InspectOptions): Promise<Inspection> {
  if (!isFile(network)) return inspect(model(network, { classes, channels, size }), undefined);
  const { graph, weights } = await loadOnnx(network);
  return inspect(graph, weights);
}

export function addInspect(program: Command, context: Context): void {
  const command = program
    .command("inspect")
    .description("Show the layers of a network, its structures, parameters and MACs.")
    .argument("<network>", `a model (${modelNames.join(", ")}) or an ONNX file`)
    .option("--classes <n>", "classes of a model", integerFor("--classes"), 10)
    .option("--channels <n>", "channels of a model's images", integerFor("--channels"), 3)
    .option("--size <pixels>", "height and width of a model's images", integerFor("--size"), 32)
    .action(async (network: string, options: InspectOptions) => {
      const inspection = await inspectNamed(network, options);
      if (options.json === true) printJson(context, inspection);
      else for (const line of inspectionLines(inspection, context.stdout)) context.stdout.print(line);
    });
  withCommonOptions(command, [
    "espalier inspect resnet-20",
    "espalier inspect vgg-16 --classes 100",
    "espalier inspect runs/resnet-20-cifar10/compact.onnx --json",
  ]);
}
