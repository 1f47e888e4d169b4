/** Runs the command line with the arguments, output and signals of this process. */
import { detectLaunch } from "../distributed/launch.ts";
import { execute } from "./execute.ts";
import { Interruption } from "./interruption.ts";
import { watchOutput } from "./output.ts";
import { silentTerminal, terminalOf } from "./terminal.ts";

/** Runs the command that the process was started with. @returns the exit code. */
export async function start(): Promise<number> {
  const interruption = new Interruption();
  watchOutput(interruption);
  const rank = detectLaunch()?.rank ?? 0;
  return execute(process.argv.slice(2), {
    rank,
    stdout: rank === 0 ? terminalOf(process.stdout) : silentTerminal(process.stdout),
    stderr: terminalOf(process.stderr),
    interruption,
  });
}
