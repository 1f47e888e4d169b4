/**
 * Starts, resumes and stops runs for the page. Each run is a process of its own, so that a failure of one does not end
 * the other. Stopping a run has the effect of Ctrl-C.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { lstat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../core/errors.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { argumentsOf, type RunForm } from "./form.ts";
import type { StartedRun } from "./protocol.ts";

/** The command that runs `espalier`: a program, and the arguments that precede those of the command. */
export interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
}

interface Child {
  readonly process: ChildProcess;
  readonly folder: string;
  /** The last part of its standard error. */
  output: string;
  exitCode: number | null | undefined;
  /** Whether the page stopped it: then no exit code is a failure. */
  isStopped: boolean;
}

const KEPT_OUTPUT = 4000;
/** Largest number of runs at a time. Each run uses all cores, so more would be a mistake. */
const MOST_RUNS = 8;
const MOST_NAMES = 1000;

/** The error that `cli/failure.ts` printed at the end of `output`: its message and its hint. Else the last line. */
function errorOf(output: string): string {
  const lines = output.trim().split("\n");
  const start = lines.findLastIndex((line) => line.startsWith("✗ "));
  if (start < 0) return lines.at(-1) ?? "";
  const [message = "", ...rest] = lines.slice(start).map((line) => line.trim());
  return [message.replace(/^✗ /, "").replace(/ \[[a-z-]+\]$/, ""), ...rest].join(". ");
}

/** The error of a process that ended; null if the run finished or was stopped. */
function failureOf({ output, exitCode, isStopped }: Child): string | null {
  const isFine = exitCode === 0 || exitCode === 130 || isStopped;
  return isFine ? null : errorOf(output) || `ended with exit code ${exitCode}`;
}

/** The error for resuming a run that is training. */
export function alreadyTrained(name: string): UserError {
  return new UserError("run-exists", "the run is already training", {
    about: name,
    hint: "Stop it first, or wait until it ends",
  });
}

export class Launcher {
  readonly #root: string;
  readonly #command: Command;
  readonly #onFailure: (message: string) => void;
  readonly #children = new Map<string, Child>();

  /** `onFailure` is called with an error message for each run that fails. */
  constructor(root: string, command: Command, onFailure: (message: string) => void) {
    this.#root = root;
    this.#command = command;
    this.#onFailure = onFailure;
  }

  /** Starts the run that `form` describes. @returns the run's name. */
  async start(form: RunForm): Promise<string> {
    const { name: wanted, recipe, model, data } = form;
    const parts = [recipe, model, data].flatMap((part) => (part === undefined ? [] : basename(String(part))));
    const stem = parts.join("-").replaceAll(/[^\w.-]+/g, "-");
    const name = await (wanted === undefined ? this.#freeName(stem, true) : this.#freeName(String(wanted), false));
    const folder = join(this.#root, name);
    this.#spawn(name, folder, argumentsOf(form, folder));
    return name;
  }

  resume(name: string): void {
    if (this.isRunning(name)) throw alreadyTrained(name);
    const folder = join(this.#root, name);
    this.#spawn(name, folder, ["resume", "--json", "--", folder]);
  }

  /** Asks the run to write a checkpoint and to end. Returns false if it was not started here. */
  stop(name: string): boolean {
    const child = this.#children.get(name);
    if (child === undefined || child.exitCode !== undefined) return false;
    child.isStopped = true;
    child.process.kill("SIGINT");
    return true;
  }

  isRunning(name: string): boolean {
    const child = this.#children.get(name);
    return child !== undefined && child.exitCode === undefined;
  }

  /** The status of a run that was started here; undefined for other runs. */
  async status(name: string): Promise<StartedRun | undefined> {
    const child = this.#children.get(name);
    if (child === undefined) return undefined;
    const { exitCode, folder } = child;
    if (exitCode === undefined) {
      const hasBegun = await lstat(join(folder, runFiles.events)).then(
        ({ size }) => size > 0,
        () => false,
      );
      return { name, state: hasBegun ? "running" : "starting", message: null };
    }
    const message = failureOf(child);
    return { name, state: message === null ? "ended" : "failed", message };
  }

  /** Stops every run and waits until it ends, because nobody could stop it afterwards. */
  async close(): Promise<void> {
    const running = [...this.#children].filter(([, { exitCode }]) => exitCode === undefined);
    await Promise.all(
      running.map(([name, { process }]) => {
        const ended = new Promise<void>((resolve) => {
          process.once("close", () => resolve());
        });
        this.stop(name);
        return ended;
      }),
    );
  }

  #spawn(name: string, folder: string, own: readonly string[]): void {
    const running = [...this.#children.values()].filter(({ exitCode }) => exitCode === undefined).length;
    if (running >= MOST_RUNS) {
      throw new UserError("bad-option", `${MOST_RUNS} runs are already training`, { hint: "Stop one of them first" });
    }
    const process = spawn(this.#command.program, [...this.#command.arguments, ...own], {
      stdio: ["ignore", "ignore", "pipe"],
      // In the terminal's process group, Ctrl-C would reach the run as well. Our own signal would then be the second
      // one, which ends a run at once.
      detached: true,
    });
    const child: Child = { process, folder, output: "", exitCode: undefined, isStopped: false };
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      child.output = `${child.output}${text}`.slice(-KEPT_OUTPUT);
    });
    process.on("error", ({ message }) => {
      child.output = message;
      child.exitCode = 1;
    });
    process.on("close", (code) => {
      child.exitCode = code;
      const message = failureOf(child);
      if (message !== null) this.#onFailure(`${name}: ${message}`);
    });
    this.#children.set(name, child);
  }

  async #freeName(stem: string, mayNumber: boolean): Promise<string> {
    for (let number = 1; number <= (mayNumber ? MOST_NAMES : 1); number++) {
      const name = number === 1 ? stem : `${stem}-${number}`;
      const isTaken = await lstat(join(this.#root, name)).then(
        () => true,
        () => this.isRunning(name),
      );
      if (!isTaken) return name;
    }
    throw new UserError("run-exists", "a run of this name exists already", {
      about: stem,
      hint: "Choose another name",
    });
  }
}
