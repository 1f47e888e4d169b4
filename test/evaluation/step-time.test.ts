import { performance } from "node:perf_hooks";
import { describe, expect, it, vi } from "vitest";
import { filled } from "../../src/core/tensor.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import {
  measureStepTime,
  randomStep,
  type StepSubject,
  type StepTime,
  type StepTimeProgress,
} from "../../src/evaluation/step-time.ts";
import { initialize } from "../../src/models/initialize.ts";
import { place } from "../../src/selection/place.ts";
import { tinyResnet } from "../training/tiny.ts";
import { referenceHost } from "./reference-host.ts";

const plain = tinyResnet();
const placed = place(plain, { neurons: 1e-3, blocks: 0.02 });

function subject(withFactors: boolean): StepSubject {
  const { graph, factors } = withFactors ? placed : { graph: plain, factors: [] };
  return { network: { graph, weights: initialize(graph, 1) }, factors };
}

function expectConsistent(time: StepTime, batch: number): void {
  expect(time.minimum).toBeGreaterThan(0);
  expect(time.median).toBeGreaterThanOrEqual(time.minimum);
  expect(time.maximum).toBeGreaterThanOrEqual(time.median);
  expect(time.imagesPerSecond).toBeCloseTo((1000 * batch) / time.median, 6);
  expect(time.bytes).toBeGreaterThan(0);
}

describe("the step", () => {
  it("trains: its loss falls on the images it is fed, every label is a class, and γ is each factor's own", () => {
    const { graph, weights, feeds } = randomStep(subject(true), 8);
    expect(feeds["images"]?.shape).toEqual([8, 2, 6, 6]);
    expect([...(feeds["labels"]?.data ?? [])]).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    expect(feeds["block1.conv1.neuron.factor.gamma"]).toEqual(filled([4], 1e-3));
    expect(feeds["block2.add.block.factor.gamma"]).toEqual(filled([1], 0.02));
    const plan = createReferenceEngine().prepare(graph, { batch: 8 });
    plan.write(weights);
    const losses = Array.from({ length: 40 }, () => plan.run(feeds)["loss"]?.data[0] ?? Number.NaN);
    expect(losses.at(-1)).toBeLessThan(0.5 * (losses[0] ?? 0));
    plan.dispose();
  });

  it("has images of mean 0 and variance 1, the same every time, in shared memory", () => {
    const [images, again] = [0, 1].map(() => randomStep(subject(false), 64).feeds["images"]);
    const values = [...(images?.data ?? [])];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
    expect(again?.data).toEqual(images?.data);
    expect(images?.data.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it("feeds inputs besides the images, with other numbers than them", () => {
    const { network, factors } = subject(false);
    const graph = { ...plain, inputs: [...plain.inputs, { name: "more", dtype: "f32", shape: ["N", 3] } as const] };
    const { feeds } = randomStep({ network: { ...network, graph }, factors }, 4);
    expect(feeds["more"]?.shape).toEqual([4, 3]);
    expect(feeds["more"]?.data[0]).not.toBe(feeds["images"]?.data[0]);
  });

  it("is refused for a network of two outputs", () => {
    const { network, factors } = subject(false);
    const graph = { ...plain, outputs: [...plain.outputs, plain.nodes[0]?.outputs[0] ?? ""] };
    expect(() => randomStep({ network: { ...network, graph }, factors }, 4)).toThrow(/exactly one output/);
  });
});

describe("its time", () => {
  it.each(["reference", "onednn"] as const)("is measured in the thread of the %s engine", async (engine) => {
    const host = await EngineHost.start({ engine, threads: 1 });
    try {
      for (const withFactors of [false, true]) {
        const time = await measureStepTime(host, subject(withFactors), { batch: 8, runs: 4, warmUp: 1 });
        expectConsistent(time, 8);
        expect(time).toMatchObject({ runs: 4, batch: 8, precision: "f32", steps: [] });
      }
    } finally {
      await host.dispose();
    }
  });

  it("has the plan's steps, whose shares add up to 1, and reports progress", async () => {
    const seen: StepTimeProgress[] = [];
    const options = { batch: 4, runs: 2, warmUp: 1, explainRuns: 2, onProgress: seen.push.bind(seen) };
    const { steps, ...time } = await measureStepTime(referenceHost(), subject(true), options);
    expectConsistent({ ...time, steps }, 4);
    expect(steps.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    const count = (op: string): number => steps.filter((step) => step.op === op).length;
    // Five convolutions; none of them hands a gradient on to the images.
    const backward = [count("convolution_backward_data"), count("convolution_backward_weights")];
    expect([count("convolution"), ...backward]).toEqual([5, 4, 5]);
    // A factor parameter for each of two layers and two blocks.
    expect(count("accelerated_proximal_gradient")).toBe(4);
    expect(seen).toEqual([
      { phase: "preparing" },
      { phase: "timing", run: 0, runs: 2 },
      { phase: "timing", run: 1, runs: 2 },
      { phase: "timing", run: 2, runs: 2 },
      { phase: "explaining" },
    ]);
  });

  it("is that of the timed runs alone, and the plan is freed", async () => {
    // By this clock the untimed steps take a second, the timed ones 9, 2, 4 and 5 ms.
    const durations = [1000, 1000, 9, 2, 4, 5];
    let clock = 0;
    const now = vi.spyOn(performance, "now").mockImplementation(() => clock);
    const inner = referenceHost();
    let isDisposed = false;
    const host: typeof inner = {
      ...inner,
      prepare: async (graph, options) => {
        const plan = await inner.prepare(graph, options);
        const run: typeof plan.run = async (feeds) => {
          clock += durations.shift() ?? Number.NaN;
          return plan.run(feeds);
        };
        const dispose = async (): Promise<void> => {
          isDisposed = true;
          await plan.dispose();
        };
        return { ...plan, run, dispose };
      },
    };
    try {
      const time = await measureStepTime(host, subject(false), { batch: 9, runs: 4, warmUp: 2 });
      expect(time).toMatchObject({ minimum: 2, median: 4.5, maximum: 9, imagesPerSecond: 2000 });
    } finally {
      now.mockRestore();
    }
    expect([durations, isDisposed]).toEqual([[], true]);
  });

  it("refuses options that are not whole numbers in range, and a precision that the engine does not have", async () => {
    const measure = (options: Parameters<typeof measureStepTime>[2]) =>
      measureStepTime(referenceHost(), subject(false), options);
    for (const options of [{ batch: 0 }, { runs: 1.5 }, { warmUp: -1 }, { explainRuns: Number.NaN }]) {
      await expect(measure(options)).rejects.toMatchObject({
        code: "bad-option",
        details: { about: Object.keys(options)[0] },
      });
    }
    await expect(measure({ batch: 2, precision: "bf16" })).rejects.toMatchObject({ code: "engine-refused" });
  });
});
