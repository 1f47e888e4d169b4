/**
 * Shows `--teach outputs` whole: networks for several tasks are trained until they are good, then halved without
 * labels. Prints the score of both on the real task beside each other, and how well their outputs agree.
 *
 *     npm run bench:tasks -- [--task segmentation|heads|detector|super-resolution|embedding] [--epochs 15]
 *                            [--threads 2] [--keep <folder>] [--markdown | --json]
 *
 * `--epochs` replaces those of the tasks, for a try. `--keep` leaves the files and the runs in a folder, and takes the
 * trained networks that are there already.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { EngineHost } from "../src/engine/host.ts";
import { count, threadOptions } from "./shared/options.ts";
import { machineConditions, NOTHING, outputOptions, percent, print } from "./shared/output.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";
import { detector } from "./tasks/detector.ts";
import { embedding } from "./tasks/embedding.ts";
import { halved } from "./tasks/halve.ts";
import { heads } from "./tasks/heads.ts";
import { trained } from "./tasks/pretrain.ts";
import { scoresOf } from "./tasks/score.ts";
import { segmentation } from "./tasks/segmentation.ts";
import { superResolution } from "./tasks/super-resolution.ts";
import type { Score, Task } from "./tasks/task.ts";

const makers: Readonly<Record<string, () => Task | Promise<Task>>> = {
  segmentation,
  heads,
  detector,
  "super-resolution": superResolution,
  embedding,
};

interface Result {
  readonly task: string;
  readonly score: string;
  readonly original: Score;
  readonly pruned: Score | undefined;
  /** In percent. */
  readonly agreement: number;
  /** Share of the MACs that is left, 0 … 1. */
  readonly macs: number;
  readonly isCertified: boolean;
}

const { values: options } = parseArgs({
  options: {
    ...{ task: { type: "string" }, epochs: { type: "string" }, keep: { type: "string" } },
    ...threadOptions,
    ...outputOptions,
  },
});
const threads = count(options.threads, "threads");
const chosen = Object.entries(makers).filter(([name]) => options.task === undefined || name === options.task);
if (chosen.length === 0) throw new Error(`--task must be one of ${Object.keys(makers).join(", ")}`);

/** `task` with the epochs that the caller asks for. */
function asked(task: Task): Task {
  if (options.epochs === undefined) return task;
  const epochs = count(options.epochs, "epochs");
  return { ...task, lesson: { ...task.lesson, epochs }, halving: { ...task.halving, epochs } };
}

async function shown(task: Task, folder: string): Promise<readonly Result[]> {
  await mkdir(folder, { recursive: true });
  const original = join(folder, "original.onnx");
  if (!existsSync(original)) {
    const host = await EngineHost.start({ engine: "onednn", threads });
    await writeFile(original, task.file(await trained(task, host)));
    await host.dispose();
  }
  const before = await scoresOf(task, original, threads);
  const { file, ...facts } = await halved(task, original, folder, threads);
  const after = await scoresOf(task, file, threads);
  return Object.entries(before).map(([score, value]) => ({
    ...{ task: task.name, score, original: value, pruned: after[score] },
    ...facts,
  }));
}

function scoreText(score: Score | undefined): string {
  return score === undefined ? NOTHING : `${score.value.toFixed(score.unit === "dB" ? 2 : 1)} ${score.unit}`;
}

const results: Result[] = [];
const notes: string[] = [];
const conditions: string[] = [];
for (const [name, make] of chosen) {
  const task = asked(await make());
  const { learnt, held, lesson, halving } = task;
  const pictures = `${learnt.count} pictures to learn, ${held.count} others to score`;
  conditions.push(`${name}: ${pictures}, ${lesson.epochs} epochs, then ${halving.epochs}`);
  const work = (folder: string): Promise<readonly Result[]> => shown(task, join(folder, name));
  results.push(...(await (options.keep === undefined ? inTemporaryFolder(work) : work(resolve(options.keep)))));
  notes.push(...(task.notes ?? []).map((note) => `${name}: ${note}`));
}
print(
  {
    conditions: machineConditions("bench:tasks", conditions),
    sections: [
      {
        title: "Tasks without labels, halved",
        head: ["task", "score", "original", "pruned", "MACs", "agreement", "certificate"],
        rows: results.map((one) => [
          ...[one.task, one.score, scoreText(one.original), scoreText(one.pruned), percent(one.macs)],
          ...[percent(one.agreement / 100), one.isCertified ? "passed" : "failed"],
        ]),
        notes,
      },
    ],
    data: { results },
  },
  options,
);
