#!/usr/bin/env node
/**
 * The `espalier` command. Exit codes: 0 for success, 2 for an error that the user can correct, 70 for a fault in
 * Espalier, 75 for a run that another process took over, 130 for Ctrl-C. A command that ends normally does not call
 * `process.exit`, so that worker threads and open files finish first.
 */
import { refusalOf } from "../core/system-errors.ts";

/** Imports all other modules here, so that an error while loading them can be reported. */
async function main(): Promise<number> {
  try {
    const { start } = await import("./start.ts");
    return await start();
  } catch (error) {
    const known = refusalOf(error);
    const message = known?.message ?? `Espalier cannot be loaded: ${error instanceof Error ? error.message : error}`;
    const hint = "Install it again with npm. If that does not help, raise the limit of open files (`ulimit -n`)";
    console.error(known === undefined ? `✗ ${message} [internal]\n  ${hint}` : `✗ ${message} [${known.code}]`);
    return known?.exitCode ?? 70;
  }
}

process.exitCode = await main();
