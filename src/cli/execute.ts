/** Runs one command, from its arguments to its exit code. It prints to the terminals of its context. */
import { hostname } from "node:os";
import { CommanderError } from "commander";
import { UserError } from "../core/errors.ts";
import { espalierVersion } from "../core/version.ts";
import { isReportedElsewhere } from "../distributed/failure.ts";
import { DIAGNOSIS_PRINTED } from "./commands/doctor.ts";
import type { Context } from "./context.ts";
import { asEspalierError, EXIT, exitCodeOf, failureReport, printFailure } from "./failure.ts";
import { createProgram } from "./program.ts";

/** Codes of errors after which nothing is left to print. */
const PRINTED: ReadonlySet<string> = new Set(["commander.helpDisplayed", "commander.version", DIAGNOSIS_PRINTED]);
/** Code of the error for a missing command: commander has printed the help. */
const HELP_INSTEAD = "commander.help";

/** Runs `espalier <arguments_>`. Never rejects: an error is printed and decides the exit code. */
export async function execute(arguments_: readonly string[], context: Context): Promise<number> {
  const program = createProgram(context, await espalierVersion());
  try {
    refuseEmpty(arguments_);
    await program.parseAsync([...arguments_], { from: "user" });
    const { failure } = context.interruption;
    if (failure === undefined) return EXIT.ok;
    printFailure(failure, context.stderr, arguments_.includes("--debug"));
    return exitCodeOf(failure);
  } catch (error) {
    if (error instanceof CommanderError && PRINTED.has(error.code)) return error.exitCode;
    if (error instanceof CommanderError && error.code === HELP_INSTEAD) return EXIT.userError;
    const isCommand = program.commands.some((command) => command.name() === arguments_[0]);
    const thrown = asEspalierError(error, isCommand ? `espalier ${arguments_[0]}` : "espalier");
    const { failure: ofOutput } = context.interruption;
    // If a failed write to the output has interrupted the work, that failure is the error to report.
    const failure = ofOutput !== undefined && thrown.code === "interrupted" ? ofOutput : thrown;
    const exitCode = exitCodeOf(failure);
    if (isReportedElsewhere(error)) return exitCode;
    if (arguments_.includes("--json")) context.stdout.print(JSON.stringify(failureReport(failure)));
    const { rank = 0 } = context;
    if (rank > 0) context.stderr.print(`rank ${rank} on ${hostname()}:`);
    printFailure(failure, context.stderr, arguments_.includes("--debug"));
    return exitCode;
  }
}

/** Refuses empty values, such as those of a variable of the shell that is not set. */
function refuseEmpty(arguments_: readonly string[]): void {
  const at = arguments_.findIndex((argument) => argument === "" || /^--[\w-]+=$/.test(argument));
  if (at < 0) return;
  const flag = [arguments_[at], arguments_[at - 1]].find((argument) => argument?.startsWith("--") === true);
  throw new UserError("bad-option", "a value is empty", {
    about: flag?.replace(/=$/, "") ?? `argument ${at + 1}`,
    hint: "Give a value, or leave the option out",
  });
}
