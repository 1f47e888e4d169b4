/** The message and the exit code of a command that failed. */
import { CommanderError } from "commander";
import { EspalierError, InternalError, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { refusalOf } from "../core/system-errors.ts";
import type { Terminal } from "./terminal.ts";

export const EXIT = { ok: 0, userError: 2, internalError: 70, lost: 75, interrupted: 130 } as const;

/** The exit code of a command that failed with `error`. */
export function exitCodeOf({ code, exitCode }: EspalierError): number {
  if (code === "interrupted") return EXIT.interrupted;
  return code === "run-lost" ? EXIT.lost : exitCode;
}

/** Converts an error of Commander into a `UserError`. Commander's suggestion becomes the hint. */
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

/** Converts anything that was thrown into an `EspalierError`. An unknown error is a fault in Espalier. */
export function asEspalierError(error: unknown, command: string): EspalierError {
  if (error instanceof EspalierError) return error;
  if (error instanceof CommanderError) return fromCommander(error, command);
  const message = error instanceof Error ? error.message : String(error);
  return refusalOf(error) ?? new InternalError(message, { cause: error });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** An error as `--json` prints it. */
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
      ...optional({ hint, list }),
    },
  };
}

/** Removes the hint from the end of `message`, because it is printed on a line of its own. */
function withoutHint(message: string, hint: string | undefined): string {
  return hint !== undefined && message.endsWith(`. ${hint}`) ? message.slice(0, -hint.length - 2) : message;
}

/**
 * Prints the message and code of `error` in red, then a line for each entry of its list, then its hint. With `debug` it
 * also prints the stack.
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
    print("  This is a fault in Espalier. Run the command again with --debug and report its output.");
  }
}
