/** `espalier bench <model> --step`: how long one training step takes here, and which kernels it is made of. */
import { type Command, Option } from "commander";
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { UserError } from "../../core/errors.ts";
import { type EngineName, engineNames } from "../../engine/create.ts";
import { type Precision, precisions } from "../../engine/engine.ts";
import { EngineHost } from "../../engine/host.ts";
import { measureStepTime, type StepTime, type StepTimeProgress } from "../../evaluation/step-time.ts";
import { modelNames } from "../../models/zoo.ts";
import { withFactors } from "../../training/starting-network.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { openNetwork } from "../network.ts";
import { selectionFor } from "../selection.ts";
import { type Gamma, integerFor, oneOf, parseGamma } from "../values.ts";
import { withStatusLine } from "../view/status-line.ts";
import { type StepConditions, stepTimeLines, stepTimeStatus } from "../view/step-time.ts";

interface BenchOptions extends CommonOptions {
  readonly step?: true;
  readonly batch: number;
  readonly precision: Precision;
  readonly runs: number;
  readonly gamma?: Gamma;
  readonly explain?: true;
  readonly engine: EngineName;
  readonly threads?: number;
}

/** Runs over which `--explain` takes the median of each step of the plan. */
const EXPLAIN_RUNS = 5;

interface Measured {
  readonly time: StepTime;
  readonly conditions: StepConditions;
}

/** Times a step of the network that `source` names, with factors where `--gamma` asks for them. */
async function measure(
  source: string,
  options: BenchOptions,
  onProgress: (progress: StepTimeProgress) => void,
): Promise<Measured> {
  const { batch, precision, runs, gamma, engine, threads } = options;
  const select = await selectionFor(source, gamma === undefined ? {} : { gamma });
  const subject = withFactors(await openNetwork(source), { select, seed: 1 });
  const host = await EngineHost.start({
    engine,
    cacheFolder: kernelCacheFolder(),
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    const explainRuns = options.explain === true ? EXPLAIN_RUNS : 0;
    const time = await measureStepTime(host, subject, { batch, precision, runs, explainRuns, onProgress });
    const conditions = {
      model: subject.network.graph.name,
      structures: subject.factors.reduce((sum, { count }) => sum + count, 0),
      // An engine that does not say has one.
      threads: Number(host.description["threads"] ?? 1),
      engine: { name: host.name, ...host.description },
    };
    return { time, conditions };
  } finally {
    await host.dispose();
  }
}

function asJson({ time, conditions }: Measured, isExplained: boolean): Record<string, unknown> {
  const { median, minimum, maximum, runs, imagesPerSecond, batch, precision, bytes, notices, steps } = time;
  const { model, threads, engine } = conditions;
  return {
    ...{ model, batch, precision, threads, engine },
    ...{ medianMs: median, minMs: minimum, maxMs: maximum, runs, imagesPerSecond, bytes, notices },
    ...(isExplained ? { steps } : {}),
  };
}

export function addBench(program: Command, context: Context): void {
  const command = program
    .command("bench")
    .description("Time one training step of a network on random images.")
    .argument("<model>", `${modelNames.join(", ")}, or an ONNX file of your own`)
    .option("--step", "time a training step: forward, loss, backward and the optimizers")
    .option("--batch <images>", "images a step", integerFor("--batch"), 128)
    .addOption(
      new Option("--precision <name>", precisions.join(" or "))
        .default("f32")
        .argParser(oneOf("precision", precisions)),
    )
    .option("--gamma <γ>", "with scaling factors: a number, or neurons=…,groups=…,blocks=…,streams=…", parseGamma)
    .option("--runs <n>", "timed steps", integerFor("--runs"), 20)
    .option("--explain", "show the plan: the implementation, time and speed of each of its steps")
    .addOption(
      new Option("--engine <name>", engineNames.join(" or ")).default("onednn").argParser(oneOf("engine", engineNames)),
    )
    .option("--threads <n>", "threads of the engine (default: all cores)", integerFor("--threads"))
    .action(async (source: string, options: BenchOptions) => {
      if (options.step !== true) {
        throw new UserError("bad-option", "it is not said what to time", {
          about: "espalier bench",
          hint: `Add --step to time a training step: espalier bench ${source} --step`,
        });
      }
      const measured = await withStatusLine(context, (show) =>
        measure(source, options, (progress) => show(progress.phase, stepTimeStatus(progress))),
      );
      for (const notice of measured.time.notices) printNotice(context, notice);
      if (options.json === true) return printJson(context, asJson(measured, options.explain === true));
      for (const line of stepTimeLines(measured.time, measured.conditions, context.stdout)) context.stdout.print(line);
    });
  withCommonOptions(command, [
    "espalier bench resnet-20 --step",
    "espalier bench vgg-16 --step --batch 64 --precision bf16 --explain",
    "espalier bench runs/resnet-20-cifar10/compact.onnx --step --runs 50 --json",
  ]);
}
