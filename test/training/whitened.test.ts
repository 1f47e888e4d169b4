/** A run whose first convolution whitens patches of the training images and stays as it is. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { control } from "../../src/experiments/control.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { PatchMoments, whiteningFilters } from "../../src/models/whitening.ts";
import { resume } from "../../src/training/resume.ts";
import { readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset } from "./tiny.ts";

const data = tinyDataset();
const EPSILON = 1e-3;
const options: TrainOptions = { data, engine: "reference", epochs: 2, batch: 16, latency: false };

function network(groups = 1, channels = 16): Graph {
  const builder = new GraphBuilder("whitened");
  const images = builder.input("images", ["N", 2, 6, 6]);
  const first = builder.convolution("first", images, {
    ...{ channels, kernel: 2, bias: true, groups },
    weights: { initial: { kind: "whitening", epsilon: EPSILON }, isFrozen: true },
  });
  const second = builder.convolution("second", builder.gelu("gelu", first), {
    ...{ channels: 6, kernel: 3, padding: 1 },
    weights: { initial: { kind: "identity" } },
  });
  const normed = builder.gelu("gelu2", builder.batchNormalization("norm", second, { isScaleFrozen: true }));
  builder.output(builder.linear("logits", builder.flatten("flat", builder.globalAveragePooling("pool", normed)), 3));
  return builder.build();
}

/** From all training images: there are fewer than are needed. */
async function expectedFilters(): Promise<Float32Array> {
  const moments = new PatchMoments({ channels: 2, kernel: [2, 2], dilation: [1, 1] });
  for await (const { images, count } of evaluationBatches(data.train, data.normalization, 32))
    moments.add(images, count);
  return whiteningFilters(moments.moments(), moments.size, { outputs: 16, epsilon: EPSILON });
}

const filtersOf = (weights: ReadonlyMap<string, { readonly data: Float32Array }>) => weights.get("first.weights")?.data;

describe("a first convolution that whitens", () => {
  test("has filters of the training images, whatever the seed, before and after training", async () => {
    const expected = await expectedFilters();
    for (const seed of [1, 2]) {
      const folder = join(temporaryFolder(), "run");
      const run = await train(network(), { ...options, seed, folder });
      const found = filtersOf(run.compact.weights) ?? new Float32Array();
      expect(found).toHaveLength(expected.length);
      for (const [index, value] of found.entries()) expect(value).toBeCloseTo(expected[index] ?? 0, 4);
      expect(run.compact.weights.get("norm.scale")?.data).toEqual(new Float32Array(6).fill(1));
      expect(run.compact.weights.get("first.bias")?.data).not.toEqual(new Float32Array(16));
    }
  });

  test("is in the checkpoint: a stopped run goes on with it, bit for bit", async () => {
    const [whole, stopped] = [join(temporaryFolder(), "whole"), join(temporaryFolder(), "stopped")];
    const selecting = { ...options, select: { neurons: 0.3 } };
    const run = await train(network(), { ...selecting, folder: whole });
    const controller = new AbortController();
    const onEvent = ({ type }: { readonly type: string }): void => {
      if (type === "step") controller.abort();
    };
    const begun = train(network(), { ...selecting, folder: stopped, signal: controller.signal, onEvent });
    await expect(begun).rejects.toMatchObject({ code: "interrupted" });
    expect(filtersOf((await readCheckpoint(stopped, 1)).network.weights)).toEqual(filtersOf(run.compact.weights));
    const resumed = await resume(stopped, { data });
    expect(resumed.compact.weights).toEqual(run.compact.weights);
  });

  test("is computed again for a from-scratch baseline, and kept by a run that starts from the file", async () => {
    const folder = join(temporaryFolder(), "run");
    const run = await train(network(), { ...options, select: { neurons: 1.5 }, folder });
    const baseline = await control(folder, { data, seed: 7 });
    expect(filtersOf(baseline.compact.weights)).toEqual(filtersOf(run.compact.weights));
    const file = await loadOnnx(join(folder, "compact.onnx"));
    const tuned = await train(file, { ...options, folder: join(temporaryFolder(), "tuned") });
    expect(filtersOf(tuned.compact.weights)).toEqual(filtersOf(run.compact.weights));
  });

  test.each([
    ["of several groups", network(2)],
    ["with more channels than filters", network(1, 17)],
  ] as const)("%s is refused", async (_, graph) => {
    const folder = join(temporaryFolder(), "run");
    await expect(train(graph, { ...options, folder })).rejects.toThrow(/cannot whiten patches of images/);
  });
});
