/** `espalier control <run>`: trains a run's from-scratch baseline, the pruned architecture with new weights. */
import { type Command, Option } from "commander";
import { optional } from "../../core/optional.ts";
import { integerFor } from "../../core/text-values.ts";
import { control } from "../../experiments/control.ts";
import { type CommonOptions, type Context, withCommonOptions } from "../context.ts";
import { watchRun } from "../run.ts";
import { finishedLines } from "../view/comparison.ts";

const seedFor = integerFor("--seed", 0);

interface ControlFlags extends CommonOptions {
  readonly sameMacs?: true;
  readonly uniform?: true;
  readonly seed?: number;
  readonly data?: string;
  readonly out?: string;
}

export function addControl(program: Command, context: Context): void {
  const command = program
    .command("control")
    .description(
      "Train a from-scratch baseline of a finished run: its pruned architecture, or the uniformly thinner network, " +
        "with new weights and the same settings.",
    )
    .argument("<run>", "the folder of the run")
    .option("--same-macs", "train with the same number of MACs as the run (default: the same number of epochs)")
    .addOption(
      new Option(
        "--uniform",
        "train the uniformly thinner network instead: all widths of the full network times one number, with as many " +
          "MACs as the pruned one",
      ).conflicts("sameMacs"),
    )
    .option("--seed <n>", "seed of the weights, the order and the augmentation (default: the run's)", seedFor)
    .option("--data <dataset>", "where the data is now; it must be the same data")
    .option("--out <folder>", "folder of the baseline (default: the run's folder with -control appended)")
    .action(async (folder: string, { sameMacs, uniform, seed, data, out, ...options }: ControlFlags) => {
      await watchRun(
        context,
        options,
        (hooks) =>
          control(folder, {
            ...hooks,
            kind: uniform === true ? "uniform" : sameMacs === true ? "macs" : "epochs",
            ...optional({ seed, data, folder: out }),
          }),
        (own) => finishedLines([folder, own], context.stdout),
      );
    });
  withCommonOptions(command, [
    "espalier control runs/resnet-20-cifar10",
    "espalier control runs/resnet-20-cifar10 --same-macs",
    "espalier control runs/resnet-20-cifar10 --uniform",
    "espalier resume runs/resnet-20-cifar10-control",
  ]);
}
