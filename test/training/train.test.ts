import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { firstImages } from "../../src/data/dataset.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { measureAccuracy } from "../../src/evaluation/accuracy.ts";
import { engineClassifier } from "../../src/evaluation/classifier.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Network } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { factorsOf } from "../../src/selection/factors.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { ofType, temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const dataset = tinyDataset();
/** Strong enough to kill some structures of the tiny network within six epochs, and not all of them. */
const options: TrainOptions = {
  data: dataset,
  engine: "reference",
  epochs: 6,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
};

async function accuracyOf(network: Network): Promise<number> {
  const host = await EngineHost.start({ engine: "reference" });
  try {
    const classifier = await engineClassifier(host, network, 8);
    return (await measureAccuracy(classifier, dataset.test, dataset.normalization)).accuracy;
  } finally {
    await host.dispose();
  }
}

let parent: string;
beforeEach(() => {
  parent = temporaryFolder();
});

let run: Run;
const heard: RunEvent[] = [];
beforeAll(async () => {
  run = await train(tinyResnet(), {
    ...options,
    folder: join(temporaryFolder(), "whole"),
    onEvent: (event) => heard.push(event),
  });
});

test("the network learns, shrinks, and the compact one gives the same answers", async () => {
  expect(run.before.accuracy).toBeGreaterThan(70);
  expect(run.after.accuracy).toBe(run.before.accuracy);
  expect(run.after.macs).toBeLessThan(run.before.macs);
  expect(run.after.parameters).toBeLessThan(run.before.parameters);
  expect(run.certificate).toMatchObject({ passed: true, images: 40 });
  expect(await accuracyOf(run.network)).toBe(run.before.accuracy);
  expect(await accuracyOf(run.compact)).toBe(run.after.accuracy);
});

test("the summaries are those of the networks: before as given, after without factors", () => {
  expect(run.before).toMatchObject(cost(tinyResnet()));
  expect(run.after).toMatchObject(cost(run.compact.graph));
  expect(factorsOf(run.compact.graph)).toEqual([]);
  expect(run.after.latencyMilliseconds).toBeGreaterThan(0);
});

test("the folder holds the networks, the certificate and the last two checkpoints", async () => {
  const { folder } = run;
  expect(readdirSync(folder).toSorted()).toEqual([
    "certificate.json",
    "checkpoints",
    "compact.onnx",
    "events.jsonl",
    "network.onnx",
    "run.json",
  ]);
  expect(readdirSync(join(folder, "checkpoints")).toSorted()).toEqual(["step-000030", "step-000036"]);
  const network = await loadOnnx(join(folder, "network.onnx"));
  expect(network.weights).toEqual(run.network.weights);
  // The file also says what it was trained on, which a graph that was read keeps.
  const { header, ...graph } = network.graph;
  expect(graph).toEqual(run.network.graph);
  expect(new Map(header?.metadata).get("dataset")).toBe("tiny");
  expect((await loadOnnx(join(folder, "compact.onnx"))).weights).toEqual(run.compact.weights);
  const certificate = JSON.parse(readFileSync(join(folder, "certificate.json"), "utf8"));
  expect(certificate.files.map(({ path }: { path: string }) => path)).toEqual(["network.onnx", "compact.onnx"]);
});

test("run.json tells what was asked for and what it started from", async () => {
  const record = await readRunRecord(run.folder);
  expect(record.settings).toMatchObject({ epochs: 6, batch: 16, seed: 1, select: { neurons: 0.4, blocks: 0.4 } });
  expect(record.factors.map(({ layer, gamma }) => [layer, gamma])).toEqual([
    ["block1.conv1", 0.4],
    ["block1.add", 0.4],
    ["block2.conv1", 0.4],
    ["block2.add", 0.4],
  ]);
  expect(record.engine["name"]).toBe("reference");
});

test("the compact network can be saved anywhere and tells what it takes", async () => {
  const path = join(parent, "small.onnx");
  await run.compact.save(path);
  expect(readFileSync(path)).toEqual(readFileSync(join(run.folder, "compact.onnx")));
  expect(readFileSync(path, "latin1")).toContain('["dark","first","second"]');
});

test("the stream tells the whole story, in the file as to the listener", async () => {
  expect(await readEvents(run.folder)).toEqual(heard);
  const types = heard.map(({ type }) => type);
  expect(types[0]).toBe("run.started");
  expect(types.slice(-6)).toEqual(["cut", "exported", "certificate", "latency", "classes", "run.finished"]);
  expect(heard.map(({ step }) => step)).toEqual(heard.map(({ step }) => step).toSorted((a, b) => a - b));
  const epochs = ofType(heard, "epoch");
  expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n, 6 * n]));
  expect(epochs.at(-1)?.cost).toEqual({ macs: run.after.macs, parameters: run.after.parameters });
  expect(epochs.at(-1)?.testAccuracy).toBe(run.before.accuracy);
  expect(epochs[0]?.trainLoss).toBeGreaterThan(epochs.at(-1)?.trainLoss ?? Number.POSITIVE_INFINITY);
  expect(ofType(heard, "checkpoint").map(({ step }) => step)).toEqual([0, 6, 12, 18, 24, 30, 36]);
  const zeroed = ofType(heard, "structure.zeroed").length - ofType(heard, "structure.revived").length;
  const [cut] = ofType(heard, "cut");
  expect(zeroed).toBeGreaterThan(0);
  expect(cut?.layers.reduce((sum, { alive, count }) => sum + count - alive, 0)).toBe(zeroed);
});

test("equal settings give equal weights, another seed others", async () => {
  const short = { ...options, epochs: 1, latency: false };
  const runs = await Promise.all(
    [1, 1, 2].map((seed, index) => train(tinyResnet(), { ...short, seed, folder: join(parent, `run-${index}`) })),
  );
  expect(runs[1]?.network.weights).toEqual(runs[0]?.network.weights);
  expect(runs[2]?.network.weights).not.toEqual(runs[0]?.network.weights);
});

test("training starts from the weights it is given, factors of a file included", async () => {
  const graph = tinyResnet();
  const weights = initialize(graph, 5);
  const first = await train({ graph, weights }, { ...options, seed: 9, epochs: 1, folder: join(parent, "first") });
  const fromSeed = await train(graph, { ...options, seed: 9, epochs: 1, folder: join(parent, "seed") });
  expect(first.network.weights).not.toEqual(fromSeed.network.weights);
  const file = join(parent, "net.onnx");
  await first.network.save(file);
  const second = await train(file, { ...options, epochs: 1, folder: join(parent, "second"), latency: false });
  expect(factorsOf(second.network.graph).map(({ layer }) => layer)).toEqual(
    factorsOf(first.network.graph).map(({ layer }) => layer),
  );
});

test("without γ it is plain training, and that is said", async () => {
  const { select: _, ...plain } = options;
  const events: RunEvent[] = [];
  const result = await train(tinyResnet(), {
    ...plain,
    epochs: 1,
    latency: false,
    folder: join(parent, "plain"),
    onEvent: (event) => events.push(event),
  });
  expect(ofType(events, "notice").map(({ message }) => message)).toEqual([expect.stringContaining("plain training")]);
  expect(result.after.macs).toBe(result.before.macs);
  expect(result.before.latencyMilliseconds).toBeNull();
});

test("limits take the first images, and accuracy is measured on what is left", async () => {
  const limit = { train: 20, test: 10 };
  const events: RunEvent[] = [];
  const onEvent = (event: RunEvent): number => events.push(event);
  await train(tinyResnet(), { ...options, epochs: 1, latency: false, limit, onEvent, folder: join(parent, "few") });
  expect(events[0]).toMatchObject({ dataset: { trainImages: 20, testImages: 10 }, stepsPerEpoch: 1 });
  const record = await readRunRecord(join(parent, "few"));
  const { hashData } = await import("../../src/training/run-folder/run-record.ts");
  expect(record.data.sha256).toEqual(
    hashData({ ...dataset, train: firstImages(dataset.train, 20), test: firstImages(dataset.test, 10) }),
  );
});

test("a batch larger than the data becomes all of the data, and that is said", async () => {
  const { folder } = await train(tinyResnet(), { ...options, epochs: 1, batch: 500, folder: join(parent, "small") });
  const [events, { settings }] = [await readEvents(folder), await readRunRecord(folder)];
  const images = dataset.train.count;
  expect(settings.batch).toBe(images);
  expect(events.find(({ type }) => type === "run.started")).toMatchObject({ stepsPerEpoch: 1 });
  const notices = events.flatMap((event) => (event.type === "notice" ? [event.message] : []));
  expect(notices).toContain(`There are only ${images} training images: a step takes ${images} of them instead of 500`);
});

test("a loss that is no number stops the run, tells the step, and keeps the last good checkpoint", async () => {
  const folder = join(parent, "diverged");
  const events: RunEvent[] = [];
  const wild = train(tinyResnet(), {
    ...options,
    schedule: { kind: "step", peak: 1e20, milestones: [] },
    folder,
    onEvent: (event) => events.push(event),
  });
  await expect(wild).rejects.toMatchObject({
    code: "diverged",
    message: expect.stringMatching(/at step \d+.*lower learning rate/),
  });
  expect(events.at(-1)).toMatchObject({ type: "diverged", checkpoint: "checkpoints/step-000000" });
  const kept = await loadOnnx(join(folder, "checkpoints", "step-000000", "network.onnx"));
  for (const [, { data }] of kept.weights) expect(data.every(Number.isFinite)).toBe(true);
});

const mistakes: [string, Partial<TrainOptions>, string][] = [
  ["γ below zero", { select: { neurons: -1 } }, "bad-option"],
  ["a kind of structure the network lacks", { select: { groups: 0.1 } }, "bad-option"],
  ["an unknown dataset", { data: "cifar11" }, "unknown-name"],
  ["images of another shape", { data: tinyDataset(32, 16, [3, 6, 6]) }, "bad-option"],
];
test.each(mistakes)("%s is refused before anything is written", async (_, mistake, code) => {
  const folder = join(parent, "never");
  await expect(train(tinyResnet(), { ...options, ...mistake, folder })).rejects.toMatchObject({ code, exitCode: 2 });
  expect(existsSync(folder)).toBe(false);
});

test("an unknown model is refused with the nearest name, a missing file as missing", async () => {
  await expect(train("resnet-21", options)).rejects.toMatchObject({
    code: "unknown-name",
    message: expect.stringContaining('"resnet-20"'),
  });
  for (const name of ["none.onnx", "none", "."]) {
    await expect(train(`${parent}/${name}`, options)).rejects.toMatchObject({ code: "missing-file" });
  }
});

test("outputs of a network that is no file are refused", async () => {
  const outputs = ["pool"];
  for (const model of ["resnet-20", tinyResnet()]) {
    await expect(train(model, { ...options, outputs })).rejects.toMatchObject({ code: "bad-option" });
  }
});

test("a run that exists is not touched", async () => {
  const before = readFileSync(join(run.folder, "events.jsonl"), "utf8");
  await expect(train(tinyResnet(), { ...options, folder: run.folder })).rejects.toMatchObject({ code: "run-exists" });
  expect(readFileSync(join(run.folder, "events.jsonl"), "utf8")).toBe(before);
});

test("a precision of auto is decided by the engine, and the record has what was decided", async () => {
  const folder = join(parent, "auto");
  await train(tinyResnet(), { ...options, epochs: 1, precision: "auto", folder });
  const { settings, engine } = await readRunRecord(folder);
  expect([settings.precision, engine["precision"]]).toEqual(["auto", "f32"]);
});

test("a precision the engine has not is refused before anything is written", async () => {
  const folder = join(parent, "bf16");
  await expect(train(tinyResnet(), { ...options, precision: "bf16", folder })).rejects.toMatchObject({
    code: "engine-refused",
  });
  expect(existsSync(folder)).toBe(false);
});
