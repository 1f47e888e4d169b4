/** `espalier ui [runs]`: serves a page that shows all runs of a folder, also while they train. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { optional } from "../../core/optional.ts";
import { integerFor } from "../../core/text-values.ts";
import { openDashboard } from "../../dashboard/server.ts";
import { DEFAULT_RUNS_FOLDER } from "../../training/run-folder/run-folder.ts";
import { type CommonOptions, type Context, printJson, printNotice, withCommonOptions } from "../context.ts";
import { openInBrowser } from "../open.ts";
import { ownCommand } from "../self-command.ts";

interface UiOptions extends CommonOptions {
  readonly port?: number;
  readonly host?: string;
  readonly open?: true;
}

async function serve(context: Context, runs: string, options: UiOptions): Promise<void> {
  const { stdout, interruption } = context;
  const { port, host, json, debug } = options;
  const dashboard = await openDashboard({
    runs: resolve(runs),
    command: ownCommand(),
    ...optional({ port, host }),
    onError: (error) =>
      printNotice(context, debug === true && error instanceof Error ? (error.stack ?? error.message) : String(error)),
  });
  try {
    if (json === true) printJson(context, { address: dashboard.address, runs: resolve(runs) });
    else {
      stdout.print(`  ${stdout.colours.bold(dashboard.address)}`);
      stdout.print(stdout.colours.dim(`  runs in ${resolve(runs)}; press Ctrl-C to stop`));
    }
    if (options.open === true) await openInBrowser(context, dashboard.address);
    await interruption.guard(
      () => {},
      () =>
        new Promise<void>((settle) => {
          interruption.signal.addEventListener("abort", () => settle(), { once: true });
        }),
    );
  } finally {
    await dashboard.close();
  }
}

export function addUi(program: Command, context: Context): void {
  const command = program
    .command("ui")
    .description("Open a page in the browser to start, stop, watch and compare runs, and to try their networks.")
    .argument("[runs]", "the folder of the runs", DEFAULT_RUNS_FOLDER)
    .option("--port <n>", "port of the server (default: 4040 or the next free one; 0: any)", integerFor("--port", 0))
    .option("--host <address>", "address to listen on (default: 127.0.0.1); other machines then need a token")
    .option("--open", "open the page in the browser")
    .action((runs: string, options: UiOptions) => serve(context, runs, options));
  withCommonOptions(command, ["espalier ui", "espalier ui runs --port 8080 --open", "espalier ui --host 0.0.0.0"]);
}
