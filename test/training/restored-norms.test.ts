/** Batch norms that are put back behind convolutions, and merged again. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { control } from "../../src/experiments/control.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import type { Graph, Network } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { resume } from "../../src/training/resume.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { channelStatistics } from "../../src/training/start/batch-norms/channel-statistics.ts";
import { convolutionsWithMergedNorms } from "../../src/training/start/batch-norms/merged-norms.ts";
import { withMergedNorms, withNorms } from "../../src/training/start/batch-norms/restored-norms.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyWithoutNorms } from "./tiny.ts";

const data = tinyDataset();
const engine = createReferenceEngine();

/** `graph` with all its numbers drawn, biases too. */
function drawn(graph: Graph, seed = 1): Network {
  const random = new RandomStream(seed, "numbers");
  const weights = new Map(initialize(graph, seed));
  for (const { name, shape, kind } of graph.parameters) {
    if (kind === "weights") continue;
    const sign = kind === "running_variance" || kind === "scale" ? Math.abs : (x: number) => x;
    weights.set(
      name,
      tensor(
        shape,
        required(weights.get(name), name).data.map(() => sign(random.normal()) + 0.01),
      ),
    );
  }
  return { graph, weights };
}

async function images(count: number): Promise<Tensor> {
  for await (const batch of evaluationBatches(data.train, data.normalization, count)) return batch.images;
  throw new Error("there are no images");
}

async function valuesOf({ graph, weights }: Network, values: readonly string[], feed: Tensor): Promise<Tensor[]> {
  const plan = await engine.prepare({ ...graph, outputs: values }, { batch: feed.shape[0] ?? 1 });
  plan.write(weights);
  const results = plan.run({ images: feed });
  const found = values.map((value) => required(results[value], value));
  plan.dispose();
  return found;
}

function largest(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - (b.data[index] ?? Number.NaN))), 0);
}

const original = drawn(tinyWithoutNorms());
const convolutions = convolutionsWithMergedNorms(original.graph);
const outputsOf = convolutions.map(({ outputs: [dst = ""] }) => dst);
const settings = { engine: "reference", batch: 16 } as const;

test("statistics are those of the convolutions' outputs over the training images", async () => {
  const found = await channelStatistics(original, outputsOf, data, settings);
  const all = await valuesOf(original, outputsOf, await images(96));
  for (const [index, { shape, data: numbers }] of all.entries()) {
    const [count = 0, channels = 0, height = 0, width = 0] = shape;
    const pixels = height * width;
    for (let channel = 0; channel < channels; channel++) {
      const own = Array.from(numbers).filter((_, at) => Math.floor(at / pixels) % channels === channel);
      const mean = own.reduce((sum, value) => sum + value, 0) / (count * pixels);
      const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count * pixels);
      expect(found[index]?.mean[channel]).toBeCloseTo(mean, 5);
      expect(found[index]?.variance[channel]).toBeCloseTo(variance, 5);
    }
  }
});

test("the network gives the same answers with them, and batches are normalised", async () => {
  const statistics = await channelStatistics(original, outputsOf, data, settings);
  const { network, norms } = withNorms(original, convolutions, statistics);
  expect(norms).toEqual(["stem.norm", "branch.conv1.norm", "branch.conv2.norm"]);
  const feed = await images(40);
  const [before] = await valuesOf(original, original.graph.outputs, feed);
  const [after] = await valuesOf(network, network.graph.outputs, feed);
  expect(largest(required(before, "before"), required(after, "after"))).toBeLessThan(2e-6);
  // The convolution's bias is the norm's shift now, so that nothing is learnt twice.
  expect(network.graph.nodes.filter(({ op, inputs }) => op === "convolution" && inputs.length > 2)).toEqual([]);
});

test("merging takes them out again, under all the names of before", async () => {
  const statistics = await channelStatistics(original, outputsOf, data, settings);
  const { network, norms } = withNorms(original, convolutions, statistics);
  const again = withMergedNorms(network, norms);
  expect(again.graph).toEqual(original.graph);
  for (const [name, value] of original.weights) {
    expect(largest(required(again.weights.get(name), name), value)).toBeLessThan(2e-6);
  }
});

test("merging keeps what trained batch norms compute", async () => {
  const { network, norms } = withNorms(original, convolutions, undefined);
  const trained = drawn(network.graph, 7);
  const feed = await images(40);
  const [before] = await valuesOf(trained, trained.graph.outputs, feed);
  const merged = withMergedNorms(trained, norms);
  const [after] = await valuesOf(merged, merged.graph.outputs, feed);
  const size = required(before, "before").data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest(required(before, "before"), required(after, "after")) / size).toBeLessThan(1e-6);
});

const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 2,
  batch: 16,
  select: { neurons: 4, streams: 3 },
  latency: false,
};

function noticesOf(events: readonly RunEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === "notice" ? [event.message] : []));
}

test("a run trains with them and writes the original's form; stopped, it ends with the same bits", async () => {
  const folder = join(temporaryFolder(), "whole");
  const run = await train(original, { ...options, folder });
  expect(run.certificate.passed).toBe(true);
  expect((await readRunRecord(folder)).restoredNorms).toHaveLength(3);
  expect(noticesOf(await readEvents(folder)).join("\n")).toMatch(/put back for training.*--no-restore-bn/);
  const opsOf = ({ nodes }: Graph): readonly string[] => nodes.map(({ op }) => op);
  for (const file of ["network.onnx", "compact.onnx"]) {
    const { graph } = await loadOnnx(join(folder, file));
    expect(opsOf(graph)).not.toContain("batch_normalization");
    for (const { op, inputs } of graph.nodes) if (op === "convolution") expect(inputs).toHaveLength(3);
  }
  expect(run.after.macs).toBeLessThan(run.before.macs);
  // Weights, biases and the linear layer, as in the original; batch norms would have more.
  expect(run.before.parameters).toBe(76 + 148 + 148 + 15);

  const stopped = join(temporaryFolder(), "stopped");
  const controller = new AbortController();
  const onEvent = ({ type }: RunEvent): void => {
    if (type === "step") controller.abort();
  };
  const begun = train(original, { ...options, folder: stopped, signal: controller.signal, onEvent });
  await expect(begun).rejects.toMatchObject({ code: "interrupted" });
  const resumed = await resume(stopped, { data });
  expect(resumed.compact.weights).toEqual(run.compact.weights);
  expect(resumed.after).toEqual(run.after);

  const baseline = await control(folder, { data });
  expect(baseline.network.graph.nodes.some(({ op }) => op === "batch_normalization")).toBe(true);
});

test("they are refused with an option, and not put in where they would be frozen", async () => {
  for (const refusal of [{ restoreBatchNorm: false }, { freezeBatchNorm: true }]) {
    const folder = join(temporaryFolder(), "refused");
    const run = await train(original, { ...options, ...refusal, epochs: 1, folder });
    expect((await readRunRecord(folder)).restoredNorms).toBeUndefined();
    expect(noticesOf(await readEvents(folder)).join("\n")).not.toMatch(/batch norms/);
    expect(run.certificate.passed).toBe(true);
  }
});

test("from new weights they start as in a new network", async () => {
  const folder = join(temporaryFolder(), "scratch");
  const run = await train(original, { ...options, fromScratch: true, epochs: 1, folder });
  expect((await readRunRecord(folder)).restoredNorms).toHaveLength(3);
  expect(run.certificate.passed).toBe(true);
});
