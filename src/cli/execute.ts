/** One command from its arguments to its exit code, printing to whatever terminals it is given. */
import { hostname } from "node:os";
import { CommanderError } from "commander";
import { espalierVersion } from "../core/version.ts";
import { isToldElsewhere } from "../distributed/failure.ts";
import { TOLD } from "./commands/doctor.ts";
import type { Context } from "./context.ts";
import { asEspalierError, EXIT, exitCodeOf, failureReport, printFailure } from "./failure.ts";
import { createProgram } from "./program.ts";

/** Codes that a command is left with after all has been printed that there is to say. */
const ANSWERED: ReadonlySet<string> = new Set(["commander.helpDisplayed", "commander.version", TOLD]);
/** No command was named: commander has printed the help. */
const HELP_INSTEAD = "commander.help";

/** Runs `espalier <arguments_>`. Never rejects: what goes wrong is printed and becomes the exit code. */
export async function execute(arguments_: readonly string[], context: Context): Promise<number> {
  const program = createProgram(context, await espalierVersion());
  try {
    await program.parseAsync([...arguments_], { from: "user" });
    const { failure } = context.interruption;
    if (failure === undefined) return EXIT.ok;
    printFailure(failure, context.stderr, arguments_.includes("--debug"));
    return exitCodeOf(failure);
  } catch (error) {
    if (error instanceof CommanderError && ANSWERED.has(error.code)) return error.exitCode;
    if (error instanceof CommanderError && error.code === HELP_INSTEAD) return EXIT.userError;
    const isCommand = program.commands.some((command) => command.name() === arguments_[0]);
    const told = asEspalierError(error, isCommand ? `espalier ${arguments_[0]}` : "espalier");
    const { failure: ofOutput } = context.interruption;
    // Work that was stopped because nothing could be printed has failed by that.
    const failure = ofOutput !== undefined && told.code === "interrupted" ? ofOutput : told;
    const exitCode = exitCodeOf(failure);
    if (isToldElsewhere(error)) return exitCode;
    if (arguments_.includes("--json")) context.stdout.print(JSON.stringify(failureReport(failure)));
    const { rank = 0 } = context;
    if (rank > 0) context.stderr.print(`rank ${rank} on ${hostname()}:`);
    printFailure(failure, context.stderr, arguments_.includes("--debug"));
    return exitCode;
  }
}
