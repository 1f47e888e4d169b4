/**
 * What the scripts share: the repository's folder, lines on the terminal, commands run here. Nothing beyond Node's own
 * modules.
 */
import { spawn, spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder; every script works from here, wherever it was called from. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the user has to mend: printed without a stack. */
export class SetupError extends Error {
  /** @param {string} message @param {string} hint @param {string} [output] what the failed command printed */
  constructor(message, hint, output = "") {
    super(message);
    this.hint = hint;
    this.output = output;
  }
}

const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined && process.env.TERM !== "dumb";
/** @param {number} code @param {string} text */
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Prints one line of progress. @param {string} text */
export function say(text) {
  console.log(`${paint(32, "✓")} ${text}`);
}

/** Prints what is being waited for. @param {string} text */
export function announce(text) {
  console.log(paint(2, `… ${text}`));
}

/**
 * Runs `main`; a `SetupError` ends the process with exit code 2, its message and what to do next.
 * @param {() => Promise<number>} main resolves to the exit code
 */
export async function runScript(main) {
  process.chdir(root);
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    if (error.output.trim() !== "") console.error(error.output.trimEnd());
    console.error(`${paint(31, "✗")} ${error.message}`);
    console.error(`  ${error.hint}`);
    process.exitCode = 2;
  }
}

/** Runs a command on this terminal; resolves to its exit code. Ctrl-C is left to the command. */
export function runAttached(command, args) {
  return new Promise((resolve, reject) => {
    const ignore = () => {};
    process.on("SIGINT", ignore);
    const child = spawn(command, args, { stdio: "inherit", cwd: root });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", ignore);
      resolve(code ?? (signal === "SIGINT" ? 130 : 1));
    });
  });
}

/** Runs a command to its end, in the repository's folder unless another is given, with its output kept back. */
export function runQuietly(command, args, environment = {}, folder = root) {
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
    maxBuffer: 64 * 1024 * 1024,
  });
  const { status, stdout, stderr } = result;
  return { ok: status === 0, stdout: stdout ?? "", output: `${stdout ?? ""}${stderr ?? ""}` };
}

/** Runs apt-get without questions. */
export function apt(...args) {
  return runQuietly("apt-get", args, { DEBIAN_FRONTEND: "noninteractive" });
}

/** Whether this is a system with apt. */
export function hasApt() {
  return runQuietly("apt-get", ["--version"]).ok;
}

export const isRoot = process.getuid?.() === 0;
