/** Halves the file of a task as a user does, with the command line and a folder of pictures without labels. */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import sharp from "sharp";
import { type StoredSplit, sampleSize } from "../../src/data/dataset.ts";
import type { CertificateMeasured, RunFinished } from "../../src/training/events/events.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { BATCH } from "./pretrain.ts";
import type { Task } from "./task.ts";

export interface Halved {
  /** The pruned network. */
  readonly file: string;
  /** In percent. */
  readonly agreement: number;
  /** Share of the MACs that is left, 0 … 1. */
  readonly macs: number;
  readonly isCertified: boolean;
}

/** Writes the pictures of `split` as PNG files. */
async function writePictures({ images, count, sampleShape }: StoredSplit, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const [channels, height, width] = sampleShape;
  const [size, pixels] = [sampleSize(sampleShape), height * width];
  const raw = { width, height, channels } as const;
  if (raw.channels !== 3) throw new Error("pictures have three channels");
  for (let image = 0; image < count; image++) {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size; at++) {
      bytes[at] = images[image * size + (at % channels) * pixels + Math.floor(at / channels)] ?? 0;
    }
    const name = `${image}`.padStart(6, "0");
    await writeFile(
      join(folder, `${name}.png`),
      await sharp(bytes, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer(),
    );
  }
}

/** Halves `file` with the pictures of `task` in `folder`. */
export async function halved(task: Task, file: string, folder: string, threads: number): Promise<Halved> {
  const [pictures, run] = [join(folder, "pictures"), join(folder, "run")];
  await writePictures(task.learnt, pictures);
  const { epochs, options = [] } = task.halving;
  const command = [
    ...["train", file, "--data", pictures, "--teach", "outputs", "--budget", "50%", ...options],
    ...["--epochs", `${epochs}`, "--batch", `${BATCH}`, "--threads", `${threads}`, "--no-latency", "--out", run],
  ];
  const { failed, all } = await execa(process.execPath, ["--import", "tsx", resolve("src/cli/main.ts"), ...command], {
    ...{ all: true, reject: false, env: { NO_COLOR: "1", CI: "true" } },
  });
  if (failed) throw new Error(`espalier ${command.join(" ")} failed:\n${all}`);
  const events = await readEvents(run);
  const finished = events.find((event): event is RunFinished => event.type === "run.finished");
  const certificate = events.find((event): event is CertificateMeasured => event.type === "certificate");
  if (finished === undefined || certificate === undefined) throw new Error(`the run of ${task.name} did not finish`);
  return {
    file: join(run, "compact.onnx"),
    agreement: finished.after.accuracy,
    macs: finished.after.macs / finished.before.macs,
    isCertified: certificate.passed,
  };
}
