/** The command line in a process of its own: its arguments, its output and its signals. */
import { detectLaunch } from "../distributed/launch.ts";
import { execute } from "./execute.ts";
import { Interruption } from "./interruption.ts";
import { watchOutput } from "./output.ts";
import { silentTerminal, terminalOf } from "./terminal.ts";

/** Does what the process was started for. @returns its exit code. */
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
