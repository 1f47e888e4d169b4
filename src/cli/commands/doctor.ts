/** `espalier doctor`: checks whether this machine has what training needs, and says what to do if it does not. */
import { type Command, CommanderError } from "commander";
import { espalierVersion } from "../../core/version.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";
import { diagnose } from "../diagnosis.ts";
import { EXIT } from "../failure.ts";
import { printDiagnosis } from "../view/diagnosis.ts";

/** Code of the error that `espalier doctor` throws after it has printed why training will not work. */
export const DIAGNOSIS_PRINTED = "espalier.diagnosisPrinted";

export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command("doctor")
    .description("Check what training needs on this machine, and say how to install or repair what is missing.")
    .action(async ({ json }: CommonOptions) => {
      const diagnosis = diagnose();
      if (json === true) printJson(context, { espalier: await espalierVersion(), ...diagnosis });
      else printDiagnosis(diagnosis, context.stdout);
      if (!diagnosis.willTrain) throw new CommanderError(EXIT.userError, DIAGNOSIS_PRINTED, "");
    });
  withCommonOptions(command, ["espalier doctor", "espalier doctor --json"]);
}
