#!/usr/bin/env node
/**
 * The `espalier` command. Exit codes: 0, 2 for what the user can mend, 70 for a fault of ours, 130 for Ctrl-C.
 * Nothing calls `process.exit` on the ordinary way out: worker threads and files come to their end first.
 */
import { detectLaunch } from "../distributed/launch.ts";
import { execute } from "./execute.ts";
import { Interruption } from "./interruption.ts";
import { silentTerminal, terminalOf } from "./terminal.ts";

const interruption = new Interruption();
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    interruption.outputClosed();
  });
}
const rank = detectLaunch()?.rank ?? 0;
process.exitCode = await execute(process.argv.slice(2), {
  rank,
  stdout: rank === 0 ? terminalOf(process.stdout) : silentTerminal(process.stdout),
  stderr: terminalOf(process.stderr),
  interruption,
});
