/** Data of other classes than the network's: the last layer is replaced, and can be trained alone first. */
import { join } from "node:path";
import { beforeAll, describe, expect, it, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { tensor } from "../../src/core/tensor.ts";
import type { Dataset, StoredSplit } from "../../src/data/dataset.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Network } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { learningRatesAt } from "../../src/training/learning-rate/head-phase.ts";
import { resume } from "../../src/training/resume.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { classNamesOf } from "../../src/training/start/head/class-names.ts";
import { fitHead } from "../../src/training/start/head/fit-head.ts";
import { headOf } from "../../src/training/start/head/head.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet, tinyShape } from "./tiny.ts";

const parent = temporaryFolder();
const file = join(parent, "trained.onnx");
const data = tinyDataset();
const options: TrainOptions = { data, engine: "reference", epochs: 2, batch: 16, latency: false };

/** The tiny images of the first two classes. */
function twoClasses(names: readonly [string, string]): Dataset<StoredSplit> {
  const relabelled = (split: StoredSplit): StoredSplit => ({ ...split, labels: split.labels.map((one) => one % 2) });
  return { ...data, name: "two", classes: names, train: relabelled(data.train), test: relabelled(data.test) };
}

beforeAll(async () => {
  const graph = tinyResnet();
  const { classes } = data;
  await saveOnnx({ graph, weights: initialize(graph, 3) }, file, { metadata: { classes: JSON.stringify(classes) } });
});

function valuesOf({ weights }: Network, name: string): readonly number[] {
  return [...required(weights.get(name), name).data];
}

describe("a run on other classes", () => {
  it("has a new last layer, and says so in one line", async () => {
    const folder = join(parent, "other");
    const { network } = await train(file, { ...options, data: twoClasses(["cat", "dog"]), folder });
    expect(network.weights.get("classifier.weights")?.shape).toEqual([2, 4]);
    const said = (await readEvents(folder)).flatMap((event) => (event.type === "notice" ? [event.message] : []));
    expect(said.filter((message) => message.includes("--keep-head"))).toEqual([
      "The network has 3 classes (dark, first, second), the data 2 classes (cat, dog): its last layer, " +
        'the linear layer "classifier", is replaced by a new one, and the rest keeps its weights. ' +
        "To refuse this, give --keep-head",
    ]);
    expect((await readRunRecord(folder)).data.classes).toEqual(["cat", "dog"]);
    expect(classNamesOf((await loadOnnx(join(folder, "compact.onnx"))).graph)).toEqual(["cat", "dog"]);
  });

  it("is refused with keepHead, with what to do", async () => {
    const refused = train(file, { ...options, data: twoClasses(["cat", "dog"]), keepHead: true });
    await expect(refused).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining("[1,2]") });
  });
});

test("the head alone is trained in its epochs, and a stopped run goes on with it", async () => {
  const before = await loadOnnx(file);
  const stopping = new AbortController();
  const folder = join(parent, "alone");
  const chosen = { ...options, data: twoClasses(["cat", "dog"]), epochs: 3, headEpochs: 2, select: { neurons: 0.01 } };
  const interrupted = train(file, {
    ...chosen,
    folder,
    signal: stopping.signal,
    onEvent: (event) => {
      if (event.type === "epoch" && event.epoch === 1) stopping.abort();
    },
    hooks: [
      {
        name: "look",
        afterEpoch: (_, { epoch, state: { weights } }) => {
          if (epoch > 2) return;
          expect(weights.get("stem.conv.weights")?.data).toEqual(before.weights.get("stem.conv.weights")?.data);
          for (const [name, { data: values }] of weights) {
            if (name.endsWith(".factors")) expect([...values].every((value) => value === 1)).toBe(true);
          }
        },
        state: () => null,
      },
    ],
  });
  await expect(interrupted).rejects.toMatchObject({ code: "interrupted" });
  const resumed = await resume(folder, { data: chosen.data, hooks: [{ name: "look", state: () => null }] });
  const whole = await train(file, { ...chosen, folder: join(parent, "whole") });
  for (const [name, { data: values }] of whole.network.weights)
    expect(valuesOf(resumed.network, name)).toEqual([...values]);
  expect(valuesOf(whole.network, "stem.conv.weights")).not.toEqual(valuesOf(before, "stem.conv.weights"));
});

describe("the learning rates", () => {
  const settings = parseSettings({ epochs: 4, headEpochs: 1, schedule: { kind: "cosine", peak: 0.02 } });

  it("are the peak for the head alone, and then those of the schedule over the rest", () => {
    expect(learningRatesAt(settings, 9, 40)).toEqual({ head: 0.02, body: 0 });
    const { head, body } = learningRatesAt(settings, 25, 40);
    expect(head).toBe(body);
    expect(body).toBeCloseTo(0.01 * (1 + Math.cos((Math.PI * 15) / 30)), 12);
  });

  it("need epochs for the rest of the network, and trained weights", async () => {
    await expect(train(file, { ...options, headEpochs: 2 })).rejects.toMatchObject({ code: "bad-option" });
    const scratch = train(tinyResnet(), { ...options, headEpochs: 1 });
    await expect(scratch).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining("headEpochs") });
  });
});

/** A convolution to the classes, then ReLU and pooling, as in SqueezeNet. */
function convolutional(): Graph {
  const builder = new GraphBuilder("convolutional");
  const images = builder.input("images", ["N", ...tinyShape]);
  const stem = builder.relu("relu", builder.convolution("stem", images, { channels: 4, kernel: 3, padding: 1 }));
  const classes = builder.convolution("classes", stem, { channels: 5, kernel: 1, padding: 0, bias: true });
  builder.output(builder.flatten("flat", builder.globalAveragePooling("pool", builder.relu("last", classes))));
  return builder.build();
}

describe("the head", () => {
  it("is the last convolution before the pooling, with its bias", () => {
    expect(headOf(convolutional())?.parameters).toEqual(["classes.weights", "classes.bias"]);
  });

  it("takes the batch norm behind it along", async () => {
    const builder = new GraphBuilder("normalized");
    const images = builder.input("images", ["N", ...tinyShape]);
    const classes = builder.convolution("classes", images, { channels: 5, kernel: 3 });
    const normal = builder.batchNormalization("norm", classes);
    builder.output(builder.flatten("flat", builder.globalAveragePooling("pool", normal)));
    const graph = builder.build();
    const network = { graph, weights: initialize(graph, 1) };
    const fitted = fitHead(network, ["cat", "dog"]).network;
    expect(headOf(fitted.graph)?.classes).toBe(2);
    expect([...fitted.weights.keys()]).toEqual([]);
    const { network: trained } = await train(network, { ...options, data: twoClasses(["cat", "dog"]), epochs: 1 });
    expect(trained.weights.get("norm.running_mean")?.shape).toEqual([2]);
  });

  it("keeps the rows of classes that the network knows by name", () => {
    const graph = {
      ...tinyResnet(),
      header: { metadata: [["names", "{0: 'Dark', 1: 'first', 2: 'second'}"]] },
    } as const;
    const weights = new Map([
      ...initialize(graph, 1),
      [
        "classifier.weights",
        tensor(
          [3, 4],
          Float32Array.from({ length: 12 }, (_, index) => index),
        ),
      ] as const,
    ]);
    const { network, notice } = fitHead({ graph, weights }, ["second", "dark"]);
    expect(valuesOf(network, "classifier.weights")).toEqual([8, 9, 10, 11, 0, 1, 2, 3]);
    expect(notice).toContain("keeps the rows of these classes");
    expect(classNamesOf(network.graph)).toBeUndefined();
  });

  it("reads names with an apostrophe, which Python writes in other quotes", () => {
    const header = { metadata: [["names", `{0: "potter's wheel", 1: 'power drill, 2: old'}`]] } as const;
    expect(classNamesOf({ header })).toEqual(["potter's wheel", "power drill, 2: old"]);
  });

  it("stays where the classes are the same, or the network names none and their number is the same", () => {
    const network = { graph: tinyResnet(), weights: new Map() };
    expect(fitHead(network, ["a", "b", "c"]).network).toBe(network);
    const named = {
      ...network,
      graph: { ...network.graph, header: { metadata: [["classes", '["A","b","c"]']] } },
    } as const;
    expect(fitHead(named, ["a", "B", "c"]).network).toBe(named);
    expect(fitHead(named, ["a", "x", "c"]).notice).toContain("replaced by a new one");
  });
});
