/** Trained weights that are pruned learn from the good answers of the original: whole runs of the tiny network. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { tensor } from "../../src/core/tensor.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { control } from "../../src/experiments/control.ts";
import { sweep } from "../../src/experiments/sweep.ts";
import { parsePlan } from "../../src/experiments/sweep-plan.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import { resume } from "../../src/training/resume.ts";
import { checkpointPath, listCheckpoints } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { leastDistillationAccuracy, withDistillationDecided } from "../../src/training/start/distillation.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const data = tinyDataset();
const usual = { weight: 0.5, temperature: 4 };
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 2,
  batch: 16,
  latency: false,
  budget: "70%",
  shrink: { patience: 1, rebuildSteps: 0 },
};
const { budget: _, ...plain } = options;
const parent = temporaryFolder();
const file = join(parent, "trained.onnx");
beforeAll(async () => {
  const run = await train(tinyResnet(), { ...plain, epochs: 12, folder: join(parent, "first") });
  const { graph, weights } = run.network;
  await saveOnnx({ graph: { ...graph, name: "torch_jit" }, weights }, file);
});

interface Trained {
  readonly folder: string;
  readonly distill: unknown;
  readonly hasFile: boolean;
  /** Lines about the teacher. */
  readonly told: readonly string[];
}

async function trained(name: string, more: Partial<TrainOptions> = {}, model = file): Promise<Trained> {
  const folder = join(parent, name);
  await train(model, { ...options, ...more, folder });
  const told = (await readEvents(folder)).flatMap((event) =>
    event.type === "notice" && event.message.includes("own answers") ? [event.message] : [],
  );
  const { settings } = await readRunRecord(folder);
  return { folder, distill: settings.distill, hasFile: existsSync(join(folder, "teacher.onnx")), told };
}

/** Mean recall of `file` on the training images in percent, by ONNX Runtime. */
async function recallOf(path: string, { train: split, normalization, classes, sampleShape }: typeof data) {
  const session = await openRuntime(path, "the file");
  const [, height, width] = sampleShape;
  const size = split.images.length / split.count;
  const right = classes.map(() => [0, 0] as [number, number]);
  for (let image = 0; image < split.count; image++) {
    const pixels = Float32Array.from({ length: size }, (_, at) => {
      const channel = Math.floor(at / (height * width));
      const value = (split.images[image * size + at] ?? 0) / 255;
      return (value - (normalization.mean[channel] ?? 0)) / (normalization.standardDeviation[channel] ?? 1);
    });
    const [logits] = [...(await session.run(tensor([1, ...sampleShape], pixels))).values()];
    const label = split.labels[image] ?? 0;
    const tally = required(right[label], "a class");
    tally[1]++;
    const values = [...required(logits, "logits").data];
    if (values.indexOf(Math.max(...values)) === label) tally[0]++;
  }
  await session.dispose();
  return (100 * right.reduce((sum, [correct, count]) => sum + correct / count, 0)) / classes.length;
}

/** The same images with the labels of other classes. */
const mislabelled: Dataset = {
  ...data,
  train: { ...data.train, labels: data.train.labels.map((label) => (label + 1) % 3) },
};

describe("a trained file that is pruned", () => {
  it("learns from its own answers where they are good, and says how good", async () => {
    const run = await trained("good");
    expect(run).toMatchObject({ distill: usual, hasFile: true });
    expect(run.told).toEqual([
      expect.stringMatching(/^The run learns from .* too, .* of 96 training images .*--no-distill turns it off$/),
    ]);
    const recall = await recallOf(file, data);
    expect(recall).toBeGreaterThan(80);
    expect(run.told[0]).toContain(`right on ${recall.toFixed(1)} %`);
  });

  it("learns from them where its last layer keeps the rows of the classes, in the order of the data", async () => {
    const named = join(parent, "named.onnx");
    await saveOnnx(await loadOnnx(file), named, { metadata: { classes: JSON.stringify(data.classes) } });
    const split = { ...data.train, labels: data.train.labels.map((label) => 2 - label) };
    const reversed: Dataset = { ...data, classes: data.classes.toReversed(), train: split };
    expect(await trained("reversed", { data: reversed, epochs: 1 }, named)).toMatchObject({
      distill: usual,
      hasFile: true,
    });
  });

  it("does not where it does not know the classes, and says so", async () => {
    expect(await trained("mislabelled", { data: mislabelled, epochs: 1 })).toMatchObject({
      distill: false,
      hasFile: false,
    });
    const random = join(parent, "random.onnx");
    const graph = tinyResnet();
    await saveOnnx({ graph, weights: initialize(graph, 3) }, random);
    const run = await trained("random", { epochs: 1 }, random);
    expect(run).toMatchObject({ distill: false, hasFile: false });
    const events = await readEvents(run.folder);
    const isWarned = events.some((event) => event.type === "warning" && event.reason === "starts-at-chance");
    expect(isWarned || run.told[0]?.includes("does not learn from")).toBe(true);
  });

  it("does as it is told", async () => {
    expect(await trained("refused", { distill: false, epochs: 1 })).toMatchObject({
      distill: false,
      hasFile: false,
      told: [],
    });
    const asked = { distill: { weight: 0.25, temperature: 2 }, epochs: 1 };
    expect(await trained("asked", { ...asked, data: mislabelled })).toMatchObject({
      distill: asked.distill,
      hasFile: true,
      told: [],
    });
  });

  it("has nothing to learn from with a new last layer, and no reason without pruning", async () => {
    const others: Dataset = { ...data, classes: ["a", "b", "c", "d"] };
    expect(await trained("new-head", { data: others, epochs: 1 })).toMatchObject({ hasFile: false, told: [] });
    await expect(trained("new-head-asked", { data: others, distill: {} })).rejects.toMatchObject({
      code: "bad-option",
      message: expect.stringContaining('option "distill": the last layer is replaced by a new one'),
    });
    expect(existsSync(join(parent, "new-head-asked"))).toBe(false);
    const folder = join(parent, "plain");
    await train(file, { ...plain, epochs: 1, folder });
    expect((await readRunRecord(folder)).settings.distill).toBeUndefined();
    expect(existsSync(join(folder, "teacher.onnx"))).toBe(false);
  });

  it("does not change the loss that a γ was chosen for", async () => {
    const folder = join(parent, "gamma");
    await train(file, { ...plain, select: { neurons: 0.4 }, epochs: 1, folder });
    expect((await readRunRecord(folder)).settings.distill).toBeUndefined();
  });
});

test("a run that decided it by itself is the one that was told, and goes on bit for bit", async () => {
  const whole = join(parent, "good");
  const [told, stopped] = [join(parent, "told"), join(parent, "stopped")];
  await train(file, { ...options, distill: {}, folder: told });
  const controller = new AbortController();
  const interrupted = train(file, {
    ...options,
    folder: stopped,
    signal: controller.signal,
    onEvent: ({ type }) => {
      if (type === "step") controller.abort();
    },
  });
  await expect(interrupted).rejects.toMatchObject({ code: "interrupted" });
  await resume(stopped, { data });
  const last = async (folder: string, name: string): Promise<Buffer> =>
    readFileSync(join(folder, checkpointPath(required((await listCheckpoints(folder))[0], "a checkpoint")), name));
  for (const name of ["network.onnx", "optimizer.safetensors"]) {
    const bytes = await last(whole, name);
    expect((await last(told, name)).equals(bytes), name).toBe(true);
    expect((await last(stopped, name)).equals(bytes), name).toBe(true);
  }
});

test("a from-scratch baseline has no teacher, and its run's name of the network", async () => {
  const strong = { epochs: 12, schedule: { kind: "one-cycle", peak: 0.1 } } as const;
  const run = await trained("pruned", strong);
  expect(run.distill).toEqual(usual);
  const { folder } = await control(run.folder, { data });
  expect((await readRunRecord(folder)).settings.distill).toBeUndefined();
  expect((await readRunRecord(folder)).model).toBe("trained");
  expect(existsSync(join(folder, "teacher.onnx"))).toBe(false);
});

test("a sweep knows its runs again, whatever they decided", async () => {
  const { data: _, ...settings } = options;
  const points = [{ name: "one", settings: {} }];
  const plan = parsePlan({ version: 1, model: file, data: "tiny", settings, points }, "plan.json");
  const folder = join(parent, "sweep");
  const source = { spec: "tiny", open: async () => data };
  const states = async (): Promise<readonly string[]> =>
    (await sweep(plan, { folder, data: source })).reports.map(({ state }) => state);
  expect(await states()).toEqual(["finished"]);
  expect((await readRunRecord(join(folder, "one-seed-1"))).settings.distill).toEqual(usual);
  expect(await states()).toEqual(["done"]);
});

describe("the rule", () => {
  const settings = parseSettings({ epochs: 1 });
  const decided = (accuracy: number): unknown =>
    withDistillationDecided(settings, { accuracy, images: 512 }, 10).settings.distill;

  it("is that a network knows half of the images, as far as guessing does not explain its answers", () => {
    for (const classes of [2, 3, 10, 1000]) {
      const known = 0.5;
      expect(leastDistillationAccuracy(classes)).toBeCloseTo(100 * (known + (1 - known) / classes), 10);
    }
    expect(decided(55)).toEqual(usual);
    expect(decided(54.9)).toBe(false);
  });

  it("leaves what is decided already, and what has no answers", () => {
    const answers = { accuracy: 99, images: 512 };
    for (const distill of [false, { weight: 1, temperature: 1 }] as const) {
      expect(withDistillationDecided({ ...settings, distill }, answers, 10)).toEqual({
        settings: { ...settings, distill },
      });
    }
    expect(withDistillationDecided(settings, undefined, 10)).toEqual({ settings });
  });
});
