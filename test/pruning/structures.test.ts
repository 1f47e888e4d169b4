/** Structures of every kind, alone and together, cut from every family of networks: nothing may change but the size. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { elementCount, tensor } from "../../src/core/tensor.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph, Network } from "../../src/graph/graph.ts";
import { bindBatch, inferShapes } from "../../src/graph/shapes.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { type FactorKind, selectionKeys } from "../../src/selection/factors.ts";
import { fold } from "../../src/selection/fold.ts";
import { type Placement, place, structureKinds } from "../../src/selection/place.ts";
import { structureCosts } from "../../src/selection/structure-costs.ts";
import { families, postActivation } from "./families.ts";
import { buildNetwork, outputDifference, piece, randomWeights, zeroFactors } from "./networks.ts";

function placeKinds(graph: Graph, kinds: readonly FactorKind[]): Placement {
  return place(graph, Object.fromEntries(kinds.map((kind) => [selectionKeys[kind], 0.01])));
}

/** The kinds of `graph` that the bits of `mask` choose; all of them if that is none. */
function chosenKinds(graph: Graph, mask: number): readonly FactorKind[] {
  const kinds = structureKinds(graph);
  const chosen = kinds.filter((_, index) => (mask >> index) % 2 === 1);
  return chosen.length > 0 ? chosen : kinds;
}

/** Random numbers everywhere, and each factor at zero with probability `share`. */
function withZeros({ graph, factors }: Placement, share: number, seed: number): Network {
  const stream = new RandomStream(seed, "zeros");
  const zeros = factors.map(({ parameter, count }): [string, number[]] => [
    parameter,
    Array.from({ length: count }, (_, index) => index).filter(() => stream.uniform() < share),
  ]);
  return zeroFactors({ graph, weights: randomWeights(graph, seed) }, Object.fromEntries(zeros));
}

const cuts = fc.record({
  mask: fc.integer({ min: 0, max: 15 }),
  share: fc.constantFrom(0.1, 0.3, 0.6, 0.9, 1),
  round: fc.constantFrom(1, 2, 4, 8),
  seed: fc.integer({ min: 0, max: 0xffffffff }),
});

function layerWidths(graph: Graph): ReadonlyMap<string, number> {
  const shapes = inferShapes(graph, 1);
  const weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  return new Map(
    graph.nodes
      .filter(({ inputs }) => inputs.some((input) => weights.has(input)))
      .map(({ name, outputs: [dst = ""] }) => [name, shapes.get(dst)?.[1] ?? 0]),
  );
}

/** What must hold of any cut, rounded or not. */
function checkCut(network: Network, round: number): void {
  const { network: small } = compact(network, { round });
  expect(outputDifference(network, small)).toBeLessThan(1e-5);
  expect(compact(small, { round }).cuts.steps).toEqual([]);
  const before = layerWidths(network.graph);
  for (const [layer, width] of layerWidths(small.graph)) {
    expect(width % round === 0 || width === before.get(layer), `${layer} is ${width} wide`).toBe(true);
  }
  if (round > 1) {
    expect(cost(small.graph).macs).toBeGreaterThanOrEqual(cost(compact(network).network.graph).macs);
  }
}

describe("cutting structures leaves the outputs as they are", () => {
  test.each(families.map((graph) => [graph.name, graph] as const))("%s", (_, graph) => {
    fc.assert(
      fc.property(cuts, ({ mask, share, round, seed }) => {
        const network = withZeros(placeKinds(graph, chosenKinds(graph, mask)), share, seed);
        expect(outputDifference(network, { graph: fold(network.graph), weights: network.weights })).toBeLessThan(1e-5);
        checkCut(network, round);
      }),
      { numRuns: 40 },
    );
  });

  test("random networks", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), cuts, (pieces, { mask, share, round, seed }) => {
        const graph = buildNetwork(pieces, "pool", 0);
        checkCut(withZeros(placeKinds(graph, chosenKinds(graph, mask)), share, seed), round);
      }),
      { numRuns: 100 },
    );
  });

  test.each(["resnet-20", "resnet-20-b"])("%s with streams", (name) => {
    const graph = model(name, { classes: 10, size: 8 });
    for (const share of [0.3, 0.7]) checkCut(withZeros(placeKinds(graph, structureKinds(graph)), share, 3), 8);
  });

  test.each(families.map((graph) => [graph.name, graph] as const))("%s in ONNX Runtime", async (_, graph) => {
    const shape = bindBatch(required(graph.inputs[0], "an input").shape, 2);
    const images = tensor(
      shape,
      Float32Array.from({ length: elementCount(shape) }, (_value, index) => Math.sin(index)),
    );
    const logits = async (network: Network): Promise<Float32Array> => {
      const session = await openRuntime(writeOnnx(network), graph.name);
      const results = await session.run(images);
      await session.dispose();
      return results.get("classifier")?.data ?? new Float32Array();
    };
    for (const [seed, share] of [0.2, 0.5, 0.8].entries()) {
      const network = withZeros(placeKinds(graph, structureKinds(graph)), share, seed);
      const [trained, small] = [await logits(network), await logits(compact(network, { round: 2 }).network)];
      const range = Math.max(1, ...trained.map(Math.abs));
      expect(trained.length).toBe(8);
      for (const [index, value] of trained.entries()) {
        expect(Math.abs(value - (small[index] ?? Number.NaN)) / range).toBeLessThan(1e-5);
      }
    }
  });
});

describe("pruning one structure saves its predicted cost", () => {
  test.each(families.map((graph) => [graph.name, graph] as const))("%s", (_, plain) => {
    const { graph, factors } = placeKinds(plain, structureKinds(plain));
    const network = { graph, weights: randomWeights(graph, 5) };
    const whole = cost(graph);
    for (const { factor, each } of structureCosts(graph, factors).factors) {
      const index = factor.count - 1;
      const { macs, parameters } = cost(compact(zeroFactors(network, { [factor.parameter]: [index] })).network.graph);
      expect({ macs: whole.macs - macs, parameters: whole.parameters - parameters }, factor.parameter).toEqual(
        each[index],
      );
    }
  });
});

describe("pruning a stream's channel removes it from every layer that has it", () => {
  test("zero-padded shortcuts: from the stages that have it, padding included", () => {
    const placement = placeKinds(postActivation("A"), ["stream"]);
    const parameter = "stage1.unit1.add.stream.factor";
    const network = { graph: placement.graph, weights: randomWeights(placement.graph, 2) };
    // Of 12: 4 … 7 run through all stages, 2 and 3, 8 and 9 begin in the second, the others in the third.
    const { network: small } = compact(zeroFactors(network, { [parameter]: [0, 3, 5, 6, 8] }));
    expect(Object.fromEntries(layerWidths(small.graph))).toMatchObject({
      stem: 2,
      "stage1.unit2.conv2": 2,
      "stage2.unit1.conv2": 4,
      "stage3.unit2.conv2": 7,
      "stage1.unit1.conv1": 5,
    });
    const pads = small.graph.nodes.filter(({ op }) => op === "pad").map(({ attributes }) => attributes);
    expect(pads).toEqual([
      { before: [0, 1, 0, 0], after: [0, 1, 0, 0] },
      { before: [0, 1, 0, 0], after: [0, 2, 0, 0] },
    ]);
  });

  test("a whole stage's branches at zero become shortcuts", () => {
    const { graph } = placeKinds(postActivation("B"), ["block", "stream"]);
    const network = { graph, weights: randomWeights(graph, 2) };
    const { network: small } = compact(
      zeroFactors(network, { "stage1.unit1.add.block.factor": "all", "stage1.unit2.add.block.factor": "all" }),
    );
    expect([...layerWidths(small.graph).keys()].filter((name) => name.startsWith("stage1"))).toEqual([]);
    expect(outputDifference(network, small)).toBeGreaterThan(0);
  });
});
