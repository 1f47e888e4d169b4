#!/usr/bin/env node
/**
 * The `espalier` command. Exit codes: 0, 2 for what the user can mend, 70 for a fault of ours, 75 for a run that
 * another process took over, 130 for Ctrl-C. Nothing calls `process.exit` on the ordinary way out: worker threads and
 * files come to their end first.
 */
import { refusalOf } from "../core/system-errors.ts";

/** Everything else is loaded here, so that what keeps it from being loaded can be told. */
async function main(): Promise<number> {
  try {
    const { start } = await import("./start.ts");
    return await start();
  } catch (error) {
    const known = refusalOf(error);
    const message = known?.message ?? `Espalier cannot be loaded: ${error instanceof Error ? error.message : error}`;
    const hint = "Install it again with npm; where it is whole, too few files may be open at a time (`ulimit -n`)";
    console.error(known === undefined ? `✗ ${message} [internal]\n  ${hint}` : `✗ ${message} [${known.code}]`);
    return known?.exitCode ?? 70;
  }
}

process.exitCode = await main();
