/** Images with any number of labels: trained, scored, certified, written, resumed. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import type { Dataset, StoredSplit } from "../../src/data/dataset.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { answersOf } from "../../src/evaluation/classifier.ts";
import { runtimeClassifier } from "../../src/evaluation/runtime-thread.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { quantize } from "../../src/quantization/quantize.ts";
import { resume } from "../../src/training/resume.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { recipe } from "../../src/training/settings/recipes.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { answersWithLabels } from "../../src/training/start/data/file-metadata.ts";
import { classNamesOf } from "../../src/training/start/head/class-names.ts";
import { fitHead } from "../../src/training/start/head/fit-head.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { execute } from "../cli/support.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset, tinyShape } from "./tiny.ts";

const engine = (await isInstalled("onednn")) ? "onednn" : "reference";
const parent = temporaryFolder();
const sets = [[], [0], [1], [0, 1]];

/** Images that are brighter in the first channel, in the second, in both or in none: two labels. */
function twoLabels(): Dataset<StoredSplit> {
  const data = tinyDataset(128, 60);
  const size = tinyShape[1] * tinyShape[2];
  const marked = (split: StoredSplit): StoredSplit => {
    const images = split.images.map((value, at) => {
      const image = Math.floor(at / (2 * size));
      const channel = Math.floor(at / size) % 2;
      const has = required(sets[image % 4], "a set").includes(channel);
      return (value % 120) + (has ? 110 : 0);
    });
    const shared = new Uint8Array(new SharedArrayBuffer(images.length));
    shared.set(images);
    const labels = new Int32Array(new SharedArrayBuffer(4 * split.count));
    labels.set(split.labels.map((_, image) => image % 4));
    return { ...split, images: shared, labels };
  };
  const { classes: _, ...others } = data;
  return {
    ...others,
    classes: ["first", "second"],
    labelSets: sets,
    train: marked(data.train),
    test: marked(data.test),
  };
}

function network(end: "logits" | "sigmoid" | "softmax", classes = 2): Graph {
  const builder = new GraphBuilder("tagger");
  const convolved = builder.convolution("stem", builder.input("images", ["N", ...tinyShape]), {
    channels: 6,
    kernel: 3,
  });
  const pooled = builder.globalAveragePooling(
    "pool",
    builder.relu("relu", builder.batchNormalization("norm", convolved)),
  );
  const logits = builder.linear("head", builder.flatten("flat", pooled), classes);
  builder.output(
    end === "logits"
      ? logits
      : end === "sigmoid"
        ? builder.activation("end", logits, { function: "sigmoid" })
        : builder.softmax("end", logits),
  );
  return builder.build();
}

const data = twoLabels();
const options: TrainOptions = {
  ...{ data, task: "multi-label", epochs: 8, batch: 16, engine, latency: false },
  ...{ select: { neurons: 0.002 }, schedule: { kind: "cosine", peak: 0.1 } },
};

describe.each(["logits", "sigmoid"] as const)("a network that ends in %s", (end) => {
  const folder = join(parent, end);
  const file = join(parent, `${end}.onnx`);

  beforeAll(async () => {
    const graph = network(end);
    await saveOnnx({ graph, weights: initialize(graph, 3) }, file);
    await train(file, { ...options, folder });
  });

  it("learns the labels, and its file is scored alike by ONNX Runtime", async () => {
    const events = await readEvents(folder);
    const finished = required(
      events.findLast((event) => event.type === "run.finished"),
      "the end",
    );
    expect(finished.after.accuracy).toBeGreaterThan(95);
    expect(finished.after.labels?.exactMatch).toBeGreaterThan(70);
    expect(finished.after.balancedAccuracy).toBeUndefined();
    const path = join(folder, "compact.onnx");
    const classifier = await runtimeClassifier(path, 60);
    const { logits, labels } = await answersOf(classifier, data.test, data.normalization);
    await classifier.dispose();
    const threshold = end === "logits" ? 0 : 0.5;
    const exact = [...labels].filter((label, image) =>
      [0, 1].every((one) => (logits.data[2 * image + one] ?? 0) > threshold === sets[label]?.includes(one)),
    ).length;
    expect(finished.after.labels?.exactMatch).toBeCloseTo((100 * exact) / labels.length, 9);
    const epoch = events.findLast((event) => event.type === "epoch");
    expect(epoch?.labels).toBeDefined();
    expect(epoch?.trainAccuracy).toBeGreaterThan(50);
    const classes = required(
      events.findLast((event) => event.type === "classes"),
      "classes",
    ).classes;
    expect(classes.map(({ trainImages, images }) => [trainImages, images])).toEqual([
      [64, 30],
      [64, 30],
    ]);
    expect(classes[0]?.figures?.after.averagePrecision).toBeGreaterThan(90);
  });

  it("keeps its end in the written file, whose metadata says what it is", async () => {
    const { graph } = await loadOnnx(join(folder, "compact.onnx"));
    expect(graph.nodes.at(-1)).toEqual(network(end).nodes.at(-1));
    expect(classNamesOf(graph)).toEqual(["first", "second"]);
    expect(answersWithLabels(graph)).toBe(true);
  });

  it("has a certificate of sets of labels", async () => {
    const certificate = (await readEvents(folder)).findLast((event) => event.type === "certificate");
    expect(certificate).toMatchObject({ passed: true, agreeing: certificate?.images });
  });
});

test("a stopped run goes on bit for bit, with a teacher and mixed images", async () => {
  const file = join(parent, "sigmoid.onnx");
  const chosen: TrainOptions = { ...options, epochs: 3, distill: { weight: 0.3, temperature: 2 }, engine: "reference" };
  const mixed: TrainOptions = { ...chosen, mixing: { kind: "cutmix", alpha: 1 }, labelSmoothing: 0.1 };
  const stopping = new AbortController();
  const folder = join(parent, "stopped");
  const stopped = train(file, {
    ...{ ...mixed, folder, signal: stopping.signal },
    onEvent: (event) => {
      if (event.type === "epoch") stopping.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
  const resumed = await resume(folder, { data });
  const whole = await train(file, { ...mixed, folder: join(parent, "unstopped") });
  for (const [name, { data: values }] of whole.network.weights) {
    expect([...required(resumed.network.weights.get(name), name).data]).toEqual([...values]);
  }
});

describe("the head", () => {
  const weights = initialize(network("softmax"), 1);

  it("has sigmoids in place of a softmax, and says so", () => {
    const { network: fitted, notice } = fitHead({ graph: network("softmax"), weights }, ["a", "b"], true);
    expect(fitted.graph.nodes.at(-1)).toMatchObject({ op: "activation", attributes: { function: "sigmoid" } });
    expect(fitted.weights).toBe(weights);
    expect(notice).toContain("Its softmax becomes a sigmoid for each class");
  });

  it("is replaced by a new one for other labels, and keeps a sigmoid or logits", () => {
    for (const end of ["sigmoid", "logits"] as const) {
      const graph = network(end, 5);
      const { network: fitted, notice } = fitHead({ graph, weights: initialize(graph, 1) }, ["a", "b", "c"], true);
      expect(fitted.graph.nodes.at(-1)?.op).toBe(graph.nodes.at(-1)?.op);
      expect(fitted.graph.parameters.find(({ name }) => name === "head.weights")?.shape).toEqual([3, 6]);
      expect(notice).toContain("is replaced by a new one");
    }
  });

  it("of one output is one label, and not a choice between two", () => {
    const graph = network("sigmoid", 1);
    const given = { graph, weights: initialize(graph, 1) };
    expect(fitHead(given, ["a"], true).network).toBe(given);
    expect(fitHead(given, ["a", "b"], true).notice).toContain("replaced by a new one");
  });
});

describe("what does not fit together is refused", () => {
  const given = { graph: network("logits"), weights: initialize(network("logits"), 3) };

  it.each([
    ["another task", { task: "classes" }, /several labels.*--task multi-label/s],
    ["weights of classes", { classWeights: "balanced" }, /classWeights/],
    ["one label an image", { data: tinyDataset() }, /one label for each image.*Leave the task out/s],
    [
      "a label that is no class",
      { data: { ...data, labelSets: [[], [0], [2], [0, 1]] } },
      /a set of labels has one that is not a class/,
    ],
    ["a set that there is not", { data: { ...data, labelSets: [[0]] } }, /label of image 1 .* is not a set of labels/],
  ] as const)("%s", async (_, wrong, message) => {
    await expect(train(given, { ...options, ...wrong })).rejects.toThrow(message);
  });

  it("labels that are taught outputs as well", async () => {
    const taught = train(given, { ...options, teach: "outputs" });
    await expect(taught).rejects.toMatchObject({ code: "bad-option" });
  });
});

test("the recipe in the documents is one", () => {
  const text = readFileSync(new URL("../../docs/training.md", import.meta.url), "utf8");
  const [, block = ""] = /## Several labels.*?```json\n(.*?)```/s.exec(text) ?? [];
  const path = join(parent, "tags.json");
  writeFileSync(path, block);
  const found = recipe(path);
  expect(found.settings).toEqual(JSON.parse(block).settings);
  expect(parseSettings(found.settings)).toMatchObject({ task: "multi-label", headEpochs: 2 });
});

test("a quantised file answers with nearly the same sets", async () => {
  const host = await EngineHost.start({ engine });
  const { score } = await quantize(await loadOnnx(join(parent, "sigmoid", "compact.onnx")), { host, dataset: data });
  await host.dispose();
  expect(score.agreement).toBeGreaterThan(90);
  expect(score.accuracy).toBeGreaterThan(90);
});

test("from a CSV file to the scores of espalier eval, in words and as JSON", async () => {
  const place = join(parent, "pictures");
  mkdirSync(place);
  const lines = ["path,red,blue,split"];
  for (let index = 0; index < 48; index++) {
    const [red, blue] = [index % 2, Math.floor(index / 2) % 2];
    const background = { r: 40 + 180 * red + (index % 7), g: 100, b: 40 + 180 * blue + (index % 5) };
    const png = await sharp({ create: { width: 12, height: 12, channels: 3, background } })
      .png()
      .toBuffer();
    writeFileSync(join(place, `${index}.png`), new Uint8Array(png));
    lines.push(`${index}.png,${red},${blue},${index < 32 ? "train" : "test"}`);
  }
  const table = join(place, "labels.csv");
  writeFileSync(table, lines.join("\n"));
  const builder = new GraphBuilder("colours");
  const images = builder.input("images", ["N", 3, 8, 8]);
  const stem = builder.relu("relu", builder.convolution("stem", images, { channels: 4, kernel: 3, bias: true }));
  builder.output(builder.linear("head", builder.flatten("flat", builder.globalAveragePooling("pool", stem)), 7));
  const graph = builder.build();
  const [file, out] = [join(parent, "colours.onnx"), join(parent, "colours")];
  await saveOnnx({ graph, weights: initialize(graph, 5) }, file);
  const trained = await execute([
    ...["train", file, "--data", table, "--task", "multi-label", "--epochs", "12", "--batch", "8", "--no-latency"],
    ...[
      "--mean",
      "0.5,0.5,0.5",
      "--std",
      "0.25,0.25,0.25",
      "--engine",
      "reference",
      "--learning-rate",
      "0.1",
      "--out",
      out,
    ],
  ]);
  expect(trained.stderr).toBe("");
  expect(trained.exitCode).toBe(0);
  expect(trained.stdout).toMatch(/replaced by a new one/);
  expect(trained.stdout).toMatch(/epoch +mAP +exact/);
  expect(trained.stdout).toMatch(/Mean average precision/);
  expect(trained.stdout).toMatch(/average precision: /);
  const compact = join(out, "compact.onnx");
  const asked = ["eval", compact, "--data", table, "--engine", "reference"];
  const words = await execute(asked);
  expect(words.stdout).toMatch(/mean average precision on 16 test images/);
  expect(words.stdout).toMatch(/label +images +average p\. +precision +recall +F1/);
  const json = JSON.parse((await execute([...asked, "--json"])).stdout);
  expect(json).toMatchObject({
    task: "multi-label",
    images: 16,
    labels: [{ name: "red", images: 8 }, { name: "blue" }],
  });
  const runtime = JSON.parse((await execute(["eval", compact, "--data", table, "--runtime", "--json"])).stdout);
  expect(runtime.meanAveragePrecision).toBeCloseTo(json.meanAveragePrecision, 6);
  expect(runtime.exactMatch).toBe(json.exactMatch);
  const page = await execute([...asked, "--html", join(parent, "page.html")]);
  expect(page.stderr).toMatch(/shows a confusion matrix, and images with several labels have none/);
  const exported = await execute(["export", compact, "--for", "transformers.js"]);
  expect(exported.stderr).toMatch(/no image classifiers with several labels/);
});
