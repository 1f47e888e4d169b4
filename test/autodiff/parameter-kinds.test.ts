/** Learning rates and weight decays of kinds: each kind steps as a graph in which all parameters have its numbers. */
import { describe, expect, it } from "vitest";
import { accumulate, inBatch } from "../../src/autodiff/accumulate.ts";
import { dataParallel, stopFeed } from "../../src/autodiff/data-parallel.ts";
import {
  decaysOf,
  learningRateFeeds,
  learningRatesOf,
  trainedKindOf,
  trainedKinds,
  type WeightDecays,
} from "../../src/autodiff/parameter-kinds.ts";
import { type TrainingGraphOptions, trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { filled } from "../../src/core/tensor.ts";
import { useCollectives } from "../../src/distributed/collectives.ts";
import { engineNames } from "../../src/engine/create.ts";
import type { Engine, Feeds } from "../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import { alone } from "../distributed/alone.ts";
import { labels, randomWeights, spread } from "../engine/random-data.ts";
import { isInstalled } from "../training/engines.ts";

const BATCH = 4;
const RATE = 0.02;
const learningRates = { shift: 64, scale: 0.5, bias: 3, linear: 2, factor: 0.1 };
const weightDecay: WeightDecays = {
  ...{ convolution: 0.01, linear: 0.02, bias: 0.03, scale: 0.04, shift: 0.05, muon: 0.06 },
};

/** With each kind of parameter. The layers are wide enough for the large-tensor optimizer of oneDNN. */
function network(): Graph {
  const builder = new GraphBuilder("network");
  const src = builder.input("images", ["N", 4, 6, 6]);
  const convolution = builder.convolution("conv", src, { channels: 64, kernel: 3, padding: 1, bias: true });
  const scaled = builder.scale("conv.neuron", builder.batchNormalization("bn", convolution), 64);
  const pooled = builder.flatten("flat", builder.globalAveragePooling("pool", builder.relu("relu", scaled)));
  builder.output(builder.linear("fc", builder.relu("relu2", builder.linear("hidden", pooled, 40)), 4));
  return builder.build();
}

const forward = network();

function stepWith(options: Partial<TrainingGraphOptions>, decay: number | WeightDecays): Graph {
  return trainingGraph(forward, {
    batch: BATCH,
    sgd: { momentum: 0.85, weightDecay: decay },
    factors: { momentum: 0.85, keepLast: new Set() },
    ...options,
  });
}

/** All parameters after two steps; a second step shows the velocity too. */
function trained(engine: Engine, graph: Graph, feeds: Feeds): Weights {
  const plan = engine.prepare(graph, { batch: BATCH });
  plan.write(randomWeights(graph, 7));
  for (let step = 0; step < 2; step++) plan.run(feeds);
  const state = plan.read(forward.parameters.map(({ name }) => name));
  plan.dispose();
  return state;
}

function feedsFor(graph: Graph, rate: number): Feeds {
  const rates = learningRateFeeds(learningRatesOf(graph.inputs, learningRates), { head: rate, body: rate });
  return {
    images: spread([BATCH, 4, 6, 6], 1, "images"),
    labels: labels(BATCH, 4, 1),
    "conv.neuron.factor.gamma": filled([64], 0.3),
    ...rates,
  };
}

const engines = { reference: createReferenceEngine, onednn: () => createOneDnnEngine({ threads: 1 }) };
const cases = engineNames.flatMap((name) => (["f32", "bf16"] as const).map((precision) => [name, precision] as const));

describe("kinds of parameters", () => {
  it("are told by their role, and weights by their shape", () => {
    expect(Object.fromEntries(forward.parameters.map((one) => [one.name, trainedKindOf(one)]))).toMatchObject({
      "conv.weights": "convolution",
      "conv.bias": "bias",
      "bn.scale": "scale",
      "bn.shift": "shift",
      "conv.neuron.factor": "factor",
      "hidden.weights": "linear",
      "fc.bias": "bias",
    });
  });

  it("have an input of their own only with a rate of their own", () => {
    const names = (options: Partial<TrainingGraphOptions>): string[] =>
      stepWith(options, 0).inputs.flatMap(({ name }) => (name.includes("learning_rate") ? [name] : []));
    expect(names({})).toEqual(["learning_rate"]);
    expect(names({ learningRates: { shift: 1 } })).toEqual(["learning_rate"]);
    expect(names({ learningRates: { shift: 64, linear: 2 } })).toEqual([
      "learning_rate",
      "learning_rate of shift",
      "learning_rate of linear",
    ]);
    expect(names({ learningRates: { bias: 2 }, head: ["fc.weights", "fc.bias"] })).toEqual([
      "learning_rate",
      "body_learning_rate",
      "body_learning_rate of bias",
      "learning_rate of bias",
    ]);
    // A kind that is not trained has none.
    expect(names({ learningRates: { scale: 2 }, fixScales: true })).toEqual(["learning_rate"]);
  });

  it("are fed the multiple of their own schedule", () => {
    const graph = stepWith({ learningRates: { bias: 2 }, head: ["fc.weights", "fc.bias"] }, 0);
    const rates = learningRatesOf(graph.inputs, { bias: 2 });
    const fed = Object.entries(learningRateFeeds(rates, { head: 0.5, body: 0 })).map(([name, { data }]) => [
      name,
      data[0],
    ]);
    expect(Object.fromEntries(fed)).toEqual({
      learning_rate: 0.5,
      "learning_rate of bias": 1,
      body_learning_rate: 0,
      "body_learning_rate of bias": 0,
    });
  });

  it("decay as ever if the weight decay is one number", () => {
    expect(decaysOf(0.5)).toEqual({ convolution: 0.5, linear: 0.5, bias: 0, scale: 0.5, shift: 0, muon: 0.5 });
    expect(decaysOf(weightDecay)).toEqual(weightDecay);
  });
});

describe.each(cases)("%s in %s", (name, precision) => {
  it("steps each kind with its own rate and decay", async (context) => {
    if (!(await isInstalled(name))) return context.skip();
    if (name === "reference" && precision === "bf16") return context.skip();
    const engine = engines[name]();
    const own = stepWith({ learningRates }, weightDecay);
    const single = engine.prepare(own, { batch: BATCH, precision });
    const initial = randomWeights(own, 7);
    single.write(initial);
    single.run(feedsFor(own, RATE));
    const stepped = single.read(forward.parameters.map((one) => one.name));
    single.dispose();
    for (const kind of trainedKinds) {
      // In this graph every parameter has the numbers of `kind`.
      const decay = kind === "factor" ? 0 : weightDecay[kind];
      const all = { convolution: decay, linear: decay, bias: decay, scale: decay, shift: decay, muon: decay };
      const graph = stepWith({}, all);
      const plan = engine.prepare(graph, { batch: BATCH, precision });
      plan.write(initial);
      const rate = RATE * ({ convolution: 1, muon: 1, ...learningRates }[kind] ?? 1);
      plan.run({ ...feedsFor(graph, rate), learning_rate: filled([], rate) });
      const expected = plan.read(forward.parameters.map((one) => one.name));
      plan.dispose();
      for (const parameter of forward.parameters.filter((one) => trainedKindOf(one) === kind)) {
        if (parameter.kind.startsWith("running")) continue;
        const [a, b] = [stepped, expected].map((of) => required(of.get(parameter.name), parameter.name).data);
        // Timed choices of kernels may round a gradient differently.
        const most = Math.max(...(b ?? []).map(Math.abs));
        for (const [index, value] of (a ?? []).entries()) {
          expect(Math.abs(value - (b?.[index] ?? Number.NaN))).toBeLessThan(1e-3 * most);
        }
        expect(a, parameter.name).not.toEqual(initial.get(parameter.name)?.data);
      }
    }
  });
});

describe.each(engineNames)("%s", (name) => {
  it("steps as the whole batch does in two parts, and as one process does on one rank", async (context) => {
    if (!(await isInstalled(name))) return context.skip();
    const engine = engines[name]();
    // Batch norms have the statistics of a part, so the running ones are used.
    const step = stepWith({ learningRates, batchNormalization: "frozen" }, weightDecay);
    const feeds = feedsFor(step, RATE);
    const whole = trained(engine, step, feeds);
    const { images, labels: classes, ...common } = feeds;
    const twice = accumulate(step, 2);
    const parts = Object.fromEntries(
      [0, 1].flatMap((index) => [
        [inBatch("images", index), images],
        [inBatch("labels", index), classes],
      ]),
    );
    // Twice the same images have the mean gradient of once.
    const accumulated = trained(engine, twice, { ...common, ...parts } as Feeds);
    useCollectives(alone());
    const parallel = dataParallel(step, { ranks: 1, synchronizeNormalization: false });
    const ranked = trained(engine, parallel, { ...feeds, [stopFeed]: filled([], 0) });
    for (const [parameter, { data }] of whole) {
      const most = Math.max(1e-3, ...data.map(Math.abs));
      for (const other of [accumulated, ranked]) {
        data.forEach((value, index) => {
          const difference = Math.abs(value - (other.get(parameter)?.data[index] ?? Number.NaN));
          expect(difference / most, parameter).toBeLessThan(1e-4);
        });
      }
    }
  });
});
