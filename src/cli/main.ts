#!/usr/bin/env node
/**
 * The `espalier` command. Exit codes: 0, 2 for what the user can mend, 70 for a fault of ours, 130 for Ctrl-C.
 * Nothing calls `process.exit` on the ordinary way out: worker threads and files come to their end first.
 */
import { CommanderError } from "commander";
import { espalierVersion } from "../training/environment.ts";
import type { Context } from "./context.ts";
import { asEspalierError, EXIT, failureReport, printFailure } from "./failure.ts";
import { Interruption } from "./interruption.ts";
import { createProgram } from "./program.ts";
import { terminalOf } from "./terminal.ts";

/** Codes with which commander leaves after it has printed what was asked for. */
const ANSWERED: ReadonlySet<string> = new Set(["commander.helpDisplayed", "commander.version"]);
/** No command was named: commander has printed the help. */
const HELP_INSTEAD = "commander.help";

function exitCodeOf(code: string, exitCode: number): number {
  return code === "interrupted" ? EXIT.interrupted : exitCode;
}

async function main(arguments_: readonly string[]): Promise<number> {
  const interruption = new Interruption();
  const context: Context = {
    stdout: terminalOf(process.stdout),
    stderr: terminalOf(process.stderr),
    interruption,
  };
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      interruption.outputClosed();
    });
  }
  const program = createProgram(context, await espalierVersion());
  try {
    await program.parseAsync([...arguments_], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && ANSWERED.has(error.code)) return EXIT.ok;
    if (error instanceof CommanderError && error.code === HELP_INSTEAD) return EXIT.userError;
    const command = program.commands.find((candidate) => candidate.name() === arguments_[0]);
    const failure = asEspalierError(error, command === undefined ? "espalier" : `espalier ${arguments_[0]}`);
    if (arguments_.includes("--json")) context.stdout.print(JSON.stringify(failureReport(failure)));
    printFailure(failure, context.stderr, arguments_.includes("--debug"));
    return exitCodeOf(failure.code, failure.exitCode);
  }
}

process.exitCode = await main(process.argv.slice(2));
