import fc from "fast-check";
import { expect, it } from "vitest";
import { FlowNetwork } from "../../../src/engine/onednn/planner/min-cut.ts";

const MOST_VERTICES = 7;
const vertex = fc.integer({ min: 0, max: MOST_VERTICES - 1 });
const edges = fc.array(fc.tuple(vertex, vertex, fc.integer({ min: 0, max: 20 })), { maxLength: 24 });

/** Capacity of the edges that go from the source's side to the sink's. */
function cutOf(all: readonly (readonly [number, number, number])[], isOnSourceSide: readonly boolean[]): number {
  return all.reduce(
    (sum, [from, to, capacity]) => sum + (isOnSourceSide[from] && !isOnSourceSide[to] ? capacity : 0),
    0,
  );
}

it("is the cheapest of all cuts of a random network", () => {
  fc.assert(
    fc.property(edges, (all) => {
      const network = new FlowNetwork();
      while (network.vertex() < MOST_VERTICES - 1);
      for (const [from, to, capacity] of all) network.edge(from, to, capacity);
      const found = network.minimumCut();
      expect([found[network.source], found[network.sink]]).toEqual([true, false]);
      // Bit n of a number says on which side vertex n is; the source, 0, and the sink, 1, are given.
      const every = Array.from({ length: 2 ** (MOST_VERTICES - 2) }, (_, bits) =>
        Array.from({ length: MOST_VERTICES }, (_unused, at) => at === 0 || (at > 1 && ((bits >> (at - 2)) & 1) === 1)),
      );
      expect(cutOf(all, found)).toBe(Math.min(...every.map((sides) => cutOf(all, sides))));
    }),
    { numRuns: 300 },
  );
});

it("leaves out what would cost infinitely much", () => {
  const network = new FlowNetwork();
  const [a, b] = [network.vertex(), network.vertex()];
  network.edge(network.source, a, 5);
  network.edge(a, b, Number.POSITIVE_INFINITY);
  network.edge(b, network.sink, 3);
  const sides = network.minimumCut();
  expect([sides[a], sides[b]]).toEqual([true, true]);
});
