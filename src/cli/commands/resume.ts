/** `espalier resume <run>`: continues a run that was stopped, bit for bit, or goes on with one for more epochs. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { optional } from "../../core/optional.ts";
import { integerFor, threadsFor } from "../../core/text-values.ts";
import { resume } from "../../training/resume.ts";
import { isFinishedRun } from "../../training/run-folder/finished.ts";
import { runFiles } from "../../training/run-folder/run-folder.ts";
import { type CommonOptions, type Context, withCommonOptions } from "../context.ts";
import { watchRun } from "../run.ts";

interface ResumeFlags extends CommonOptions {
  readonly epochs?: number;
  readonly data?: string;
  readonly threads?: number;
}

/** Whether the run is finished but for its report, which could not be written. `watchRun` writes it. */
async function lacksOnlyReport(folder: string): Promise<boolean> {
  return (await isFinishedRun(folder)) && !existsSync(join(folder, runFiles.report));
}

export function addResume(program: Command, context: Context): void {
  const command = program
    .command("resume")
    .description("Continue a run that was stopped. It ends with the same weights as a run without a stop.")
    .argument("<run>", "the folder of the run")
    .option(
      "--epochs <n>",
      "train for more epochs than planned, also after the run has finished",
      integerFor("--epochs"),
    )
    .option("--data <dataset>", "where the data is now; it must be the same data")
    .option("--threads <n>", "threads of the engine (default: as many as before)", threadsFor("--threads"))
    .action(async (folder: string, options: ResumeFlags) => {
      const { epochs, data, threads } = options;
      await watchRun(context, options, async (hooks) =>
        epochs === undefined && (await lacksOnlyReport(folder))
          ? { folder }
          : resume(folder, { ...hooks, ...optional({ epochs, data, threads }) }),
      );
    });
  withCommonOptions(command, [
    "espalier resume runs/resnet-20-cifar10",
    "espalier resume runs/resnet-20-cifar10 --epochs 30",
    "espalier resume runs/resnet-20-photos --data /mnt/moved/photos",
  ]);
}
