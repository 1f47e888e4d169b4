/**
 * A data-parallel step of one rank is the step itself, on every engine; the order of its sums is that of the backward
 * pass.
 */
import { describe, expect, it } from "vitest";
import { accumulate, inBatch } from "../../src/autodiff/accumulate.ts";
import { dataParallel, STOP, stopFeed } from "../../src/autodiff/data-parallel.ts";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { filled, type Tensor } from "../../src/core/tensor.ts";
import { useCollectives } from "../../src/distributed/collectives.ts";
import type { Engine, Feeds } from "../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { gammaFeeds, gammasOf, keptFactors } from "../../src/selection/factors.ts";
import { fold } from "../../src/selection/fold.ts";
import { place } from "../../src/selection/place.ts";
import { alone } from "../distributed/alone.ts";
import { normal } from "../engine/random-data.ts";
import { tinyResnet } from "../training/tiny.ts";

const BATCH = 6;
const { graph, factors } = place(tinyResnet(), { neurons: 0.01, blocks: 0.02 });
const step = trainingGraph(fold(graph), {
  batch: BATCH,
  sgd: { momentum: 0.9, weightDecay: 5e-4 },
  factors: { momentum: 0.9, ...keptFactors(factors) },
});
const weights = initialize(graph, 3);
const feeds: Feeds = {
  images: normal([BATCH, 2, 6, 6], 1, "images"),
  labels: { dtype: "i32", shape: [BATCH], data: Int32Array.of(0, 1, 2, 0, 1, 2) },
  learning_rate: filled([], 0.1),
  ...gammaFeeds(gammasOf(factors)),
};

function trained(
  engine: Engine,
  of: Graph,
  more: Feeds,
  common: Feeds = feeds,
): { readonly loss: Tensor | undefined; readonly state: Weights } {
  const plan = engine.prepare(of, { batch: BATCH });
  plan.write(weights);
  let loss: Tensor | undefined;
  for (let run = 0; run < 3; run++) loss = plan.run({ ...common, ...more })["loss"];
  const state = plan.read(of.parameters.map(({ name }) => name));
  plan.dispose();
  return { loss, state };
}

const engines = { reference: createReferenceEngine, onednn: () => createOneDnnEngine({ threads: 1 }) };

describe.each(Object.entries(engines))("%s", (_, create) => {
  it.each([
    [false, 4 * 2 ** 20],
    [true, 4 * 2 ** 20],
    [true, 400],
  ])("one rank trains as none, synchronised: %s, buckets of %i bytes", (synchronizeNormalization, bucketBytes) => {
    const collectives = alone();
    useCollectives(collectives);
    const engine = create();
    const plain = trained(engine, step, {});
    const parallel = trained(engine, dataParallel(step, { ranks: 1, synchronizeNormalization, bucketBytes }), {
      [stopFeed]: filled([], 0),
    });
    expect(parallel.loss?.data[0]).toBeCloseTo(plain.loss?.data[0] ?? Number.NaN, 5);
    expect([...parallel.state.keys()]).toEqual([...plain.state.keys()]);
    for (const [name, { data }] of plain.state) {
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
      const other = parallel.state.get(name)?.data ?? new Float32Array();
      const apart = data.reduce((most, value, index) => Math.max(most, Math.abs(value - (other[index] ?? 0))), 0);
      expect(apart / largest, name).toBeLessThan(1e-4);
    }
    expect(collectives.log.filter((line) => line.startsWith("begin"))).toHaveLength(
      collectives.log.filter((line) => line.startsWith("end")).length,
    );
  });
});

it("a step over several batches sums once", () => {
  const count = 2;
  const whole = accumulate(step, count);
  const both: Feeds = Object.fromEntries(
    Object.entries(feeds).flatMap(([name, value]) =>
      name === "images" || name === "labels"
        ? Array.from({ length: count }, (_, index) => [inBatch(name, index), value])
        : [[name, value]],
    ),
  );
  const collectives = alone();
  useCollectives(collectives);
  const engine = createReferenceEngine();
  const parallel = dataParallel(whole, { ranks: 1, synchronizeNormalization: false, bucketBytes: 400 });
  const plain = trained(engine, whole, {}, both);
  const summed = trained(engine, parallel, { [stopFeed]: filled([], 0) }, both);
  expect(summed.state).toEqual(plain.state);
  const begun = parallel.nodes.filter(({ op }) => op === "all_reduce_begin").flatMap(({ inputs }) => inputs);
  const gradients = step.nodes.filter(({ op }) => op === "nesterov_sgd" || op === "accelerated_proximal_gradient");
  // Loss and right answers of each batch, and whether to stop.
  expect(begun).toHaveLength(gradients.length + 2 * count + 1);
});

describe("the order of sums", () => {
  const parallel = dataParallel(step, { ranks: 4, synchronizeNormalization: false, bucketBytes: 400 });
  const names = parallel.nodes.map(({ name }) => name);

  it("begins with the last layer, and begins before the backward pass has ended", () => {
    const first = parallel.nodes.find(({ name }) => name === "gradients 1.begin");
    expect(first?.inputs[0]).toContain("classifier");
    expect(names.indexOf("gradients 1.begin")).toBeLessThan(names.indexOf("stem.conv.backward_weights"));
  });

  it("ends each bucket before what reads it, in the order in which they began", () => {
    const order = (ending: string): string[] =>
      names.filter((name) => /^gradients \d+\./.test(name) && name.endsWith(ending));
    expect(order(".begin").length).toBeGreaterThan(3);
    expect(order(".end").map((name) => name.replace(".end", ""))).toEqual(
      order(".begin").map((name) => name.replace(".begin", "")),
    );
    expect(names.indexOf("gradients 1.end")).toBeGreaterThan(names.indexOf("stem.conv.backward_weights"));
  });

  it("sums the gradient of every trained parameter once, and whether to stop", () => {
    const summed = parallel.nodes.filter(({ op }) => op === "all_reduce_begin").flatMap(({ inputs }) => inputs);
    expect(new Set(summed).size).toBe(summed.length);
    const trainedCount = step.nodes.filter(({ op }) => op === "nesterov_sgd" || op === "accelerated_proximal_gradient");
    expect(summed).toHaveLength(trainedCount.length + 3);
    expect(parallel.outputs).toEqual([...step.outputs, STOP]);
  });

  it("scales the loss to its part of the batch", () => {
    const loss = parallel.nodes.find(({ op }) => op === "softmax_cross_entropy");
    expect(loss?.attributes).toEqual({ share: 0.25 });
    const engine = createReferenceEngine();
    useCollectives(alone());
    const { loss: part } = trained(engine, parallel, { [stopFeed]: filled([], 0) });
    expect(part?.data).toHaveLength(1);
  });
});
