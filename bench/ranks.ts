/**
 * Compares the speed of several ranks on this machine with one process, and with a model of their cost. It measures a
 * training step of one process with all cores, and of n ranks with one thread each at the same batch. For the model, it
 * measures n independent processes side by side without all-reduces, and all-reduces of several sizes alone.
 *
 *     npm run bench:ranks -- [--model resnet-20,resnet-50] [--ranks 2,3,4] [--rounds 3] [--runs 5]
 *         [--json | --markdown]
 *
 * The model's predictions for other machines: `npm run bench:ranks -- --paper`.
 */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { predictStep, type SumCost } from "./shared/rank-model.ts";
import { paperScaling } from "./shared/rank-paper.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "resnet-20,resnet-50" },
    ranks: { type: "string", default: "2,3,4" },
    rounds: { type: "string", default: "3" },
    runs: { type: "string", default: "5" },
    paper: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
  },
});

/** A batch that is divisible by 2, 3 and 4. */
const batches: Readonly<Record<string, number>> = { "resnet-20": 96, "resnet-50": 12 };
const cores = availableParallelism();
const main = resolve("dist/cli/main.js");
const root = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

interface Measured {
  readonly medianMs: number;
  readonly communication?: { readonly bytes: number; readonly exposedMilliseconds: number };
}

async function step(ranks: number, model: string, batch: number, isAlone = false): Promise<Measured> {
  const command = [process.execPath, main, "bench", model, "--step", "--json"];
  const own = ["--batch", `${batch}`, "--runs", options.runs, ...(ranks > 1 ? ["--threads", "1"] : [])];
  const binding = ranks <= cores ? ["--bind-to", "core"] : ["--oversubscribe", "--bind-to", "none"];
  const launcher =
    ranks > 1 ? ["mpirun", ...binding, "-n", `${ranks}`, ...(isAlone ? ["-x", "ESPALIER_MPI"] : [])] : [];
  const [file = "", ...parameters] = [...launcher, ...command, ...own];
  const env = { ...root, ...(isAlone ? { ESPALIER_MPI: "none" } : {}) };
  const { stdout } = await execa(file, parameters, { env, stderr: "inherit" });
  // Independent processes all print, so take their mean.
  const all = documents(stdout).map((text) => JSON.parse(text) as Measured);
  const medianMs = all.reduce((sum, one) => sum + one.medianMs, 0) / all.length;
  return { ...all[0], medianMs };
}

/** Splits the output of several processes into JSON documents. */
function documents(text: string): string[] {
  return text.split(/^(?=\{$)/m).filter((part) => part.trim() !== "");
}

/** Measures latency and bandwidth of all-reduces over `ranks`. */
async function sums(ranks: number): Promise<SumCost> {
  const binding = ranks <= cores ? ["--bind-to", "core"] : ["--oversubscribe", "--bind-to", "none"];
  const { stdout } = await execa(
    "mpirun",
    [...binding, "-n", `${ranks}`, process.execPath, "--import", "tsx", resolve("bench/shared/sums-worker.ts")],
    { env: root, stderr: "inherit" },
  );
  return JSON.parse(stdout) as SumCost;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

interface Row {
  readonly model: string;
  readonly ranks: number;
  readonly one: number;
  readonly measured: number;
  /** Images/s of the ranks relative to one process: median, minimum and maximum over the rounds. */
  readonly speed: readonly [median: number, least: number, most: number];
  readonly rounds: number;
  readonly exposed: number;
  readonly predicted: number;
}

async function rowsOf(model: string): Promise<Row[]> {
  const batch = batches[model] ?? 96;
  const rows: Row[] = [];
  for (const ranks of options.ranks.split(",").map(Number)) {
    const cost = await sums(ranks);
    const rounds: { one: Measured; several: Measured; apart: Measured }[] = [];
    for (let round = 0; round < Number(options.rounds); round++) {
      rounds.push({
        one: await step(1, model, batch),
        several: await step(ranks, model, batch),
        apart: await step(ranks, model, batch / ranks, true),
      });
    }
    const { bytes = 0 } = rounds[0]?.several.communication ?? {};
    const compute = median(rounds.map(({ apart }) => apart.medianMs));
    const speeds = rounds.map(({ one, several }) => one.medianMs / several.medianMs);
    rows.push({
      ...{ model, ranks, rounds: rounds.length },
      speed: [median(speeds), Math.min(...speeds), Math.max(...speeds)],
      one: median(rounds.map(({ one }) => one.medianMs)),
      measured: median(rounds.map(({ several }) => several.medianMs)),
      exposed: median(rounds.map(({ several }) => several.communication?.exposedMilliseconds ?? 0)),
      predicted: predictStep({ computeMilliseconds: compute, bytes, sums: cost, onProcessor: true }).milliseconds,
    });
  }
  return rows;
}

function print(rows: readonly (readonly string[])[], heading: readonly string[]): void {
  console.log(`| ${heading.join(" | ")} |`);
  console.log(`|${heading.map(() => "---").join("|")}|`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
}

if (options.paper) {
  const rows = paperScaling();
  if (options.json) console.log(JSON.stringify(rows, undefined, 2));
  else {
    print(
      rows.map(({ machines, gigabits, step: ms, exposed, imagesPerSecond, efficiency }) => [
        `${machines}`,
        `${gigabits}`,
        `${Math.round(ms)} ms`,
        `${Math.round(exposed)} ms`,
        imagesPerSecond.toFixed(0),
        `${(100 * efficiency).toFixed(1)} %`,
      ]),
      ["machines", "Gbit/s", "step", "not hidden", "images/s", "of n times one"],
    );
  }
} else {
  const rows: Row[] = [];
  for (const model of options.model.split(",")) rows.push(...(await rowsOf(model)));
  if (options.json) console.log(JSON.stringify(rows, undefined, 2));
  else {
    print(
      rows.map(({ model, ranks, one, measured, speed, rounds, exposed, predicted }) => [
        model,
        `${ranks}`,
        `${one.toFixed(1)} ms`,
        `${measured.toFixed(1)} ms`,
        `${speed[0].toFixed(2)}${rounds > 1 ? ` (${speed[1].toFixed(2)} to ${speed[2].toFixed(2)})` : ""}`,
        `${rounds}`,
        `${exposed.toFixed(1)} ms`,
        `${predicted.toFixed(1)} ms`,
        `${((100 * (predicted - measured)) / measured).toFixed(0)} %`,
      ]),
      ["network", "ranks", "one process", "n ranks", "speed", "rounds", "not hidden", "predicted", "off by"],
    );
  }
}
