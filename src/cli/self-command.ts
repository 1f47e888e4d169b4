/** How this very command line is started again, for runs that are processes of their own. */
import { fileURLToPath } from "node:url";
import type { Command } from "../dashboard/launcher.ts";

export function ownCommand(): Command {
  const main = new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url);
  // Node's own options are kept: they load TypeScript where this runs from the sources.
  return { program: process.execPath, arguments: [...process.execArgv, fileURLToPath(main)] };
}
