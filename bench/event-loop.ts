/**
 * Measures how responsive the process is while it trains: the longest time for which the event loop was blocked, and
 * the number of steps that waited for their batch. The runs are short but complete: factors, evaluation, pruning during
 * training, checkpoints, the final pruning, certificate and latencies. Images of 32 × 32 are random and in memory,
 * those of 224 × 224 are generated JPEG files.
 *
 *     npm run bench:loop -- [--model resnet-20] [--steps 40] [--threads 2] [--json | --markdown]
 */
import { randomFillSync } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { required } from "../src/core/errors.ts";
import { allocateSplit, type Dataset, type StoredSplit } from "../src/data/dataset.ts";
import { images } from "../src/data/references.ts";
import { freedomOf } from "../src/report/facts.ts";
import type { RunFinished } from "../src/training/events/events.ts";
import { readEvents } from "../src/training/run-folder/event-log.ts";
import type { DataSource } from "../src/training/start/data/run-data.ts";
import { train } from "../src/training/train.ts";
import { count, threadOptions } from "./shared/options.ts";
import { machineConditions, megabytes, milliseconds, outputOptions, print } from "./shared/output.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

interface Case {
  readonly model: string;
  readonly batch: number;
  readonly testImages: number;
  /** Height and width of the images: 32 for images in memory, larger for files. */
  readonly size: number;
}

const cases: readonly Case[] = [
  { model: "resnet-20", batch: 128, testImages: 1000, size: 32 },
  { model: "vgg-16", batch: 64, testImages: 1000, size: 32 },
  { model: "resnet-50", batch: 8, testImages: 40, size: 224 },
];

const CLASSES = ["ash", "elm", "oak"];
const EPOCHS = 2;

const { values: options } = parseArgs({
  options: { model: { type: "string" }, steps: { type: "string", default: "40" }, ...threadOptions, ...outputOptions },
});
const steps = count(options.steps, "steps");
const threads = count(options.threads, "threads");

function randomSplit(images: number): StoredSplit {
  const split = allocateSplit(images, [3, 32, 32]);
  randomFillSync(split.images);
  for (let image = 0; image < images; image++) split.labels[image] = image % CLASSES.length;
  return split;
}

function inMemory(trainImages: number, testImages: number): Dataset {
  return {
    name: "random",
    classes: CLASSES,
    sampleShape: [3, 32, 32],
    normalization: { mean: [0.5, 0.5, 0.5], standardDeviation: [0.3, 0.3, 0.3] },
    augmentation: { pad: 4, flip: true },
    train: randomSplit(trainImages),
    test: randomSplit(testImages),
  };
}

/** Blurred noise of 500 × 375 pixels, quality 90. */
async function inFiles(folder: string, trainImages: number, { testImages, size }: Case): Promise<DataSource> {
  const noise = { type: "gaussian", mean: 128, sigma: 60 } as const;
  const picture = sharp({ create: { width: 500, height: 375, channels: 3, background: "black", noise } });
  const jpeg = await picture.blur(1.5).jpeg({ quality: 90 }).toBuffer();
  for (const [part, total] of [
    ["train", trainImages],
    ["test", testImages],
  ] as const) {
    for (const name of CLASSES) await mkdir(join(folder, part, name), { recursive: true });
    for (let image = 0; image < total; image++) {
      const name = required(CLASSES[image % CLASSES.length], "a class");
      await sharp(jpeg).toFile(join(folder, part, name, `${image}.jpg`));
    }
  }
  return images(folder, { size });
}

interface Measured extends Pick<Case, "model" | "batch"> {
  readonly finished: RunFinished;
  /** Longest time for which the loop was blocked, by epoch. */
  readonly epochs: readonly number[];
  readonly checkpointBytes: number;
}

async function measure(one: Case): Promise<Measured> {
  const { model, batch, testImages, size } = one;
  console.error(`… ${model}`);
  return inTemporaryFolder(async (folder) => {
    const trainImages = Math.ceil(steps / EPOCHS) * batch;
    const data =
      size > 32 ? await inFiles(join(folder, "photos"), trainImages, one) : inMemory(trainImages, testImages);
    const run = join(folder, "run");
    await train(model, {
      data,
      folder: run,
      threads,
      batch,
      epochs: EPOCHS,
      select: { neurons: 0.02 },
      shrink: { patience: 0.5, rebuildSteps: 0 },
    });
    const events = await readEvents(run);
    return {
      model,
      batch,
      finished: required(
        events.find((event) => event.type === "run.finished"),
        "the end of the run",
      ),
      epochs: events.flatMap((event) => (event.type === "epoch" ? [event.blockedMilliseconds] : [])),
      checkpointBytes: Math.max(...events.map((event) => (event.type === "checkpoint" ? event.bytes : 0))),
    };
  });
}

const measured: Measured[] = [];
for (const one of cases.filter(({ model }) => options.model === undefined || options.model === model)) {
  const result = await measure(one);
  for (const line of freedomOf(result.finished)) console.error(`  ${line}`);
  measured.push(result);
}

print(
  {
    conditions: machineConditions("bench:loop", [`${threads} threads`]),
    sections: [
      {
        title: "The event loop while training",
        head: [
          ...["network, batch", "steps", "longest time blocked, whole run", "by epoch"],
          ...["steps that waited for data", "total wait", "checkpoint"],
        ],
        rows: measured.map(({ model, batch, finished, epochs, checkpointBytes }) => [
          `${model}, ${batch}`,
          `${finished.steps}`,
          `${milliseconds(finished.blockedMilliseconds)} ms`,
          epochs.map((blocked) => `${milliseconds(blocked)} ms`).join(", "),
          `${finished.waits}`,
          `${milliseconds(finished.waitedMilliseconds)} ms`,
          megabytes(checkpointBytes),
        ]),
        notes: ["Target: never blocked for more than 50 ms, and no step that waits."],
      },
    ],
    data: { runs: measured },
  },
  options,
);
