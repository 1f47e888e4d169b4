/** `espalier resume <run>`: continues a run that was stopped, bit for bit. */
import type { Command } from "commander";
import { resume } from "../../training/resume.ts";
import { type CommonOptions, type Context, withCommonOptions } from "../context.ts";
import { watchRun } from "../run.ts";

export function addResume(program: Command, context: Context): void {
  const command = program
    .command("resume")
    .description("Continue a run that was stopped. It ends with the same weights as a run without a stop.")
    .argument("<run>", "the folder of the run")
    .action(async (folder: string, options: CommonOptions) => {
      await watchRun(context, options, (hooks) => resume(folder, hooks));
    });
  withCommonOptions(command, ["espalier resume runs/resnet-20-cifar10"]);
}
