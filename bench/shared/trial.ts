/**
 * Runs that are small enough to be disturbed hundreds of times: `espalier train` of a tiny network on the reference
 * engine, as built in `dist/`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { tinyWorkplace } from "../../test/cli/support.ts";

const main = resolve("dist/cli/main.js");

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A network, its data, and the command that trains it. It is pruned once during training and once at the end. */
export interface Trial {
  /** The command that trains in `folder`. It is repeated if there is no run to resume. */
  train(folder: string): readonly string[];
  /** The folder of the runs. */
  readonly workplace: string;
}

/** `flags`: more flags of `espalier train`, with spaces between them. */
export async function openTrial(epochs: number, flags: string): Promise<Trial> {
  const workplace = await tinyWorkplace();
  const data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
  const settings = ["--engine", "reference", "--batch", "16", "--gamma", "0.4", "--patience", "0.5", "--no-latency"];
  const network = join(workplace, "tiny.onnx");
  return {
    workplace,
    train: (folder) => [
      "train",
      network,
      "--data",
      data,
      ...settings,
      ...flags.split(" ").filter((flag) => flag !== ""),
      "--epochs",
      `${epochs}`,
      "--json",
      "--out",
      folder,
    ],
  };
}

/** Starts `espalier <arguments_>` and passes the process to `onStart`. Resolves when the process has ended. */
export function espalier(
  arguments_: readonly string[],
  { environment = {}, onStart }: StartOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...arguments_], {
    env: { ...process.env, NO_COLOR: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      ended[name] += text;
    });
  }
  onStart?.(child);
  return new Promise((settle) => {
    child.once("close", (exitCode, signal) => settle({ exitCode, signal, ...ended }));
  });
}

interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly onStart?: (child: ChildProcess) => void;
}

/** Finishes the run in `folder` as a user would: with `resume`, or with the same command if there is no run yet. */
export function goOn(trial: Trial, folder: string): Promise<Ended> {
  const isRun = existsSync(join(folder, "run.json"));
  return espalier(isRun ? ["resume", folder, "--json"] : trial.train(folder));
}

/** sha256 of the networks of the finished run in `folder`. */
export function madeIn(folder: string): string {
  const hash = createHash("sha256");
  const integers = existsSync(join(folder, "compact-int8.onnx")) ? ["compact-int8.onnx"] : [];
  for (const file of ["network.onnx", "compact.onnx", ...integers]) hash.update(readFileSync(join(folder, file)));
  return hash.digest("hex");
}

/** Runs `work` for each of `items`, `parallel` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
