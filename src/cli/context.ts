/** The context that every command gets, and the options that all commands take. */
import type { Command } from "commander";
import type { Interruption } from "./interruption.ts";
import type { Terminal } from "./terminal.ts";

export interface Context {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly interruption: Interruption;
  /** Rank of this process under MPI; 0, the default, for a process that is alone. Other ranks print only errors. */
  readonly rank?: number;
}

export interface CommonOptions {
  readonly json?: true;
  readonly debug?: true;
}

/** Adds `--json` and `--debug` to `command`, and `examples` to its help. */
export function withCommonOptions(command: Command, examples: readonly string[]): Command {
  return command
    .option("--json", "print JSON on standard output and nothing else there")
    .option("--debug", "print stacks with errors")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

/** Prints one JSON document, for `--json`. */
export function printJson({ stdout }: Context, value: unknown): void {
  stdout.print(JSON.stringify(value, undefined, 2));
}

/** Prints a notice on standard error: the user should know it, and the command continues. */
export function printNotice({ stderr: { colours, print }, rank = 0 }: Context, message: string): void {
  if (rank > 0) return;
  print(`${colours.yellow("!")} ${message}`);
}
