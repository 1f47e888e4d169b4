/**
 * `espalier convert <from> <to>`: converts weights between ONNX files and PyTorch's state dicts (safetensors), or
 * rewrites an ONNX file.
 */
import type { Command } from "commander";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { integerFor } from "../../core/text-values.ts";
import { loadOnnx, saveOnnx } from "../../formats/onnx/index.ts";
import { loadSafetensors, saveSafetensors } from "../../formats/safetensors.ts";
import { stateDictOf, weightsFromStateDict } from "../../formats/state-dict.ts";
import { cost } from "../../graph/cost.ts";
import type { Network } from "../../graph/graph.ts";
import type { ImageOptions } from "../../models/options.ts";
import { model, modelNames } from "../../models/zoo.ts";
import { formatCount } from "../../report/format.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";

interface ConvertOptions extends CommonOptions, Partial<ImageOptions> {
  readonly model?: string;
}

const formats = ["onnx", "safetensors"] as const;

function formatOf(path: string): (typeof formats)[number] {
  const found = formats.find((format) => path.toLowerCase().endsWith(`.${format}`));
  if (found !== undefined) return found;
  throw new UserError("bad-option", "its format cannot be converted", {
    about: path,
    expected: "a name that ends in .onnx or .safetensors",
    received: path,
    hint: "Rename the file if it has one of these formats; espalier convert --help has examples",
  });
}

async function read(path: string, options: ConvertOptions): Promise<Network> {
  if (formatOf(path) === "onnx") return loadOnnx(path);
  if (options.model === undefined) {
    throw new UserError("bad-option", "a file of weights does not say which network they belong to", {
      about: path,
      hint: `Name the network with --model: ${modelNames.join(", ")}`,
    });
  }
  const { classes, channels, size } = options;
  const graph = model(options.model, {
    ...optional({ classes, channels, size }),
  });
  return { graph, weights: weightsFromStateDict(graph, await loadSafetensors(path), path) };
}

async function write(network: Network, path: string): Promise<void> {
  if (formatOf(path) === "onnx") await saveOnnx(network, path);
  else await saveSafetensors(stateDictOf(network), path);
}

export function addConvert(program: Command, context: Context): void {
  const command = program
    .command("convert")
    .description("Convert weights between PyTorch's state dicts (safetensors) and ONNX files.")
    .argument("<from>", "an .onnx or .safetensors file to read")
    .argument("<to>", "an .onnx or .safetensors file to write")
    .option("--model <name>", "the network that the weights of a .safetensors file belong to")
    .option(
      "--classes <n>",
      "classes of that network (default: 10, or 1000 for networks of 224 × 224 pixels)",
      integerFor("--classes"),
    )
    .option("--channels <n>", "channels of its images (default: 3)", integerFor("--channels"))
    .option("--size <pixels>", "height and width of its images (default: 32 or 224)", integerFor("--size"))
    .action(async (from: string, to: string, options: ConvertOptions) => {
      formatOf(to);
      const network = await read(from, options);
      await write(network, to);
      const { parameters } = cost(network.graph);
      if (options.json === true) {
        printJson(context, { from, to, network: network.graph.name, parameters });
        return;
      }
      const { colours, print } = context.stdout;
      print(`${colours.green("✓")} ${to}: ${network.graph.name}, ${formatCount(parameters)} parameters`);
    });
  withCommonOptions(command, [
    "espalier convert resnet18.safetensors resnet18.onnx --model resnet-18",
    "espalier convert runs/resnet-20-cifar10/compact.onnx compact.safetensors",
    "espalier convert old.onnx new.onnx",
  ]);
}
