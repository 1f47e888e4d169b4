/**
 * `espalier bench`: times one or two networks in ONNX Runtime, or one training step of a network in Espalier's own
 * engine.
 */
import { type Command, Option } from "commander";
import { UserError } from "../../core/errors.ts";
import { integerFor, oneOf, threadsFor } from "../../core/text-values.ts";
import { engineNames } from "../../engine/create.ts";
import { precisions } from "../../engine/engine.ts";
import { modelNames } from "../../models/zoo.ts";
import { readGammas, readSize } from "../../training/settings/codecs.ts";
import { benchFiles, type FileBenchOptions } from "../bench-files.ts";
import { benchStep, type StepBenchOptions } from "../bench-step.ts";
import { benchWidths } from "../bench-widths.ts";
import { type Context, withCommonOptions } from "../context.ts";

interface BenchOptions extends StepBenchOptions, FileBenchOptions {
  readonly step?: true;
  readonly widths?: true;
}

async function bench(context: Context, source: string | undefined, options: BenchOptions): Promise<void> {
  if (options.widths === true) return benchWidths(context, options);
  if (source === undefined) {
    throw new UserError("bad-option", "there is no network to time", {
      about: "espalier bench",
      hint: "Name an ONNX file or a model, or use --widths, which needs no network",
    });
  }
  return options.step === true ? benchStep(context, source, options) : benchFiles(context, source, options);
}

export function addBench(program: Command, context: Context): void {
  const command = program
    .command("bench")
    .description("Time one or two networks in ONNX Runtime, or one training step of a network (--step).")
    .argument("[network]", `any ONNX file, or ${modelNames.join(", ")}`)
    .option("--batch <images>", "batch size (default: 1 and 32; with --step: 128)", integerFor("--batch"))
    .option("--threads <n>", "threads (default: 1 and all cores; with --step: all cores)", threadsFor("--threads"))
    .option("--runs <n>", "timed runs (default: 50; with --step: 20)", integerFor("--runs"))
    .optionsGroup("Networks in ONNX Runtime:")
    .option("--against <network>", "a second network to compare with")
    .option("--per-layer", "show the time of each layer")
    .option("--size <pixels>", "height and width of images, for files that do not fix them", (text) => readSize(text))
    .option("--widths", "time layers of many widths instead of a network, to find the best value for train --round")
    .optionsGroup("A training step:")
    .option("--step", "time a training step: forward, loss, backward and the optimizers")
    .addOption(
      new Option("--precision <name>", precisions.join(" or "))
        .default("f32")
        .argParser(oneOf("precision", precisions)),
    )
    .option("--gamma <γ>", "add scaling factors: one number, or neurons=…,groups=…,blocks=…,streams=…", (text) =>
      readGammas(text),
    )
    .option(
      "--explain",
      "show the implementation, time and speed of each step of the plan; under mpirun, also the times of all-reduces",
    )
    .option("--sync-bn", "under mpirun: normalise by the batch statistics of all ranks")
    .addOption(
      new Option("--engine <name>", `${engineNames.join(" or ")} (default: onednn where it is installed)`).argParser(
        oneOf("engine", engineNames),
      ),
    )
    .optionsGroup("Output:")
    .action((source: string | undefined, options: BenchOptions) => bench(context, source, options));
  withCommonOptions(command, [
    "espalier bench runs/x/compact.onnx --against model.onnx",
    "espalier bench model.onnx --per-layer --threads 1 --batch 1",
    "espalier bench --widths",
    "espalier bench resnet-20 --step",
    "espalier bench vgg-16 --step --batch 64 --precision bf16 --explain",
    "mpirun -n 2 espalier bench resnet-50 --step --batch 16 --sync-bn --explain",
  ]);
}
