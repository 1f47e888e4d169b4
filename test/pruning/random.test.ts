import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cost } from "../../src/graph/cost.ts";
import type { Network } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { applyCuts } from "../../src/pruning/apply.ts";
import { compact } from "../../src/pruning/compact.ts";
import type { CutList } from "../../src/pruning/cut-list.ts";
import { selectionKeys } from "../../src/selection/factors.ts";
import { fold } from "../../src/selection/fold.ts";
import { place, structureKinds } from "../../src/selection/place.ts";
import { buildNetwork, heads, outputDifference, piece, randomWeights, zeroRows } from "./networks.ts";

const networks = fc.record({
  pieces: fc.array(piece, { maxLength: 4 }),
  head: fc.constantFrom(...heads),
  hidden: fc.constantFrom(0, 5),
  share: fc.constantFrom(0, 0.2, 0.5, 0.8, 1),
  seed: fc.integer({ min: 0, max: 0xffffffff }),
});

/** Everything that must hold of any cut. */
function checkCut(network: Network): void {
  const { network: small, cuts, kept } = compact(network);
  expect(outputDifference(network, small)).toBeLessThan(1e-5);
  expect(small.graph.nodes.filter(({ op }) => op === "scale")).toEqual([]);
  expect(cost(small.graph)).toEqual(cuts.after);
  expect(cuts.after.macs).toBeLessThanOrEqual(cuts.before.macs);
  const shapes = inferShapes(small.graph, 1);
  for (const { name, shape } of small.graph.parameters) expect(small.weights.get(name)?.shape).toEqual(shape);
  for (const [value, channels] of kept) {
    expect(channels.length).toBe(shapes.get(value)?.[1]);
    expect(channels.length).toBeGreaterThan(0);
    expect(channels.toSorted((a, b) => a - b)).toEqual(channels);
  }
  const replayed = applyCuts(network, JSON.parse(JSON.stringify(cuts)) as CutList);
  expect(replayed).toEqual(small);
  const again = compact(small);
  expect(again.cuts.steps).toEqual([]);
  expect(again.cuts.notes).toEqual([]);
  expect(again.network).toEqual(small);
}

describe("cutting random networks leaves their outputs as they are", () => {
  test("with factors zeroed where placement puts them", () => {
    fc.assert(
      fc.property(networks, ({ pieces, head, hidden, share, seed }) => {
        const plain = buildNetwork(pieces, head, hidden);
        const select = Object.fromEntries(structureKinds(plain).map((kind) => [selectionKeys[kind], 0.01]));
        const { graph } = place(plain, select);
        const network = zeroRows({ graph, weights: randomWeights(graph, seed) }, ["factor"], share, seed);
        expect(outputDifference(network, { graph: fold(graph), weights: network.weights })).toBeLessThan(1e-5);
        checkCut(network);
      }),
      { numRuns: 150 },
    );
  });

  test("with rows of any parameters zeroed", () => {
    fc.assert(
      fc.property(networks, ({ pieces, head, hidden, share, seed }) => {
        const graph = buildNetwork(pieces, head, hidden);
        const network = { graph, weights: randomWeights(graph, seed) };
        checkCut(zeroRows(network, ["weights", "bias", "scale", "shift"], share, seed));
      }),
      { numRuns: 150 },
    );
  });
});
