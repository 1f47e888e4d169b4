/** What a failed command prints and exits with. */
import { CommanderError } from "commander";
import { EspalierError, InternalError, UserError } from "../core/errors.ts";
import { refusalOf } from "../core/system-errors.ts";
import type { Terminal } from "./terminal.ts";

export const EXIT = { ok: 0, userError: 2, internalError: 70, lost: 75, interrupted: 130 } as const;

/** What a command that failed with `error` exits with. */
export function exitCodeOf({ code, exitCode }: EspalierError): number {
  if (code === "interrupted") return EXIT.interrupted;
  return code === "run-lost" ? EXIT.lost : exitCode;
}

/** Commander's complaints as our own errors; its suggestion becomes the hint. */
function fromCommander(error: CommanderError, command: string): UserError {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = rest
    .join(" ")
    .trim()
    .replace(/^\((.*)\)$/, "$1");
  const isUnknown = error.code === "commander.unknownCommand" || error.code === "commander.unknownOption";
  return new UserError(isUnknown ? "unknown-name" : "bad-option", first, {
    hint: suggestion === "" ? `See "${command} --help"` : suggestion,
  });
}

/** Anything thrown, as one of ours: what is not is a fault of ours. */
export function asEspalierError(error: unknown, command: string): EspalierError {
  if (error instanceof EspalierError) return error;
  if (error instanceof CommanderError) return fromCommander(error, command);
  const message = error instanceof Error ? error.message : String(error);
  return refusalOf(error) ?? new InternalError(message, { cause: error });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The error in JSON, for `--json`. */
export interface FailureReport {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    readonly list?: readonly string[];
  };
}

export function failureReport({ code, message, details }: EspalierError): FailureReport {
  const { hint, list } = details;
  return {
    error: {
      code,
      message: withoutHint(message, hint),
      ...(hint === undefined ? {} : { hint }),
      ...(list === undefined ? {} : { list }),
    },
  };
}

/** An error's message ends with its hint, which is printed on a line of its own. */
function withoutHint(message: string, hint: string | undefined): string {
  return hint !== undefined && message.endsWith(`. ${hint}`) ? message.slice(0, -hint.length - 2) : message;
}

/**
 * One red line with the code, one for each thing it is about if they are several, one with what to do next; for faults
 * of ours, or with `debug`, the stack as well.
 */
export function printFailure(error: EspalierError, { colours, print }: Terminal, debug: boolean): void {
  const { hint, list = [] } = error.details;
  const message = withoutHint(error.message, hint);
  const line = error.code === "interrupted" ? colours.yellow(`■ ${message}`) : colours.red(`✗ ${message}`);
  print(`${line} ${colours.dim(`[${error.code}]`)}`);
  for (const line of list) print(`  · ${line}`);
  if (hint !== undefined) print(`  ${hint}`);
  if (debug) {
    print(colours.dim(stackOf(error)));
    if (error.cause !== undefined) print(colours.dim(`caused by: ${stackOf(error.cause)}`));
  } else if (error instanceof InternalError) {
    print("  This is a fault in Espalier. Run the command again with --debug and report what it prints.");
  }
}
