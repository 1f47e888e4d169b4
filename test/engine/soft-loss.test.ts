/** The loss of soft targets and clipped gradients: against formulas, finite differences, and engine against engine. */
import { describe, expect, it, test } from "vitest";
import { gradientGraph } from "../../src/autodiff/gradient-graph.ts";
import type { LossOptions } from "../../src/autodiff/loss.ts";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { optional } from "../../src/core/optional.ts";
import { filled, type Tensor, tensor } from "../../src/core/tensor.ts";
import { createEngine } from "../../src/engine/create.ts";
import type { Engine, Feeds } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import { isInstalled } from "../training/engines.ts";
import { labels, normal, randomWeights, relativeDifference } from "./random-data.ts";

const BATCH = 5;
const CLASSES = 4;

/** Logits as they are fed, so that the loss alone is looked at. */
function logitsOnly(): Graph {
  const builder = new GraphBuilder("logits");
  const logits = builder.input("logits", ["N", CLASSES, 1, 1]);
  builder.output(builder.flatten("flatten", logits));
  return builder.build();
}

/** Rows of positive numbers that add up to one. */
function distributions(seed: number, name: string, batch = BATCH): Tensor {
  const values = normal([batch, CLASSES], seed, name);
  return tensor(
    values.shape,
    values.data.map((value, at) => {
      const row = values.data.subarray(at - (at % CLASSES), at - (at % CLASSES) + CLASSES);
      return Math.exp(value) / row.reduce((sum, each) => sum + Math.exp(each), 0);
    }),
  );
}

function oneHot(classes: readonly number[]): Tensor {
  const result = tensor([classes.length, CLASSES]);
  for (const [row, label] of classes.entries()) result.data[row * CLASSES + label] = 1;
  return result;
}

/** −Σ t·log softmax(z / T), by the definition, in 64 bits. */
function crossEntropy(logits: readonly number[], targets: readonly number[], temperature: number): number {
  const powers = logits.map((logit) => Math.exp(logit / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return -targets.reduce((total, target, f) => total + target * Math.log((powers[f] ?? 0) / sum), 0);
}

function row({ data }: Tensor, n: number): number[] {
  return [...data.subarray(n * CLASSES, (n + 1) * CLASSES)];
}

function run(loss: LossOptions, feeds: Feeds): { loss: number; gradient: Float32Array } {
  const graph = gradientGraph(logitsOnly(), { loss, inputs: true });
  const plan = createReferenceEngine().prepare(graph, { batch: BATCH });
  const results = plan.run(feeds);
  plan.dispose();
  return {
    loss: required(results["loss"]?.data[0], "loss"),
    gradient: required(results[required(graph.outputs[1], "gradient")], "gradient").data,
  };
}

const logits = normal([BATCH, CLASSES, 1, 1], 1, "logits");
const targets = distributions(2, "targets");
const teacher = distributions(3, "teacher");

describe("the loss of soft targets", () => {
  it("is that of labels, value and gradient, where the targets are one class each", () => {
    const classes = labels(BATCH, CLASSES, 4);
    const hard = run({}, { logits, labels: classes });
    const soft = run({ targets: "soft" }, { logits, targets: oneHot([...classes.data]) });
    expect(soft.loss).toBeCloseTo(hard.loss, 6);
    expect(relativeDifference(soft.gradient, hard.gradient)).toBeLessThan(1e-6);
  });

  it("is the cross-entropy of its definition", () => {
    const expected = Array.from({ length: BATCH }, (_, n) => crossEntropy(row(logits, n), row(targets, n), 1));
    const mean = expected.reduce((a, b) => a + b, 0) / BATCH;
    expect(run({ targets: "soft" }, { logits, targets }).loss).toBeCloseTo(mean, 6);
  });

  it("has the teacher's part in it, softened and weighted by the temperature's square", () => {
    const options = { targets: "soft", teacher: { weight: 0.3, temperature: 2.5 } } as const;
    const expected = Array.from(
      { length: BATCH },
      (_, n) =>
        0.7 * crossEntropy(row(logits, n), row(targets, n), 1) +
        0.3 * 2.5 ** 2 * crossEntropy(row(logits, n), row(teacher, n), 2.5),
    );
    const mean = expected.reduce((a, b) => a + b, 0) / BATCH;
    expect(run(options, { logits, targets, teacher }).loss).toBeCloseTo(mean, 5);
  });

  it("is the sum of the classes' binary cross-entropies where each class is a question of its own", () => {
    const each = (logit: number, target: number, temperature: number): number => {
      const p = 1 / (1 + Math.exp(-logit / temperature));
      return -target * Math.log(p) - (1 - target) * Math.log(1 - p);
    };
    const mean = (against: typeof targets, temperature: number): number =>
      [...logits.data].reduce((sum, logit, at) => sum + each(logit, against.data[at] ?? 0, temperature), 0) / BATCH;
    const options = { targets: "several", teacher: { weight: 0.3, temperature: 2.5 } } as const;
    expect(run({ targets: "several" }, { logits, targets }).loss).toBeCloseTo(mean(targets, 1), 5);
    const both = 0.7 * mean(targets, 1) + 0.3 * 2.5 ** 2 * mean(teacher, 2.5);
    expect(run(options, { logits, targets, teacher }).loss).toBeCloseTo(both, 5);
    const far = tensor(
      logits.shape,
      logits.data.map((logit) => 200 * Math.sign(logit)),
    );
    const sure = { ...targets, data: targets.data.map((_, at) => ((far.data[at] ?? 0) > 0 ? 1 : 0)) };
    expect(run({ targets: "several" }, { logits: far, targets: sure }).loss).toBe(0);
  });

  it.each([
    ["soft", { targets: "soft" }, { targets }],
    ["several", { targets: "several" }, { targets }],
    ["several, distilled", { targets: "several", teacher: { weight: 0.6, temperature: 3 } }, { targets, teacher }],
    ["distilled", { targets: "soft", teacher: { weight: 0.6, temperature: 3 } }, { targets, teacher }],
  ] as const)("has the gradient of finite differences: %s", (_, options, fed) => {
    const { gradient } = run(options, { logits, ...fed });
    for (const at of logits.data.keys()) {
      const moved = (offset: number): number => {
        const data = logits.data.slice();
        data[at] = (data[at] ?? 0) + offset;
        return run(options, { logits: tensor(logits.shape, data), ...fed }).loss;
      };
      // The sum over the classes is larger, and so is the rounding of its difference.
      const digits = options.targets === "several" ? 3 : 4;
      expect(gradient[at]).toBeCloseTo((moved(0.01) - moved(-0.01)) / 0.02, digits);
    }
  });

  it("has no slope where the network answers as its teacher does", () => {
    const own = tensor(
      [BATCH, CLASSES],
      logits.data.map((_, at) => {
        const values = row(logits, Math.floor(at / CLASSES)).map((logit) => Math.exp(logit / 2));
        return (values[at % CLASSES] ?? 0) / values.reduce((a, b) => a + b, 0);
      }),
    );
    const { gradient } = run(
      { targets: "soft", teacher: { weight: 1, temperature: 2 } },
      { logits, targets, teacher: own },
    );
    for (const slope of gradient) expect(Math.abs(slope)).toBeLessThan(1e-7);
  });
});

/** Convolutions small and large: the optimizer steps large ones in pieces. */
function network(): Graph {
  const builder = new GraphBuilder("clipped");
  let value = builder.input("images", ["N", 3, 4, 4]);
  for (const [index, channels] of [32, 64, 48].entries()) {
    value = builder.convolution(`conv${index}`, value, { channels, kernel: 3, padding: 1, bias: index === 1 });
    value = builder.relu(`relu${index}`, builder.batchNormalization(`norm${index}`, value));
  }
  const pooled = builder.flatten("flatten", builder.globalAveragePooling("pool", value));
  builder.output(builder.linear("classifier", pooled, CLASSES));
  return builder.build();
}

/** Weights after one step. */
function stepped(engine: Engine, clipNorm: number | undefined, precision: "f32" | "bf16" = "f32"): Weights {
  const graph = trainingGraph(network(), {
    batch: BATCH,
    sgd: { momentum: 0, weightDecay: 0 },
    factors: { momentum: 0.9, keepLast: new Set() },
    loss: { targets: "soft" },
    ...optional({ clipNorm }),
  });
  const plan = engine.prepare(graph, { batch: BATCH, precision });
  plan.write(randomWeights(graph, 11));
  plan.run({ images: normal([BATCH, 3, 4, 4], 12, "images"), targets, learning_rate: filled([], 1) });
  const read = plan.read(network().parameters.map(({ name }) => name));
  plan.dispose();
  return read;
}

/** How far one step of learning rate 1 without momentum went: the norm of the gradient it took. */
function distance(after: Weights): number {
  const before = randomWeights(network(), 11);
  let squares = 0;
  for (const { name, kind } of network().parameters) {
    if (kind.startsWith("running")) continue;
    const [from, to] = [required(before.get(name), name).data, required(after.get(name), name).data];
    for (const [at, value] of from.entries()) squares += ((to[at] ?? Number.NaN) - value) ** 2;
  }
  return Math.sqrt(squares);
}

describe("clipped gradients", () => {
  const engine = createReferenceEngine();
  const free = distance(stepped(engine, undefined));

  test("together have at most the norm that is asked for, and their direction", () => {
    const clipped = stepped(engine, free / 3);
    expect(distance(clipped)).toBeCloseTo(free / 3, 4);
    const before = randomWeights(network(), 11);
    const unclipped = stepped(engine, undefined);
    for (const name of ["conv1.weights", "norm2.scale", "classifier.bias"]) {
      const start = required(before.get(name), name).data;
      const [a, b] = [clipped, unclipped].map((weights) => required(weights.get(name), name).data);
      const shortened = required(b, name).map((value, at) => (start[at] ?? 0) + (value - (start[at] ?? 0)) / 3);
      expect(relativeDifference(required(a, name), shortened), name).toBeLessThan(1e-5);
    }
  });

  test("that are short enough are left as they are, bit for bit", () => {
    expect(stepped(engine, free * 2)).toEqual(stepped(engine, undefined));
  });

  test("are in the graph only where they are asked for", () => {
    const options = { batch: 2, sgd: { momentum: 0, weightDecay: 0 }, factors: { momentum: 0, keepLast: new Set("") } };
    const ops = (more: object): string[] => trainingGraph(network(), { ...options, ...more }).nodes.map(({ op }) => op);
    expect(ops({})).not.toContain("clip_factor");
    expect(ops({ clipNorm: 1 }).filter((op) => op === "clip_factor")).toHaveLength(1);
  });
});

const hasOneDnn = await isInstalled("onednn");
describe.skipIf(!hasOneDnn)("on oneDNN", () => {
  test.each([undefined, 0.05, 1e6])("a step of soft targets clipped to %s is the reference's", (clipNorm) => {
    const engine = createEngine({ engine: "onednn" });
    const [ours, expected] = [stepped(engine, clipNorm), stepped(createReferenceEngine(), clipNorm)];
    const before = randomWeights(network(), 11);
    for (const [name, { data }] of expected) {
      const start = required(before.get(name), name).data;
      const moved = (values: Float32Array): Float32Array => values.map((value, at) => value - (start[at] ?? 0));
      expect(relativeDifference(moved(required(ours.get(name), name).data), moved(data)), name).toBeLessThan(2e-3);
    }
    if (clipNorm === 0.05) expect(distance(ours)).toBeCloseTo(0.05, 4);
  });

  test("in bf16 the norm is kept too, by gradients in f32", () => {
    const engine = createEngine({ engine: "onednn" });
    if (!engine.precisions.includes("bf16")) return;
    expect(distance(stepped(engine, 0.05, "bf16"))).toBeCloseTo(0.05, 3);
  });
});
