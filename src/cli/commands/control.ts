/** `espalier control <run>`: what remained of a run's network, trained again from new weights. */
import type { Command } from "commander";
import { integerFor } from "../../core/text-values.ts";
import { control } from "../../experiments/control.ts";
import { type CommonOptions, type Context, withCommonOptions } from "../context.ts";
import { watchRun } from "../run.ts";
import { finishedLines } from "../view/comparison.ts";

interface ControlFlags extends CommonOptions {
  readonly sameMacs?: true;
  readonly seed?: number;
  readonly out?: string;
}

export function addControl(program: Command, context: Context): void {
  const command = program
    .command("control")
    .description(
      "Train the compact architecture of a finished run from new weights, with the run's settings: was pruning " +
        "worth it?",
    )
    .argument("<run>", "the folder of the run")
    .option("--same-macs", "for as many epochs as take the MACs that training the run took (default: its epochs)")
    .option("--seed <n>", "of weights, order and augmentation (default: the run's)", integerFor("--seed", 0))
    .option("--out <folder>", "the control's folder (default: the run's, with -control behind its name)")
    .action(async (folder: string, { sameMacs, seed, out, ...options }: ControlFlags) => {
      await watchRun(
        context,
        options,
        (hooks) =>
          control(folder, {
            ...hooks,
            same: sameMacs === true ? "macs" : "epochs",
            ...(seed === undefined ? {} : { seed }),
            ...(out === undefined ? {} : { folder: out }),
          }),
        (own) => finishedLines([folder, own], context.stdout),
      );
    });
  withCommonOptions(command, [
    "espalier control runs/resnet-20-cifar10",
    "espalier control runs/resnet-20-cifar10 --same-macs",
    "espalier resume runs/resnet-20-cifar10-control",
  ]);
}
