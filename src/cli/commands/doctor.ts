/** `espalier doctor`: what this machine has of all that training needs, and what to do about what is missing. */
import { type Command, CommanderError } from "commander";
import { espalierVersion } from "../../core/version.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { diagnose } from "../diagnosis.ts";
import { EXIT } from "../failure.ts";
import { printDiagnosis } from "../view/diagnosis.ts";

/** Thrown once the reader has been told why training will not work. */
export const TOLD = "espalier.told";

export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command("doctor")
    .description("Look at everything that training needs on this machine, and say what to do about what is missing.")
    .action(async ({ json }: CommonOptions) => {
      const diagnosis = diagnose();
      if (json === true) printJson(context, { espalier: await espalierVersion(), ...diagnosis });
      else printDiagnosis(diagnosis, context.stdout);
      if (!diagnosis.willTrain) throw new CommanderError(EXIT.userError, TOLD, "");
    });
  withCommonOptions(command, ["espalier doctor", "espalier doctor --json"]);
}
