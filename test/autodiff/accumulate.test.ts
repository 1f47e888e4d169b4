/**
 * A step over several batches against the batches one by one: gradients are their mean, statistics go from each to the
 * next.
 */
import { describe, expect, test } from "vitest";
import { accumulate, inBatch } from "../../src/autodiff/accumulate.ts";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { type EngineName, engineNames } from "../../src/engine/create.ts";
import type { Feeds } from "../../src/engine/engine.ts";
import { EngineHost } from "../../src/engine/host.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { fold } from "../../src/selection/fold.ts";
import { place } from "../../src/selection/place.ts";
import { isInstalled } from "../training/engines.ts";
import { tinyResnet, tinyShape } from "../training/tiny.ts";

const BATCH = 4;
const { graph, factors } = place(tinyResnet(), { neurons: 1, blocks: 1 });
const weights: Weights = initialize(graph, 3);
/** Without momentum and decay, and with learning rate 1, what a step takes off a parameter is its gradient. */
const step = trainingGraph(fold(graph), {
  batch: BATCH,
  sgd: { momentum: 0, weightDecay: 0 },
  factors: { momentum: 0, keepLast: new Set() },
});

function batch(index: number): { readonly images: Tensor; readonly labels: Feeds[string] } {
  const random = new RandomStream(5, "batch", index);
  const size = tinyShape.reduce((product, extent) => product * extent, BATCH);
  return {
    images: tensor(
      [BATCH, ...tinyShape],
      Float32Array.from({ length: size }, () => random.normal()),
    ),
    labels: { dtype: "i32", shape: [BATCH], data: Int32Array.from({ length: BATCH }, () => random.integer(3)) },
  };
}

const common: Feeds = {
  learning_rate: tensor([], Float32Array.of(1)),
  ...Object.fromEntries(factors.map(({ parameter, count }) => [`${parameter}.gamma`, tensor([count])])),
};

async function run(host: EngineHost, of: Graph, from: Weights, feeds: Feeds) {
  const plan = await host.prepare(of, { batch: BATCH });
  await plan.write(from);
  const results = await plan.run({ ...feeds, ...common });
  const after = await plan.read(graph.parameters.map(({ name }) => name));
  await plan.dispose();
  return { results, after };
}

function numbers(values: Weights, name: string): number[] {
  return [...required(values.get(name), name).data];
}

describe.each<EngineName>(engineNames)("%s", (engine) => {
  test.each([2, 3])("%i batches", async (count) => {
    if (!(await isInstalled(engine))) return;
    const host = await EngineHost.start({ engine, threads: 1 });
    try {
      const all = Array.from({ length: count }, (_, index) => batch(index));
      const whole = accumulate(step, count);
      const fed = Object.fromEntries(
        all.flatMap(({ images, labels }, index) => [
          [inBatch("images", index), images],
          [inBatch("labels", index), labels],
        ]),
      );
      const together = await run(host, whole, weights, fed);
      const alone: Weights[] = [];
      let running = weights;
      let loss = 0;
      for (const { images, labels } of all) {
        const { results, after } = await run(host, step, running, { images, labels });
        loss += (results["loss"]?.data[0] ?? Number.NaN) / count;
        alone.push(after);
        const statistics = graph.parameters.filter(({ kind }) => kind.startsWith("running"));
        running = new Map([
          ...weights,
          ...statistics.map(({ name }) => [name, required(after.get(name), name)] as const),
        ]);
      }
      const parts = all.map((_, index) => together.results[inBatch("loss", index)]?.data[0] ?? Number.NaN);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(loss, 5);
      for (const { name, kind } of graph.parameters) {
        const got = numbers(together.after, name);
        const before = numbers(weights, name);
        const isRunning = kind.startsWith("running");
        const expected = before.map((value, at) => {
          if (isRunning) return numbers(running, name)[at] ?? Number.NaN;
          const gradients = alone.map((after) => value - (numbers(after, name)[at] ?? Number.NaN));
          return value - gradients.reduce((sum, gradient) => sum + gradient, 0) / count;
        });
        const scale = Math.max(1, ...expected.map(Math.abs));
        got.forEach((value, at) => {
          expect(Math.abs(value - (expected[at] ?? Number.NaN)) / scale, `${name}[${at}]`).toBeLessThan(1e-5);
        });
        if (!isRunning && kind !== "factor") expect(got, name).not.toEqual(before);
      }
    } finally {
      await host.dispose();
    }
  });
});

test("one batch is the step itself", () => {
  expect(accumulate(step, 1)).toBe(step);
});
