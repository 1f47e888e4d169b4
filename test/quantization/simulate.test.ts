/** Simulated integers against the written file in ONNX Runtime, and their gradients against differences. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { vectorJacobianGraph } from "../../src/autodiff/gradient-graph.ts";
import { required } from "../../src/core/errors.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import type { Results } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { rangeOf as spreadOf } from "../../src/evaluation/comparison.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { type Graph, makeNode, type Network, type Node, type Weights } from "../../src/graph/graph.ts";
import { integerScale } from "../../src/graph/integer-scale.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { integerReady } from "../../src/quantization/integer-ready.ts";
import { observe } from "../../src/quantization/observe.ts";
import { quantizeGraph } from "../../src/quantization/quantize-graph.ts";
import { type Range, rangeOf } from "../../src/quantization/ranges.ts";
import { type Simulation, simulateIntegers } from "../../src/quantization/simulate.ts";
import { selectionKeys } from "../../src/selection/factors.ts";
import { place, structureKinds } from "../../src/selection/place.ts";
import { expectGradientsOfDifferences } from "../engine/conformance.ts";
import { randomFeeds, randomWeights, relativeDifference } from "../engine/random-data.ts";
import { referenceHost } from "../evaluation/reference-host.ts";
import { temporaryFolder, tinyDataset } from "../training/tiny.ts";
import { floatsOf, networks } from "./networks.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = tinyDataset(48, 16, [3, 8, 8]);

function withFactors(graph: Graph): Graph {
  return place(graph, Object.fromEntries(structureKinds(graph).map((kind) => [selectionKeys[kind], 0.01]))).graph;
}

async function rangesOf(network: Network): Promise<ReadonlyMap<string, Range>> {
  const ready = integerReady(network);
  const observed = await observe(referenceHost(), ready, data.train, data.normalization, () => {});
  return new Map([...observed].map(([value, seen]) => [value, rangeOf(seen, "percentile")]));
}

function rangeWeights({ ranges }: Simulation, known: ReadonlyMap<string, Range>): Weights {
  return new Map(
    [...ranges].map(([value, parameter]) => [
      parameter,
      tensor([2], Float32Array.from(required(known.get(value), `range of "${value}"`))),
    ]),
  );
}

async function testImages(): Promise<Tensor> {
  for await (const { images } of evaluationBatches(data.test, data.normalization, 16)) return images;
  throw new Error("no images");
}

async function inRuntime(network: Network, ranges: ReadonlyMap<string, Range>, keep: ReadonlySet<string>) {
  const path = join(folder, `${network.graph.name}.onnx`);
  const found = quantizeGraph(integerReady(network), { ranges, keep, largestWeight: 127 });
  await saveOnnx(found.network, path, { quantization: found.quantization });
  const session = await openRuntime(path, path);
  const results = await session.run(await testImages());
  await session.dispose();
  return { ...found, logits: required(results.get(session.outputs[0] ?? ""), "logits").data };
}

async function simulated(simulation: Simulation, weights: Weights): Promise<Float32Array> {
  const { graph } = simulation;
  const plan = createReferenceEngine().prepare(graph, { batch: 16 });
  plan.write(weights);
  return required(plan.run({ images: await testImages() })[graph.outputs[0] ?? ""], "logits").data;
}

describe("simulated integers", () => {
  for (const plain of networks) {
    for (const isFactored of [false, true]) {
      test(`${plain.name}${isFactored ? " with factors" : ""} gives what the file gives`, async () => {
        const graph = isFactored ? withFactors(plain) : plain;
        const weights = randomWeights(graph, 5);
        const ranges = await rangesOf({ graph, weights });
        const simulation = simulateIntegers(graph);
        const { logits, quantization } = await inRuntime({ graph, weights }, ranges, new Set());
        const own = await simulated(simulation, new Map([...weights, ...rangeWeights(simulation, ranges)]));
        // Sums of products are exact in both. Where a result lies between two integers, either may be taken.
        const spread = spreadOf(logits);
        const errors = own.map((value, at) => Math.abs(value - (logits[at] ?? Number.NaN)) / spread);
        expect(Math.max(...errors)).toBeLessThan(0.03);
        expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(0.004);
        expect(simulation.floats.map(({ name }) => name)).toEqual(floatsOf[plain.name] ?? []);
        // Every value with integers of its own has a range here; others only pass those of another value on.
        const moved = [...quantization.activations.keys()].filter((value) => !simulation.ranges.has(value));
        const makers = new Map(graph.nodes.map((node) => [node.outputs[0], node.op] as const));
        for (const value of moved) {
          expect(["max_pooling", "flatten", "slice", "upsampling", undefined]).toContain(makers.get(value));
        }
      });
    }
  }

  test("a layer that is kept stays on floats in both", async () => {
    const [graph] = networks;
    if (graph === undefined) throw new Error("no network");
    const weights = randomWeights(graph, 5);
    const keep = new Set(["branch", "stem.conv"]);
    const ranges = await rangesOf({ graph, weights });
    const simulation = simulateIntegers(graph, { keep });
    expect(simulation.layers).toEqual(["classifier"]);
    const { logits } = await inRuntime({ graph, weights }, ranges, keep);
    const own = await simulated(simulation, new Map([...weights, ...rangeWeights(simulation, ranges)]));
    expect(relativeDifference(own, logits)).toBeLessThan(0.02);
  });
});

/** `simulation` with clips in the place of rounding; what rounding adds at one point are constants. */
function surrogate({ graph }: Simulation, ranges: Weights, batch: number): Graph {
  const shapes = inferShapes(graph, batch);
  const offsets: { name: string; shape: readonly number[]; isImage: boolean }[] = [];
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const [src = "", range = ""] = node.inputs;
    const [dst = ""] = node.outputs;
    const offset = `${dst}.offset`;
    const shape = required(shapes.get(dst), dst);
    if (node.op === "fake_quantize_weights") {
      offsets.push({ name: offset, shape, isImage: false });
      return [makeNode("add", node.name, [src, offset], [dst], {})];
    }
    if (node.op !== "fake_quantize") return [node];
    const [low = 0, high = 0] = required(ranges.get(range), range).data;
    const { scale, zeroPoint } = integerScale(low, high);
    const bounds = { minimum: (-0.5 - zeroPoint) * scale, maximum: (255.5 - zeroPoint) * scale };
    offsets.push({ name: offset, shape, isImage: true });
    return [
      makeNode("clip", `${node.name}.clip`, [src], [`${dst}.clipped`], bounds),
      makeNode("add", node.name, [`${dst}.clipped`, offset], [dst], {}),
    ];
  });
  return {
    ...graph,
    nodes,
    inputs: [
      ...graph.inputs,
      ...offsets
        .filter(({ isImage }) => isImage)
        .map(({ name, shape: [, ...rest] }) => ({ name, dtype: "f32" as const, shape: ["N", ...rest] as const })),
    ],
    parameters: [
      ...graph.parameters,
      ...offsets
        .filter(({ isImage }) => !isImage)
        .map(({ name, shape }) => ({ name, shape, kind: "constant" as const })),
    ],
  };
}

describe("gradients through simulated integers", () => {
  for (const name of ["growing-residual", "pre-activation", "gates", "mobile"]) {
    const batch = 2;
    const plain = required(
      networks.find((network) => network.name === name),
      name,
    );

    test(`of ${name} are those of clips, at the rounded values`, () => {
      const simulation = simulateIntegers(plain);
      const graph = vectorJacobianGraph(simulation.graph, { batchNormalization: "frozen" });
      const narrow = [...simulation.ranges.values()].map(
        (parameter) => [parameter, tensor([2], Float32Array.of(-0.7, 1.1))] as const,
      );
      const weights = new Map([...randomWeights(graph, 3), ...narrow]);
      const feeds = randomFeeds(graph, batch, 3);
      const forward = { ...simulation.graph, outputs: valuesOf(simulation.graph) };
      const values = run(forward, weights, feeds, batch);
      const clipped = surrogate(simulation, weights, batch);
      const exact = new Map([...weights, ...Object.entries(values)]);
      for (const { images } of [feeds]) if (images?.dtype === "f32") exact.set("images", images);
      const offsets = clipped.nodes.flatMap((node): (readonly [string, Tensor])[] => {
        const [src = "", offset = ""] = node.inputs;
        if (!offset.endsWith(".offset")) return [];
        const dst = required(values[node.outputs[0] ?? ""], node.name);
        const clip = clipped.nodes.find(({ outputs }) => outputs.includes(src));
        const from = required(
          exact.get(clip?.op === "clip" && src.endsWith(".clipped") ? (clip.inputs[0] ?? "") : src),
          src,
        );
        const { minimum, maximum } =
          clip?.op === "clip" && src.endsWith(".clipped") ? clip.attributes : { minimum: -1e9, maximum: 1e9 };
        const data = dst.data.map(
          (value, at) => value - Math.min(maximum, Math.max(minimum, from.data[at] ?? Number.NaN)),
        );
        return [[offset, tensor(dst.shape, data)]];
      });
      const jacobian = vectorJacobianGraph(clipped, { batchNormalization: "frozen" });
      const ofClips = run(
        jacobian,
        new Map([...weights, ...offsets]),
        { ...feeds, ...Object.fromEntries(offsets) },
        batch,
      );
      const straight = run(graph, weights, feeds, batch);
      graph.outputs.forEach((output, index) => {
        const [a, b] = [straight[output], ofClips[jacobian.outputs[index] ?? ""]];
        expect(relativeDifference(required(a, output).data, required(b, output).data), output).toBeLessThan(1e-4);
      });
      const gradients = graph.outputs.slice(1).map((output) => required(straight[output], output).data);
      expect(gradients.every((gradient) => gradient.some((value) => value !== 0))).toBe(true);
      // And those of the clips are the differences of the clips.
      expectGradientsOfDifferences(
        { name, graph: clipped, batch, frozen: true },
        { samples: 4, step: 1e-2, tolerance: 0.05 },
      );
    });
  }
});

function valuesOf({ nodes, parameters }: Graph): readonly string[] {
  const constants = new Set(parameters.map(({ name }) => name));
  return [...new Set(nodes.flatMap(({ outputs }) => outputs))].filter((value) => !constants.has(value));
}

function run(graph: Graph, weights: Weights, feeds: ReturnType<typeof randomFeeds>, batch: number): Results {
  const plan = createReferenceEngine().prepare(graph, { batch });
  plan.write(new Map(graph.parameters.map(({ name }) => [name, required(weights.get(name), name)])));
  const results = plan.run(Object.fromEntries(graph.inputs.map(({ name }) => [name, required(feeds[name], name)])));
  plan.dispose();
  return results;
}
