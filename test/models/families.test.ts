/**
 * Networks of every family, on images as small as they take: every kind of structure can be placed, cut and written
 * down, and both engines and ONNX Runtime do the same with them.
 */
import { describe, expect, test } from "vitest";
import { gradientGraph } from "../../src/autodiff/gradient-graph.ts";
import { RandomStream } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import type { Engine, Feeds, Results } from "../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import type { Graph, Network } from "../../src/graph/graph.ts";
import { bindBatch } from "../../src/graph/shapes.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { type FactorKind, selectionKeys } from "../../src/selection/factors.ts";
import { fold } from "../../src/selection/fold.ts";
import { type Placement, place, structureKinds } from "../../src/selection/place.ts";
import { labels, normal, relativeDifference } from "../engine/random-data.ts";
import { train } from "../engine/training-steps.ts";
import { families as smallNetworks } from "../pruning/families.ts";
import { zeroFactors } from "../pruning/networks.ts";

const CLASSES = 4;
const BATCH = 2;

const residual: readonly FactorKind[] = ["neuron", "block", "stream"];
const grouped: readonly FactorKind[] = ["neuron", "group", "block", "stream"];

/** Name, size of the images, kinds of structures, how many of each. */
const networks: readonly (readonly [string, number, readonly FactorKind[], readonly number[]])[] = [
  ["resnet-164", 4, residual, [54 * (16 + 32 + 64) * (2 / 3) + 16, 54, 64 + 128 + 256]],
  ["resnext-20", 8, grouped, [16, 6 * 32, 6, 64 + 128 + 256]],
  ["densenet-40", 4, ["stream"], [160 + 304 + 448]],
  ["mobilenet-v2-cifar", 8, residual, [8752, 10, 24 + 32 + 64 + 96 + 160]],
  ["resnet-18-preact", 32, residual, [2 * (64 + 128 + 256 + 512), 8, 64 + 128 + 256 + 512]],
  ["resnet-50", 32, residual, [64 + 2 * (3 * 64 + 4 * 128 + 6 * 256 + 3 * 512), 16, 256 + 512 + 1024 + 2048]],
  ["peleenet", 32, ["neuron"], [4864]],
  ["fastnet-cifar", 9, ["neuron"], [2 * (64 + 256 + 256)]],
  ["densenet-121", 32, ["neuron", "stream"], [58 * 128, 256 + 512 + 1024 + 1024]],
];

function placeEverything(graph: Graph): Placement {
  return place(graph, Object.fromEntries(structureKinds(graph).map((kind) => [selectionKeys[kind], 0.01])));
}

/** Each factor of `placement` at zero with probability `share`. */
function withZeros({ graph, factors }: Placement, share: number): Network {
  const stream = new RandomStream(3, "zeros");
  const zeros = factors.map(({ parameter, count }): [string, number[]] => [
    parameter,
    Array.from({ length: count }, (_, index) => index).filter(() => stream.uniform() < share),
  ]);
  return zeroFactors({ graph, weights: initialize(graph, 3) }, Object.fromEntries(zeros));
}

function imagesOf({ inputs: [input] }: Graph): Tensor {
  return normal(bindBatch(input?.shape ?? [], BATCH), 6, "images");
}

/** What ONNX Runtime makes of the file of `network`, which must read back as it was. */
async function logitsInRuntime(network: Network): Promise<Float32Array> {
  const bytes = writeOnnx(network);
  expect(readOnnx(bytes, "test.onnx").graph).toEqual(network.graph);
  const session = await openRuntime(bytes, network.graph.name);
  const results = await session.run(imagesOf(network.graph));
  await session.dispose();
  return results.get("classifier")?.data ?? new Float32Array();
}

function run(engine: Engine, { graph, weights }: Network, feeds: Feeds): Results {
  const plan = engine.prepare(graph, { batch: BATCH });
  plan.write(weights);
  const results = plan.run(feeds);
  plan.dispose();
  return results;
}

/** Too large to be cut or stepped in a quick test. */
const large: ReadonlySet<string> = new Set(["resnet-50", "densenet-121"]);
/** Differentiated by the reference engine. */
const stepped: ReadonlySet<string> = new Set([
  "resnet-164",
  "resnext-20",
  "densenet-40",
  "mobilenet-v2-cifar",
  "fastnet-cifar",
]);

describe("structures of every kind", () => {
  test.each(networks)("%s has them all", (name, size, kinds, counts) => {
    const placement = placeEverything(model(name, { classes: CLASSES, size }));
    const countOf = (kind: FactorKind): number =>
      placement.factors.filter((factor) => factor.kind === kind).reduce((sum, { count }) => sum + count, 0);
    expect(structureKinds(model(name, { classes: CLASSES, size }))).toEqual(kinds);
    expect(kinds.map(countOf)).toEqual(counts);
  });

  test.each(networks.filter(([name]) => !large.has(name)))("%s is cut without a change", async (name, size) => {
    const network = withZeros(placeEverything(model(name, { classes: CLASSES, size })), 0.3);
    const { network: small, cuts } = compact(network);
    expect(cuts.after.macs).toBeLessThan(0.75 * cuts.before.macs);
    const logits = await logitsInRuntime(network);
    expect(logits).toHaveLength(BATCH * CLASSES);
    expect(relativeDifference(await logitsInRuntime(small), logits)).toBeLessThan(1e-4);
  });
});

describe("both engines and ONNX Runtime agree", () => {
  // With the batch's own statistics a few pixels decide on each channel's, and rounding grows from layer to layer: see
  // below for those.
  test.each(networks.filter(([name]) => stepped.has(name)))(
    "%s at %i pixels: logits, and gradients with frozen statistics",
    async (name, size) => {
      const forward = fold(placeEverything(model(name, { classes: CLASSES, size })).graph);
      const weights = initialize(forward, 7);
      const images = imagesOf(forward);
      const logits = run(createOneDnnEngine({ threads: 2 }), { graph: forward, weights }, { images })["classifier"];
      expect(
        relativeDifference(logits?.data ?? new Float32Array(), await logitsInRuntime({ graph: forward, weights })),
      ).toBeLessThan(1e-4);
      const graph = gradientGraph(forward, { batchNormalization: "frozen" });
      const feeds = { images, labels: labels(BATCH, CLASSES, 5) };
      const [ours, reference] = [createOneDnnEngine({ threads: 2 }), createReferenceEngine()].map((engine) =>
        run(engine, { graph, weights }, feeds),
      );
      for (const output of graph.outputs) {
        const [actual, expected] = [ours?.[output]?.data, reference?.[output]?.data];
        expect(relativeDifference(actual ?? new Float32Array(), expected ?? Float32Array.of(0)), output).toBeLessThan(
          1e-3,
        );
      }
    },
  );

  test.each(smallNetworks.map((graph) => [graph.name, graph] as const))(
    "a small network of the family, two training steps: %s",
    (_, plain) => {
      const training = { forward: fold(placeEverything(plain).graph), batch: 8 };
      const [ours, reference] = [createOneDnnEngine({ threads: 2 }), createReferenceEngine()].map((engine) =>
        train(engine, training, 0, 2),
      );
      for (const [name, expected] of reference?.state ?? []) {
        const actual = ours?.state.get(name)?.data ?? new Float32Array();
        // What a batch norm further on takes away again has a gradient of zero, and by rounding something near it.
        const scale = expected.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0.1);
        const difference = expected.data.reduce(
          (largest, value, index) => Math.max(largest, Math.abs(value - (actual[index] ?? Number.NaN))),
          0,
        );
        expect(difference / scale, name).toBeLessThan(5e-3);
      }
      expect(ours?.losses[1]).toBeCloseTo(reference?.losses[1] ?? Number.NaN, 3);
    },
  );
});
