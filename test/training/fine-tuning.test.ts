/** What a run does with weights that are there already, and with soft targets: whole runs of the tiny network. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { tensor } from "../../src/core/tensor.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import type { Network } from "../../src/graph/graph.ts";
import { softened } from "../../src/training/network/distillation-teacher.ts";
import { resume } from "../../src/training/resume.ts";
import { checkpointPath, listCheckpoints } from "../../src/training/run-folder/checkpoint-files.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { fineTuningPeaks, withFineTuning } from "../../src/training/start/fine-tuning.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const data = tinyDataset();
const options: TrainOptions = { data, engine: "reference", epochs: 3, batch: 16, latency: false };
const parent = temporaryFolder();
const file = join(parent, "trained.onnx");
let trained: Network;
let accuracy: number;
beforeAll(async () => {
  const run = await train(tinyResnet(), { ...options, epochs: 12, folder: join(parent, "first") });
  trained = run.network;
  accuracy = required(run.before.accuracy ?? undefined, "accuracy");
  await saveOnnx(trained, file);
});

describe("the name of a run", () => {
  it("is the file's where the exporter gives every graph one, else the graph's", async () => {
    const { graph, weights } = trained;
    await saveOnnx({ graph: { ...graph, name: "torch_jit" }, weights }, join(parent, "pigeons.onnx"));
    await train(join(parent, "pigeons.onnx"), { ...options, epochs: 1, folder: join(parent, "of-exporter") });
    expect((await readRunRecord(join(parent, "of-exporter"))).model).toBe("pigeons");
    await train(file, { ...options, epochs: 1, folder: join(parent, "of-file") });
    expect((await readRunRecord(join(parent, "of-file"))).model).toBe(graph.name);
  });
});

async function peakOf(folder: string): Promise<number> {
  return (await readRunRecord(join(parent, folder))).settings.schedule.peak;
}

describe("the learning rate", () => {
  it("is a tenth where weights are there, and can be named", async () => {
    await train(file, { ...options, epochs: 1, folder: join(parent, "from-file") });
    expect(await peakOf("from-file")).toBe(0.02);
    await train(trained, { ...options, epochs: 1, schedule: { kind: "cosine" }, folder: join(parent, "cosine") });
    expect(await peakOf("cosine")).toBe(0.02);
    await train(file, {
      ...options,
      epochs: 1,
      schedule: { kind: "step", peak: 0.3 },
      folder: join(parent, "named"),
    });
    expect(await peakOf("named")).toBe(0.3);
  });

  it("is the usual one for new weights, also from a file whose weights are left", async () => {
    expect(await peakOf("first")).toBe(0.2);
    const seen = await train(file, { ...options, epochs: 1, fromScratch: true, folder: join(parent, "scratch") });
    expect(await peakOf("scratch")).toBe(0.2);
    const record = await readRunRecord(seen.folder);
    const fresh = await readRunRecord(join(parent, "first"));
    expect(record.initialWeights).toBe(fresh.initialWeights);
  });

  it("of every schedule is a tenth of that of new weights", () => {
    for (const kind of ["one-cycle", "cosine", "step"] as const) {
      const usual = parseSettings({ epochs: 1, schedule: { kind } }).schedule.peak;
      expect(withFineTuning({ epochs: 1, schedule: { kind } }).schedule?.peak).toBe(fineTuningPeaks[kind]);
      expect(fineTuningPeaks[kind]).toBeCloseTo(usual / 10, 12);
    }
  });
});

test("frozen statistics stay as they came, while scales and weights are trained", async () => {
  const { network: tuned } = await train(file, {
    ...options,
    freezeBatchNorm: true,
    schedule: { kind: "one-cycle", peak: 0.05 },
    folder: join(parent, "frozen"),
  });
  const value = (network: Network, name: string): Float32Array => required(network.weights.get(name), name).data;
  for (const { name, kind } of tuned.graph.parameters) {
    const same = value(tuned, name).every((each, at) => each === value(trained, name)[at]);
    expect([name, same]).toEqual([name, kind === "running_mean" || kind === "running_variance"]);
  }
});

describe("distillation", () => {
  it("learns the original's answers: by its part alone, the network stays near where it started", async () => {
    // New labels that mean nothing: whoever follows them forgets; whoever follows the teacher does not.
    const wrong = { ...data, train: { ...data.train, labels: data.train.labels.map((label) => (label + 1) % 3) } };
    const accuracyAfter = async (weight: number): Promise<number> => {
      const folder = join(parent, `distilled-${weight}`);
      const settings = { ...options, data: wrong, epochs: 4, schedule: { kind: "cosine", peak: 0.1 } as const };
      const run = await train(file, { ...settings, distill: { weight, temperature: 2 }, folder });
      return required(run.before.accuracy ?? undefined, "accuracy");
    };
    expect(accuracy).toBeGreaterThan(80);
    expect(await accuracyAfter(1)).toBeGreaterThan(accuracy - 10);
    expect(await accuracyAfter(0)).toBeLessThan(accuracy - 40);
  });

  it("softens logits by the temperature", () => {
    const { data: probabilities } = softened(tensor([2, 2], Float32Array.of(2, 0, 800, -800)), 2);
    expect(probabilities[0]).toBeCloseTo(Math.E / (Math.E + 1), 6);
    expect([...probabilities.subarray(2)]).toEqual([1, 0]);
  });
});

it("stopped in the middle, with mixing, a teacher and clipping, a run goes on bit for bit", async () => {
  const settings: TrainOptions = {
    ...options,
    select: { neurons: 0.4, blocks: 0.4 },
    schedule: { kind: "one-cycle", peak: 0.1 },
    labelSmoothing: 0.1,
    mixing: { kind: "mixup", alpha: 0.4 },
    distill: { weight: 0.3, temperature: 2 },
    clipNorm: 1,
    freezeBatchNorm: true,
  };
  const [whole, stopped] = [join(parent, "whole"), join(parent, "stopped")];
  await train(file, { ...settings, folder: whole });
  const controller = new AbortController();
  const interrupted = train(file, {
    ...settings,
    folder: stopped,
    signal: controller.signal,
    onEvent: ({ type }) => {
      if (type === "step") controller.abort();
    },
  });
  await expect(interrupted).rejects.toMatchObject({ code: "interrupted" });
  expect((await listCheckpoints(stopped))[0]).toBe(1);
  await resume(stopped, { data });
  const last = async (folder: string, name: string): Promise<Buffer> =>
    readFileSync(join(folder, checkpointPath(required((await listCheckpoints(folder))[0], "a checkpoint")), name));
  for (const name of ["network.onnx", "optimizer.safetensors"]) {
    expect((await last(stopped, name)).equals(await last(whole, name)), name).toBe(true);
  }
  // The teacher is kept as it was, without factors: the very network that the run came from.
  expect(existsSync(join(whole, "teacher.onnx"))).toBe(true);
  expect((await loadOnnx(join(whole, "teacher.onnx"))).weights).toEqual(trained.weights);
});

test.each([
  [{ freezeBatchNorm: true }, "freezeBatchNorm"],
  [{ distill: {} }, "distill"],
])("%j needs trained weights", async (more, name) => {
  for (const model of [tinyResnet(), "resnet-20"] as const) {
    await expect(train(model, { ...options, ...more })).rejects.toMatchObject({
      code: "bad-option",
      details: { about: `option "${name}"` },
    });
  }
  await expect(train(file, { ...options, ...more, fromScratch: true })).rejects.toMatchObject({ code: "bad-option" });
});

test.each([
  [{ labelSmoothing: 1 }, "labelSmoothing"],
  [{ mixing: { kind: "mixup", alpha: 0 } }, "mixing.alpha"],
  [{ clipNorm: 0 }, "clipNorm"],
  [{ distill: { weight: 2 } }, "distill.weight"],
  [{ distill: { temperature: 0 } }, "distill.temperature"],
])("%j is out of range", (more, name) => {
  expect(() => parseSettings({ epochs: 1, ...more })).toThrow(new RegExp(`option "${name}"`));
});
