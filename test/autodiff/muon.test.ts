/** Muon: its steps against singular value decompositions, engine against engine, and which weights it trains. */
import { describe, expect, test } from "vitest";
import { accumulate, inBatch } from "../../src/autodiff/accumulate.ts";
import { dataParallel, stopFeed } from "../../src/autodiff/data-parallel.ts";
import { hiddenConvolutions } from "../../src/autodiff/hidden-convolutions.ts";
import { matrixOf, newtonSchulz, orthogonalized, stepMuon } from "../../src/autodiff/muon.ts";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { filled, type Shape } from "../../src/core/tensor.ts";
import { useCollectives } from "../../src/distributed/collectives.ts";
import { createEngine } from "../../src/engine/create.ts";
import type { Engine, Feeds, Precision } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { type Graph, makeNode, type Weights } from "../../src/graph/graph.ts";
import { model } from "../../src/models/zoo.ts";
import { simulateIntegers } from "../../src/quantization/simulate.ts";
import { fold } from "../../src/selection/fold.ts";
import { alone } from "../distributed/alone.ts";
import { labels, normal, randomWeights, relativeDifference } from "../engine/random-data.ts";
import { isInstalled } from "../training/engines.ts";

/** `count` orthonormal vectors of `length` numbers (Gram-Schmidt). */
function orthonormal(count: number, length: number, seed: number): Float64Array[] {
  const vectors: Float64Array[] = [];
  for (let index = 0; index < count; index++) {
    let vector = Float64Array.from(normal([length], seed, `${index}`).data);
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const along = vector.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
        vector = vector.map((value, at) => value - along * (other[at] ?? 0));
      }
    }
    const norm = Math.hypot(...vector);
    vectors.push(vector.map((value) => value / norm));
  }
  return vectors;
}

/** Σ values[i] · left[i] · right[i]ᵀ, row by row. */
function composed(values: readonly number[], left: Float64Array[], right: Float64Array[]): Float64Array {
  const [rows, columns] = [left[0]?.length ?? 0, right[0]?.length ?? 0];
  return Float64Array.from({ length: rows * columns }, (_, at) =>
    values.reduce(
      (sum, value, one) =>
        sum + value * (left[one]?.[Math.floor(at / columns)] ?? 0) * (right[one]?.[at % columns] ?? 0),
      0,
    ),
  );
}

/** What the iterations make of a singular value of a matrix of norm 1. */
function iterated(value: number): number {
  const { a, b, c, iterations } = newtonSchulz;
  return Array.from({ length: iterations }).reduce((x: number) => a * x + b * x ** 3 + c * x ** 5, value);
}

describe("the orthogonal matrix of a direction", () => {
  const singular = [3, 1, 0.5, 0.2];
  const norm = Math.hypot(...singular);

  test.each([
    ["wide", [6, 2, 2, 3]],
    ["tall", [12, 6, 1, 1]],
    ["square", [8, 8]],
  ] as const)("keeps the singular vectors of a %s matrix, and takes its singular values to about 1", (_, shape) => {
    const { rows, columns } = matrixOf(shape);
    const [left, right] = [orthonormal(4, rows, 1), orthonormal(4, columns, 2)];
    const actual = orthogonalized(composed(singular, left, right), shape);
    const values = singular.map((value) => iterated(value / norm));
    const expected = composed(values, left, right);
    expect(relativeDifference(Float32Array.from(actual), Float32Array.from(expected))).toBeLessThan(1e-5);
    for (const value of values) expect(Math.abs(value - 1)).toBeLessThan(0.35);
  });

  test("does not depend on the direction's norm, and is zero for a direction of zero", () => {
    const shape = [4, 3, 3, 3];
    const values = Float64Array.from(normal(shape, 1, "g").data);
    const [one, other] = [values, values.map((value) => 1000 * value)].map((each) => orthogonalized(each, shape));
    expect(relativeDifference(Float32Array.from(one ?? []), Float32Array.from(other ?? []))).toBeLessThan(1e-5);
    expect([...orthogonalized(new Float64Array(6), [2, 3])]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("is zero in rows and columns of zeros, and the same in the others as without them", () => {
    const small = Float64Array.from(normal([3, 4], 1, "g").data);
    const padded = new Float64Array(5 * 6);
    for (let row = 0; row < 3; row++) padded.set(small.subarray(4 * row, 4 * row + 4), 6 * row);
    const [without, within] = [orthogonalized(small, [3, 4]), orthogonalized(padded, [5, 6])];
    const inner = Array.from({ length: 3 }, (_, row) => [...within.subarray(6 * row, 6 * row + 4)]).flat();
    expect(relativeDifference(Float32Array.from(inner), Float32Array.from(without))).toBeLessThan(1e-6);
    expect(within.reduce((sum, value) => sum + Math.abs(value), 0)).toBeCloseTo(
      inner.reduce((sum, value) => sum + Math.abs(value), 0),
      12,
    );
  });
});

test("a step is momentum, then the orthogonal matrix times √(rows / columns), and decay", () => {
  const shape = [4, 1];
  const state = { weights: Float32Array.of(1, 0, 0, 2), velocity: Float32Array.of(0, 1, 0, 0) };
  const settings = { learningRate: 0.1, momentum: 0.5, weightDecay: 0.2, gradientFactor: 0.5 };
  stepMuon(state, Float32Array.of(6, 0, 8, 0), shape, settings);
  // v' = 0.5·v + 0.5·g, and the direction is 0.5·g + 0.5·v' = (4.5, 0.25, 6, 0).
  expect([...state.velocity]).toEqual([3, 0.5, 4, 0]);
  const direction = [4.5, 0.25, 6, 0];
  const unit = direction.map((value) => (iterated(1) * value) / Math.hypot(...direction));
  [1, 0, 0, 2].forEach((weight, index) => {
    expect(state.weights[index]).toBeCloseTo(weight - 0.1 * (2 * (unit[index] ?? 0) + 0.2 * weight), 5);
  });
});

/** A graph of one step of weights of `shape`. */
function stepOf(shape: Shape, isClipped: boolean): Graph {
  const scalar = (name: string): Graph["inputs"][number] => ({ name, dtype: "f32", shape: [] });
  const read = ["w", "g", "w.velocity", "rate", ...(isClipped ? ["clip"] : [])];
  return {
    name: "step",
    inputs: [{ name: "g", dtype: "f32", shape }, scalar("rate"), ...(isClipped ? [scalar("clip")] : [])],
    parameters: [
      { name: "w", shape, kind: "weights" },
      { name: "w.velocity", shape, kind: "velocity", of: "w" },
    ],
    nodes: [makeNode("muon", "step", read, ["w.next", "v.next"], { momentum: 0.9, weightDecay: 0.1 })],
    outputs: [],
    updates: [
      { parameter: "w", value: "w.next" },
      { parameter: "w.velocity", value: "v.next" },
    ],
  };
}

function stepped(engine: Engine, shape: Shape, isClipped: boolean, precision: Precision = "f32"): Weights {
  const plan = engine.prepare(stepOf(shape, isClipped), { batch: 1, precision });
  plan.write(
    new Map([
      ["w", normal(shape, 1, "w")],
      ["w.velocity", normal(shape, 2, "v")],
    ]),
  );
  for (let step = 0; step < 3; step++) {
    plan.run({ g: normal(shape, step, "g"), rate: filled([], 0.1), ...(isClipped ? { clip: filled([], 0.3) } : {}) });
  }
  const state = plan.read(["w", "w.velocity"]);
  plan.dispose();
  return state;
}

test.each([
  [[16, 8, 3, 3], false],
  [[16, 8, 3, 3], true],
  [[64, 16, 1, 1], false],
  [[55, 61, 3, 3], true],
  [[3, 5, 3], false],
  [[8, 4, 2, 2, 2], false],
] as const)("oneDNN steps weights of [%s] as the reference does, clipped: %s", async (shape, isClipped) => {
  if (!(await isInstalled("onednn"))) return;
  const [actual, expected] = [createEngine({ engine: "onednn" }), createReferenceEngine()].map((engine) =>
    stepped(engine, shape, isClipped),
  );
  for (const name of ["w", "w.velocity"]) {
    const [a, b] = [actual, expected].map((state) => required(state?.get(name), name).data);
    expect(relativeDifference(a ?? new Float32Array(), b ?? new Float32Array()), name).toBeLessThan(1e-5);
  }
});

test("in bf16, a step differs by the rounding of the iterations", async (context) => {
  if (!(await isInstalled("onednn"))) return context.skip();
  const engine = createEngine({ engine: "onednn" });
  if (!engine.precisions.includes("bf16")) return context.skip();
  const shape = [24, 16, 3, 3];
  const [actual, expected] = [stepped(engine, shape, false, "bf16"), stepped(createReferenceEngine(), shape, false)];
  const initial = normal(shape, 1, "w").data;
  const [a, b] = [actual, expected].map((state) =>
    required(state.get("w"), "w").data.map((w, at) => w - (initial[at] ?? 0)),
  );
  const norm = (values: Float32Array): number => Math.hypot(...values);
  const [first = new Float32Array(), second = new Float32Array()] = [a, b];
  expect(norm(first.map((value, at) => value - (second[at] ?? 0))) / norm(second)).toBeLessThan(0.02);
  expect(
    relativeDifference(required(actual.get("w.velocity"), "v").data, required(expected.get("w.velocity"), "v").data),
  ).toBeLessThan(1e-6);
});

test("a batch in two parts, and one rank, step as the whole batch does", () => {
  const builder = new GraphBuilder("network");
  const first = builder.convolution("first", builder.input("images", ["N", 3, 6, 6]), { channels: 8, kernel: 3 });
  const second = builder.convolution("second", builder.relu("relu", first), { channels: 6, kernel: 3 });
  builder.output(builder.linear("fc", builder.flatten("flat", builder.globalAveragePooling("pool", second)), 4));
  const step = trainingGraph(builder.build(), {
    ...{ batch: 4, muon: true, sgd: { momentum: 0.9, weightDecay: 0.01 } },
    factors: { momentum: 0.9, keepLast: new Set() },
  });
  const images = normal([4, 3, 6, 6], 1, "images");
  const rate = filled([], 0.1);
  const parts = [0, 1].map((index) => ({
    [inBatch("images", index)]: images,
    [inBatch("labels", index)]: labels(4, 4, 1),
  }));
  useCollectives(alone());
  const graphs = [step, accumulate(step, 2), dataParallel(step, { ranks: 1, synchronizeNormalization: false })];
  const feeds: Feeds[] = [
    { images, labels: labels(4, 4, 1), learning_rate: rate },
    { ...parts[0], ...parts[1], learning_rate: rate },
    { images, labels: labels(4, 4, 1), learning_rate: rate, [stopFeed]: filled([], 0) },
  ];
  const [whole, ...others] = graphs.map((graph, index) => {
    const plan = createReferenceEngine().prepare(graph, { batch: 4 });
    plan.write(randomWeights(graph, 7));
    for (let count = 0; count < 2; count++) plan.run(feeds[index] ?? {});
    const state = plan.read(step.parameters.map(({ name }) => name));
    plan.dispose();
    return state;
  });
  for (const [name, { data }] of whole ?? []) {
    for (const other of others) {
      expect(relativeDifference(other.get(name)?.data ?? new Float32Array(), data), name).toBeLessThan(1e-4);
    }
  }
});

describe("trains", () => {
  test("the convolutions of a network that have one group and do not read the images", () => {
    const graph = model("resnet-20");
    const hidden = hiddenConvolutions(graph);
    expect(hidden.size).toBe(18);
    const all = graph.nodes.filter(({ op }) => op === "convolution").map(({ inputs }) => inputs[1] ?? "");
    expect(all.filter((name) => !hidden.has(name))).toEqual([all[0]]);
    // None of a depthwise convolution, and the first one is the first also behind ops without weights.
    const mobile = model("mobilenet-v2-cifar");
    for (const { op, attributes, inputs } of mobile.nodes) {
      if (op === "convolution" && attributes.groups > 1) expect(hiddenConvolutions(mobile)).not.toContain(inputs[1]);
    }
    const builder = new GraphBuilder("padded");
    const images = builder.relu("relu", builder.input("images", ["N", 3, 8, 8]));
    builder.output(
      builder.convolution("second", builder.convolution("first", images, { channels: 4, kernel: 3 }), {
        channels: 4,
        kernel: 3,
      }),
    );
    expect([...hiddenConvolutions(builder.build())]).toEqual(["second.weights"]);
  });

  test("the same weights while integers are simulated", () => {
    const graph = model("resnet-20");
    expect(hiddenConvolutions(simulateIntegers(graph).graph)).toEqual(hiddenConvolutions(fold(graph)));
  });

  test("nothing else, and only if asked to", () => {
    const graph = model("resnet-20");
    const options = {
      batch: 8,
      sgd: { momentum: 0.9, weightDecay: 1e-3 },
      factors: { momentum: 0.9, keepLast: new Set<string>() },
    };
    const opsOf = (muon: boolean): (string | undefined)[] =>
      trainingGraph(graph, { ...options, muon }).nodes.flatMap(({ op, inputs }) => (op === "muon" ? [inputs[0]] : []));
    expect(opsOf(true)).toEqual([...hiddenConvolutions(graph)]);
    expect(opsOf(false)).toEqual([]);
  });
});
