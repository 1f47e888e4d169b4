#!/usr/bin/env node
/**
 * The `espalier` command. Exit codes: 0, 2 for what the user can mend, 70 for a fault of ours, 130 for Ctrl-C.
 * Nothing calls `process.exit` on the ordinary way out: worker threads and files come to their end first.
 */
import { execute } from "./execute.ts";
import { Interruption } from "./interruption.ts";
import { terminalOf } from "./terminal.ts";

const interruption = new Interruption();
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    interruption.outputClosed();
  });
}
process.exitCode = await execute(process.argv.slice(2), {
  stdout: terminalOf(process.stdout),
  stderr: terminalOf(process.stderr),
  interruption,
});
