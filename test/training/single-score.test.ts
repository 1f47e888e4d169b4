/** One number for each image decides between two classes: trained, scored, certified and written as what it is. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import { gradientGraph } from "../../src/autodiff/gradient-graph.ts";
import { required } from "../../src/core/errors.ts";
import { type Labels, tensor } from "../../src/core/tensor.ts";
import type { Dataset, StoredSplit } from "../../src/data/dataset.ts";
import { withStandardNames } from "../../src/deployment/standard-names.ts";
import { createEngine } from "../../src/engine/create.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { answersOf, engineClassifier } from "../../src/evaluation/classifier.ts";
import { compareLogits } from "../../src/evaluation/comparison.ts";
import { measureConfusion } from "../../src/evaluation/confusion.ts";
import { runtimeLogits } from "../../src/evaluation/runtime-logits.ts";
import { runtimeClassifier } from "../../src/evaluation/runtime-thread.ts";
import { inTwoClasses, singleScoreNote } from "../../src/evaluation/two-classes.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { endingInLogits, singleScoreOf } from "../../src/graph/logits.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { initialize } from "../../src/models/initialize.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { fitHead } from "../../src/training/start/head/fit-head.ts";
import { networkFor } from "../../src/training/start/starting-network.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { randomWeights, spread } from "../engine/random-data.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset, tinyShape } from "./tiny.ts";

const engines = (await isInstalled("onednn")) ? (["reference", "onednn"] as const) : (["reference"] as const);
const parent = temporaryFolder();

/** Dark images against bright ones. */
function twoClasses(shape = tinyShape, classes: readonly string[] = ["dark", "bright"]): Dataset<StoredSplit> {
  const data = tinyDataset(96, 40, shape);
  const relabelled = (split: StoredSplit): StoredSplit => ({
    ...split,
    labels: split.labels.map((label) => Math.min(1, label)),
  });
  return { ...data, name: "two", classes, train: relabelled(data.train), test: relabelled(data.test) };
}

const forms = ["[N,1] sigmoid", "[N,1] logit", "[N,1,1,1] sigmoid", "[N,1,1,1] logit", "flattened sigmoid"] as const;

function network(form: (typeof forms)[number], names?: readonly string[]): Graph {
  const builder = new GraphBuilder("decides");
  const images = builder.input("images", ["N", ...tinyShape]);
  const norm = builder.batchNormalization("norm", builder.convolution("stem", images, { channels: 6, kernel: 3 }));
  const pooled = builder.globalAveragePooling("pool", builder.relu("relu", norm));
  const isVector = form.startsWith("[N,1] ");
  const score = isVector
    ? builder.linear("head", builder.flatten("flat", pooled), 1)
    : builder.convolution("head", pooled, { channels: 1, kernel: 1, bias: true });
  const end = form.endsWith("sigmoid") ? builder.activation("end", score, { function: "sigmoid" }) : score;
  builder.output(form === "flattened sigmoid" ? builder.flatten("flattened", end) : end);
  const graph = builder.build();
  return names === undefined ? graph : { ...graph, header: { metadata: [["classes", JSON.stringify(names)]] } };
}

function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

describe.each(forms)("%s", (form) => {
  const graph = network(form);
  const isLogit = form.endsWith("logit");

  it.each(engines)("has the binary cross entropy for its loss, and its gradient, on %s", async (name) => {
    const engine = createEngine({ engine: name });
    const weights = randomWeights(graph, 7);
    const images = spread([8, ...tinyShape], 1, "images");
    const truth: Labels = { dtype: "i32", shape: [8], data: Int32Array.of(0, 1, 1, 0, 1, 0, 0, 1) };
    const forward = engine.prepare(graph, { batch: 8 });
    forward.write(weights);
    const answers = required(forward.run({ images })[graph.outputs[0] ?? ""], "answers").data;
    const second = Array.from(answers, (value) => (isLogit ? sigmoid(value) : value));
    const losses = second.map((p, row) => -Math.log(truth.data[row] === 1 ? p : 1 - p));
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

    const backward = gradientGraph(graph, { batchNormalization: "frozen" });
    const plan = engine.prepare(backward, { batch: 8 });
    plan.write(weights);
    const results = plan.run({ images, labels: truth });
    const [loss, ...gradients] = backward.outputs.map((output) => required(results[output], output).data);
    expect(loss?.[0]).toBeCloseTo(mean(losses), 5);
    const at = backward.parameters
      .filter(({ kind }) => ["weights", "bias", "scale", "shift"].includes(kind))
      .findIndex((parameter) => parameter.name === "head.bias");
    // ∂(binary cross entropy)/∂z = p − y, and the bias is added to z.
    expect(gradients[at]?.[0]).toBeCloseTo(mean(second.map((p, row) => p - (truth.data[row] ?? 0))), 5);
  });

  it("is trained, certified, scored and written with its one output", async () => {
    const file = join(parent, `${forms.indexOf(form)}.onnx`);
    await saveOnnx({ graph, weights: initialize(graph, 3) }, file);
    const [folder, data] = [join(parent, `run-${forms.indexOf(form)}`), twoClasses()];
    const options: TrainOptions = { data, epochs: 6, batch: 16, select: { neurons: 0.002 }, engine: "reference" };
    const run = await train(file, { ...options, folder, latency: false, schedule: { kind: "cosine", peak: 0.2 } });
    expect(run.certificate.passed).toBe(true);
    expect(run.after.accuracy).toBeGreaterThan(85);
    const path = join(folder, "compact.onnx");
    const compact = (await loadOnnx(path)).graph;
    expect(compact.outputs).toEqual(graph.outputs);
    expect(compact.nodes.at(-1)).toEqual(graph.nodes.at(-1));
    expect(inferShapes(compact, 1).get(compact.outputs[0] ?? "")).toEqual(
      isLogit || !form.startsWith("[N,1,") ? inferShapes(graph, 1).get(graph.outputs[0] ?? "") : [1, 1, 1, 1],
    );

    // ONNX Runtime's own numbers, against the threshold.
    const raw = await runtimeClassifier(path, 40, { inRows: true });
    const { logits, labels } = await answersOf(raw, data.test, data.normalization);
    await raw.dispose();
    const threshold = isLogit ? 0 : 0.5;
    const correct = [...labels].filter((label, row) => (logits.data[row] ?? 0) > threshold === (label === 1)).length;
    expect(run.after.accuracy).toBeCloseTo((100 * correct) / labels.length, 9);

    // `espalier eval`, in ONNX Runtime and in an engine.
    const inRuntime = await runtimeLogits(path, compact, 20);
    const host = await EngineHost.start({ engine: "reference" });
    const { weights } = await loadOnnx(path);
    const inEngine = await engineClassifier(host, { graph: endingInLogits(compact), weights }, 20);
    for (const classifier of [inRuntime, inEngine]) {
      const confusion = await measureConfusion(classifier, data.test, data.normalization);
      expect(confusion.correct).toBe(correct);
      const losses = [...labels].map((label, row) => {
        const value = logits.data[row] ?? Number.NaN;
        const p = isLogit ? sigmoid(value) : value;
        return -Math.log(label === 1 ? p : 1 - p);
      });
      expect(confusion.loss).toBeCloseTo(losses.reduce((a, b) => a + b, 0) / losses.length, 4);
    }
    await inRuntime.dispose();
    await host.dispose();

    const said = (await readEvents(folder)).flatMap((event) => (event.type === "notice" ? [event.message] : []));
    expect(said).toContain(
      `The network's one output is read as the ${isLogit ? "logit" : "probability"} of "bright", the second class: ` +
        `below ${threshold} the answer is "dark"`,
    );
  });
});

test("a file with one sigmoid, as exporters write it, is trained and halved", async () => {
  const file = fileURLToPath(new URL("fixtures/binary-sigmoid.onnx", import.meta.url));
  const folder = join(parent, "exported");
  const run = await train(file, {
    ...{ folder, data: twoClasses([3, 32, 32]), budget: "50%", epochs: 4, batch: 8, latency: false },
    engine: engines.at(-1) ?? "reference",
  });
  expect(run.certificate.passed).toBe(true);
  expect(run.after.macs / run.before.macs).toBeLessThan(0.55);
  const { graph } = await loadOnnx(join(folder, "compact.onnx"));
  expect(graph.outputs).toEqual(["logits"]);
  expect(graph.nodes.at(-1)).toMatchObject({ op: "activation", attributes: { function: "sigmoid" } });
});

describe("the head of one output", () => {
  const weights = initialize(network("[N,1] sigmoid"), 3);
  const values = (from: ReadonlyMap<string, { readonly data: Float32Array }>, name: string): readonly number[] => [
    ...required(from.get(name), name).data,
  ];

  it("stays where the file names no classes, or these", () => {
    for (const names of [undefined, ["dark", "bright"], ["Bright"]]) {
      const given = { graph: network("[N,1] sigmoid", names), weights };
      expect(fitHead(given, ["dark", "bright"])).toEqual({ network: given });
    }
  });

  it("is negated where the file names them the other way round, so that it answers alike", () => {
    for (const names of [["bright", "dark"], ["dark"]]) {
      const { network: fitted, notice } = fitHead({ graph: network("[N,1] sigmoid", names), weights }, [
        "dark",
        "bright",
      ]);
      expect(notice).toContain("is negated, so that its output stands for bright");
      expect(values(fitted.weights, "head.weights")).toEqual(values(weights, "head.weights").map((value) => -value));
      expect(values(fitted.weights, "stem.weights")).toEqual(values(weights, "stem.weights"));
      expect(fitted.graph.header?.metadata).toBeUndefined();
    }
  });

  it("is replaced by a new one, with one output, for two classes that the file does not name", () => {
    const given = { graph: network("[N,1] sigmoid", ["cat", "dog"]), weights };
    const { network: fitted, notice } = fitHead(given, ["dark", "bright"]);
    expect(notice).toContain(
      "is replaced by a new one, and the rest keeps its weights. To refuse this, give --keep-head",
    );
    expect(fitted.weights.has("head.weights")).toBe(false);
    expect(singleScoreOf(fitted.graph)).toBe("probability");
  });

  it("becomes a softmax for three classes", () => {
    const { network: fitted } = fitHead({ graph: network("[N,1] sigmoid"), weights }, ["a", "b", "c"]);
    expect(fitted.graph.nodes.at(-1)?.op).toBe("softmax");
    expect(inferShapes(fitted.graph, 2).get(fitted.graph.outputs[0] ?? "")).toEqual([2, 3]);
  });

  it("is refused for three classes where it cannot be replaced by a new one", () => {
    const given = { graph: network("[N,1] logit"), weights: initialize(network("[N,1] logit"), 3) };
    const three = tinyDataset();
    expect(() => networkFor(given, three, { keepHead: true })).toThrow(/do not fit/);
    const pixels = network("[N,1,1,1] sigmoid");
    expect(() => networkFor({ graph: pixels, weights: initialize(pixels, 3) }, three)).toThrow(/do not fit/);
  });
});

test("answers on different sides of the threshold are different answers", async () => {
  const answer = async (value: number, form: "[N,1] sigmoid" | "[N,1] logit") => {
    const classifier = {
      batch: 2,
      logits: async () => tensor([2, 1], Float32Array.of(0.9, value)),
      dispose: async () => {},
    };
    return inTwoClasses(classifier, network(form)).logits(tensor([2, 1]));
  };
  const probability = compareLogits(await answer(0.49, "[N,1] sigmoid"), await answer(0.51, "[N,1] sigmoid"));
  expect(probability).toMatchObject({ sameAnswers: 1, otherAnswers: 1, worstImage: 1 });
  const logit = compareLogits(await answer(0.49, "[N,1] logit"), await answer(0.51, "[N,1] logit"));
  expect(logit).toMatchObject({ sameAnswers: 2, otherAnswers: 0 });
  expect((await answer(0.25, "[N,1] sigmoid")).data).toEqual(Float32Array.of(1 - Math.fround(0.9), 0.9, 0.75, 0.25));
});

test("other libraries get two logits", () => {
  const builder = new GraphBuilder("colour");
  const pooled = builder.globalAveragePooling("pool", builder.input("images", ["N", 3, 8, 8]));
  builder.output(
    builder.activation("end", builder.linear("fc", builder.flatten("flat", pooled), 1), { function: "sigmoid" }),
  );
  const graph = builder.build();
  const named = withStandardNames({ graph, weights: initialize(graph, 1) }).graph;
  expect(inferShapes(named, 1).get("logits")).toEqual([1, 2]);
});

test("networks of more outputs are not read so", () => {
  const builder = new GraphBuilder("three");
  const src = builder.input("images", ["N", 3]);
  builder.output(builder.activation("end", src, { function: "sigmoid" }));
  const graph = builder.build();
  expect(singleScoreOf(graph)).toBeUndefined();
  expect(singleScoreNote(graph, ["a", "b"])).toBeUndefined();
  // A sigmoid for each of several classes is left out of the loss, which has a softmax.
  expect(endingInLogits(graph).outputs).toEqual([src]);
});
