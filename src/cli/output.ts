/** Handles failed writes to the output and uncaught errors: both print one line with an error code. */
import type { EspalierError } from "../core/errors.ts";
import { UserError } from "../core/errors.ts";
import { refusalOf, systemCode } from "../core/system-errors.ts";
import { asEspalierError, exitCodeOf, printFailure } from "./failure.ts";
import type { Interruption } from "./interruption.ts";
import { terminalOf } from "./terminal.ts";

function outputError(error: Error, about: string): EspalierError {
  const details = { about, hint: "Write the output somewhere else" };
  return refusalOf(error, details) ?? new UserError("bad-file", error.message, { ...details, cause: error });
}

/** Prints `error` if that is possible, and ends the process. */
function leave(error: EspalierError): never {
  try {
    printFailure(error, terminalOf(process.stderr), process.argv.includes("--debug"));
  } catch {
    // Standard error cannot be written either: only the exit code reports the error.
  }
  process.exit(exitCodeOf(error));
}

/** Installs the handlers. From then on, Node prints no stack traces of its own. */
export function watchOutput(interruption: Interruption): void {
  const streams = [
    [process.stdout, "standard output"],
    [process.stderr, "standard error"],
  ] as const;
  for (const [stream, about] of streams) {
    stream.on("error", (error) => {
      if (systemCode(error) === "EPIPE") return interruption.outputClosed();
      const failure = outputError(error, about);
      if (!interruption.outputFailed(failure)) leave(failure);
    });
  }
  // By default this signal ends the process at the limit on file sizes (`ulimit -f`). With a handler the write fails
  // instead, and the failure is reported like any other.
  process.on("SIGXFSZ", () => {});
  process.on("uncaughtException", (error) => leave(asEspalierError(error, "espalier")));
}
