import { afterAll, describe, expect, it } from "vitest";
import { trainingGraph } from "../../../src/autodiff/training-graph.ts";
import { required } from "../../../src/core/errors.ts";
import { optional } from "../../../src/core/optional.ts";
import { RandomStream } from "../../../src/core/random.ts";
import { filled, tensor } from "../../../src/core/tensor.ts";
import type { Feeds, KernelChoices, Plan, PlanStep, Precision } from "../../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { initialize } from "../../../src/models/initialize.ts";
import { relativeDifference } from "../random-data.ts";

const BATCH = 8;

function network(): Graph {
  const builder = new GraphBuilder("small");
  let value = builder.input("images", ["N", 3, 12, 12]);
  value = builder.relu(
    "relu1",
    builder.batchNormalization("bn1", builder.convolution("conv1", value, { channels: 20, kernel: 3, padding: 1 })),
  );
  value = builder.convolution("conv2", value, { channels: 20, kernel: 3, padding: 1, groups: 2 });
  value = builder.relu("relu2", builder.batchNormalization("bn2", value));
  value = builder.flatten("flat", builder.globalAveragePooling("pool", value));
  builder.output(builder.linear("linear", value, 5));
  return builder.build();
}

const engine = createOneDnnEngine({ threads: 2 });
const forward = network();
const graph = trainingGraph(forward, {
  batch: BATCH,
  sgd: { momentum: 0.9, weightDecay: 1e-3 },
  factors: { momentum: 0.9, keepLast: new Set() },
});

function feeds(): Feeds {
  const random = new RandomStream(3, "images");
  const images = tensor([BATCH, 3, 12, 12]);
  images.data.forEach((_, index) => {
    images.data[index] = random.normal();
  });
  const labels = Int32Array.from({ length: BATCH }, (_, index) => index % 5);
  return { images, labels: { dtype: "i32", shape: [BATCH], data: labels }, learning_rate: filled([], 0.1) };
}

const plans: Plan[] = [];

function prepare(choices?: KernelChoices): Plan {
  const plan = engine.prepare(graph, { batch: BATCH, ...optional({ choices }) });
  plan.write(initialize(forward, 1));
  plans.push(plan);
  return plan;
}

afterAll(() => {
  for (const plan of plans) plan.dispose();
});

describe("a oneDNN plan", () => {
  it("gives back the parameters that were written, whatever layout they live in", () => {
    const weights = initialize(forward, 7);
    const plan = prepare();
    plan.write(weights);
    for (const [name, value] of plan.read([...weights.keys()])) expect(value, name).toEqual(weights.get(name));
  });

  it("does the same, bit for bit, when the choices of an earlier plan are given", () => {
    const first = prepare();
    const second = prepare(first.choices);
    const names = graph.parameters.map(({ name }) => name);
    for (let step = 0; step < 5; step++) expect(second.run(feeds())).toEqual(first.run(feeds()));
    expect(second.choices).toEqual(first.choices);
    expect([...second.read(names)]).toEqual([...first.read(names)]);
  });

  it("steps large tensors, in several pieces, as the reference does", () => {
    const builder = new GraphBuilder("wide");
    const hidden = builder.relu(
      "relu",
      builder.linear("hidden", builder.flatten("flat", builder.input("images", ["N", 3, 12, 12])), 401),
    );
    builder.output(builder.linear("linear", hidden, 5));
    const wide = builder.build();
    const factors = { momentum: 0.9, keepLast: new Set<string>() };
    const steps = trainingGraph(wide, { batch: BATCH, sgd: { momentum: 0.9, weightDecay: 1e-2 }, factors });
    const names = steps.parameters.map(({ name }) => name);
    const [ours, expected] = [engine, createReferenceEngine()].map((each) => {
      const plan = each.prepare(steps, { batch: BATCH });
      plan.write(initialize(wide, 1));
      for (let step = 0; step < 4; step++) plan.run({ ...feeds(), learning_rate: filled([], 0.01 * (step + 1)) });
      const state = plan.read(names);
      plan.dispose();
      return state;
    });
    for (const [name, value] of expected ?? []) {
      expect(relativeDifference(ours?.get(name)?.data ?? new Float32Array(), value.data), name).toBeLessThan(1e-5);
    }
  });

  it.runIf(engine.precisions.includes("bf16"))("keeps parameters in f32 and follows f32 closely in bf16", () => {
    const losses = (["f32", "bf16"] as const).map((precision) => {
      const plan = engine.prepare(graph, { batch: BATCH, precision });
      plan.write(initialize(forward, 1));
      const curve = Array.from({ length: 12 }, () => plan.run(feeds())["loss"]?.data[0] ?? Number.NaN);
      const weights = plan.read(["linear.weights"]).get("linear.weights")?.data ?? new Float32Array();
      plan.dispose();
      expect(weights.some((value) => value !== Math.fround(Math.round(value * 256) / 256))).toBe(true);
      return Float32Array.from(curve);
    }) as [Float32Array, Float32Array];
    expect(losses[0].at(-1)).toBeLessThan(0.85 * (losses[0][0] ?? 0));
    expect(relativeDifference(losses[1], losses[0])).toBeLessThan(0.05);
  });

  describe.runIf(engine.precisions.includes("bf16"))("whose precision is to be the faster one", () => {
    const prepareAuto = (choices: KernelChoices = {}) =>
      engine.prepare(graph, { batch: BATCH, precision: "auto", choices });

    it("says what it took and both times, and takes it again by its choices", () => {
      const first = prepareAuto();
      const other = first.precision === "f32" ? "bf16" : "f32";
      const [notice = ""] = first.notices.filter((text) => text.startsWith("steps are computed in"));
      expect(notice).toMatch(new RegExp(`in ${first.precision}: [\\d.]+ ms each, in ${other} [\\d.]+ ms$`));
      const second = prepareAuto(first.choices);
      expect([second.precision, second.choices]).toEqual([first.precision, first.choices]);
    });

    it("is the one that an earlier plan of the run had", () => {
      for (const precision of engine.precisions) expect(prepareAuto({ precision }).precision).toBe(precision);
    });

    it("begins as if nothing had been run", () => {
      const timed = prepareAuto();
      const named = engine.prepare(graph, { batch: BATCH, precision: timed.precision, choices: timed.choices });
      const [ours, expected] = [timed, named].map((plan) => {
        plan.write(initialize(forward, 3));
        return [1, 2, 3].map(() => plan.run(feeds()));
      });
      expect(ours).toEqual(expected);
    });
  });

  it("times again what it has no choice for, or one that this machine does not know", () => {
    const { choices } = prepare();
    const isLayout = (key: string): boolean => key.startsWith("layouts of ");
    const foreign = Object.fromEntries(
      Object.entries(choices).map(([key, choice]) => [key, isLayout(key) ? choice : "nowhere jit:none"]),
    );
    const own = prepare(foreign).choices;
    expect(Object.keys(own)).toHaveLength(Object.keys(choices).length);
    expect(Object.values(own)).not.toContain("nowhere jit:none");
    const unknown = Object.fromEntries(Object.keys(choices).map((key) => [key, "nowhere"]));
    expect(Object.entries(prepare(unknown).choices).find(([key]) => isLayout(key))?.[1]).toMatch(/^[bl]+$/);
  });

  it("explains every step with its implementation and time", () => {
    const steps = prepare().explain(feeds(), 2);
    const forwardSteps = steps.filter(({ op }) => op === "convolution");
    expect(forwardSteps.map(({ node }) => node)).toEqual(["conv1", "conv2"]);
    for (const { milliseconds, gigaflops, implementation } of forwardSteps) {
      expect(milliseconds).toBeGreaterThan(0);
      expect(gigaflops).toBeGreaterThan(0);
      expect(implementation).not.toBe("");
    }
    expect(steps.some(({ implementation }) => implementation.endsWith("+ ReLU"))).toBe(true);
  });

  it("tells layouts, bytes and precision of each step, and what it did not choose", () => {
    const one = (precision: Precision): readonly PlanStep[] => {
      const builder = new GraphBuilder("one");
      const images = builder.input("images", ["N", 32, 8, 8]);
      builder.output(builder.convolution("conv", images, { channels: 32, kernel: 3, padding: 1 }));
      const plan = engine.prepare(builder.build(), { batch: 4, precision });
      const steps = plan.explain({ images: filled([4, 32, 8, 8], 1) }, 3);
      plan.dispose();
      return steps;
    };
    for (const precision of engine.precisions) {
      const steps = one(precision);
      for (const { operands, bytes, milliseconds, gigabytesPerSecond } of steps) {
        expect(bytes).toBe(operands.reduce((sum, operand) => sum + operand.bytes, 0));
        expect(gigabytesPerSecond).toBeCloseTo(bytes / milliseconds / 1e6, 9);
      }
      const step = required(
        steps.find(({ op }) => op === "convolution"),
        "the convolution",
      );
      const width = precision === "bf16" ? 2 : 4;
      expect(step.precision).toBe(precision);
      expect(step.operands.map(({ role, access, bytes }) => [role, access, bytes])).toEqual([
        ["src", "read", 4 * 32 * 8 * 8 * width],
        // Winograd's kernels keep weights in a form of their own.
        ["weights", "read", expect.any(Number)],
        ["dst", "write", 4 * 32 * 8 * 8 * width],
      ]);
      // The output is asked for in the plain layout, so whatever was chosen is reordered in the end.
      const last = required(steps.at(-1), "the last step");
      expect([last.op, last.operands.at(-1)?.layout]).toEqual(["reorder", "nchw"]);
      // 2 · MACs / time.
      expect(step.gigaflops).toBeCloseTo((2 * 4 * 32 * 32 * 9 * 64) / (step.milliseconds * 1e6), 6);
      expect(step.candidates).toBeGreaterThan(0);
      // Algorithms that the library refuses come on top.
      expect(step.passedOver.length).toBeGreaterThanOrEqual(step.candidates - 1);
    }
  });
});
