/**
 * The last resort of the process: output that cannot be written, and errors that nobody caught. Both end in a line with
 * a code.
 */
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

/** Prints `error`, as far as that can be done, and ends the process. */
function leave(error: EspalierError): never {
  try {
    printFailure(error, terminalOf(process.stderr), process.argv.includes("--debug"));
  } catch {
    // Nothing is left to tell it with but the exit code.
  }
  process.exit(exitCodeOf(error));
}

/** From here on no stack of Node's reaches the user. */
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
  // Its default ends the process at a limit on the size of files (`ulimit -f`); ignored, the write fails, and is told
  // as any other.
  process.on("SIGXFSZ", () => {});
  process.on("uncaughtException", (error) => leave(asEspalierError(error, "espalier")));
}
