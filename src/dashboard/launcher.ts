/**
 * Runs that the page started: each a process of its own, so that neither can bring the other down. Stopped as by
 * Ctrl-C.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { lstat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../core/errors.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { argumentsOf, type RunForm } from "./form.ts";
import type { StartedRun } from "./protocol.ts";

/** What runs `espalier`: a program and the arguments before the command's own. */
export interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
}

interface Child {
  readonly process: ChildProcess;
  readonly folder: string;
  /** The end of what it wrote to standard error. */
  output: string;
  exitCode: number | null | undefined;
  /** It was asked to end, and may do so in any way. */
  isStopped: boolean;
}

const KEPT_OUTPUT = 4000;
/** Runs at a time: more than this is a mistake, and each takes all cores. */
const MOST_RUNS = 8;
const MOST_NAMES = 1000;

/**
 * The failure at the end of what a command wrote, as `cli/failure.ts` prints it: its message, then what to do; else the
 * last line.
 */
function complaintOf(output: string): string {
  const lines = output.trim().split("\n");
  const start = lines.findLastIndex((line) => line.startsWith("✗ "));
  if (start < 0) return lines.at(-1) ?? "";
  const [message = "", ...rest] = lines.slice(start).map((line) => line.trim());
  return [message.replace(/^✗ /, "").replace(/ \[[a-z-]+\]$/, ""), ...rest].join(". ");
}

/** Null for a run that came to its end, or was stopped. */
function failureOf({ output, exitCode, isStopped }: Child): string | null {
  const isFine = exitCode === 0 || exitCode === 130 || isStopped;
  return isFine ? null : complaintOf(output) || `ended with exit code ${exitCode}`;
}

/** The refusal to train `name` twice at a time. */
export function alreadyTrained(name: string): UserError {
  return new UserError("run-exists", "the run is being trained already", {
    about: name,
    hint: "Stop it first, or wait for its end",
  });
}

export class Launcher {
  readonly #root: string;
  readonly #command: Command;
  readonly #onFailure: (message: string) => void;
  readonly #children = new Map<string, Child>();

  /** `onFailure` hears of each run that failed, and why. */
  constructor(root: string, command: Command, onFailure: (message: string) => void) {
    this.#root = root;
    this.#command = command;
    this.#onFailure = onFailure;
  }

  /** Starts what `form` asks for. @returns the run's name. */
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

  /** Asks the run to write a checkpoint and end. False if it is not one of ours. */
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

  /** How a run stands that was started here; undefined for any other. */
  async look(name: string): Promise<StartedRun | undefined> {
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

  /** Stops every run and waits for its end: nobody would be left to stop it. */
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
      throw new UserError("bad-option", `${MOST_RUNS} runs are going on already`, { hint: "Stop one of them first" });
    }
    const process = spawn(this.#command.program, [...this.#command.arguments, ...own], {
      stdio: ["ignore", "ignore", "pipe"],
      // The terminal's own Ctrl-C and hang-up would be the first signal, and ours the second, which ends a run at once.
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
    throw new UserError("run-exists", "there is a run of this name already", {
      about: stem,
      hint: "Choose another name",
    });
  }
}
