/** The command that starts this command line again, for runs in processes of their own. */
import { fileURLToPath } from "node:url";
import type { Command } from "../dashboard/launcher.ts";

export function ownCommand(): Command {
  const main = new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url);
  // Keep Node's own options: they load TypeScript if this process runs from the sources.
  return { program: process.execPath, arguments: [...process.execArgv, fileURLToPath(main)] };
}
