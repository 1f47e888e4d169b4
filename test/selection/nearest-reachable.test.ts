/** The nearest share that a budget can come to in tiny networks, against a count of every set of structures. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { model } from "../../src/models/zoo.ts";
import { guarded, nearestReachable } from "../../src/selection/budget.ts";
import { type CostOptions, costModel } from "../../src/selection/cost-model.ts";
import type { Factor } from "../../src/selection/factors.ts";
import { place } from "../../src/selection/place.ts";

interface Shape {
  /** Channels of the stream, and of each block inside. */
  readonly stream: number;
  readonly blocks: readonly number[];
}

/** Residual blocks of few channels behind a stem. */
function residual({ stream: channels, blocks }: Shape): Graph {
  const b = new GraphBuilder("residual");
  let stream = b.convolution("stem", b.input("images", ["N", 3, 8, 8]), { channels, kernel: 3, padding: 1 });
  stream = b.batchNormalization("stem.norm", stream);
  for (const [at, inner] of blocks.entries()) {
    let branch = b.convolution(`${at}.conv1`, stream, { channels: inner, kernel: 3, padding: 1 });
    branch = b.relu(`${at}.relu`, b.batchNormalization(`${at}.norm1`, branch));
    branch = b.convolution(`${at}.conv2`, branch, { channels, kernel: 3, padding: 1 });
    branch = b.batchNormalization(`${at}.norm2`, branch);
    stream = b.relu(`${at}.out`, b.add(`${at}.add`, branch, stream));
  }
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", stream)), 4));
  return b.build();
}

/** What is left, as a share, of every set of structures that may be pruned. */
function allShares(graph: Graph, factors: readonly Factor[], options: CostOptions): readonly number[] {
  let offset = 0;
  const free = factors.flatMap((factor) => {
    const first = offset;
    offset += factor.count;
    const [kept] = guarded(factor) ?? [];
    return Array.from({ length: factor.count }, (_, index) => index).flatMap((index) =>
      index === kept ? [] : [first + index],
    );
  });
  const costs = costModel(graph, factors, "macs", options);
  return Array.from({ length: 2 ** free.length }, (_, set) => {
    const remaining = costs.remaining();
    for (const [at, structure] of free.entries()) if ((set >> at) & 1) remaining.remove(structure);
    return remaining.left / costs.whole;
  });
}

const shapes = fc.record({
  stream: fc.integer({ min: 2, max: 4 }),
  blocks: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
});
const selections = fc.constantFrom(
  { streams: 1 },
  { streams: 1, blocks: 1 },
  { streams: 1, neurons: 1 },
  { neurons: 1, blocks: 1 },
  { streams: 1, neurons: 1, blocks: 1 },
);

describe("the nearest share that whole structures can come to", () => {
  test("is that of the best of all sets, in tiny networks", () => {
    fc.assert(
      fc.property(
        shapes,
        selections,
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        fc.constantFrom(1, 2),
        (...all) => {
          const [shape, select, share, round] = all;
          const { graph, factors } = place(residual(shape), select);
          const off = Math.min(...allShares(graph, factors, { round }).map((left) => Math.abs(left - share)));
          const nearest = nearestReachable(graph, factors, { of: "macs", share }, { round });
          expect(Math.abs(nearest - share)).toBeCloseTo(off, 10);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("is within a hundredth of the best of all sets, in networks that are searched in part", () => {
    const { graph, factors } = place(residual({ stream: 5, blocks: [4, 4] }), { streams: 1, neurons: 1, blocks: 1 });
    const all = allShares(graph, factors, {});
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1, noNaN: true }), (share) => {
        const nearest = nearestReachable(graph, factors, { of: "macs", share });
        expect(all.some((left) => Math.abs(left - nearest) < 1e-9)).toBe(true);
        const off = all.reduce((least, left) => Math.min(least, Math.abs(left - share)), 1);
        expect(Math.abs(nearest - share)).toBeLessThan(off + 0.01);
      }),
      { numRuns: 50 },
    );
  });

  test("is one that can be reached, and near, in a network of many structures", () => {
    const { graph, factors } = place(model("resnet-20"), { neurons: 1, blocks: 1 });
    for (const share of [0.3, 0.5, 0.7, 1]) {
      expect(Math.abs(nearestReachable(graph, factors, { of: "macs", share }) - share)).toBeLessThan(0.01);
    }
  });

  test("is found among blocks of different sizes", () => {
    const { graph, factors } = place(model("resnet-56"), { blocks: 1 });
    for (const share of [0.32, 0.5, 0.77]) {
      expect(Math.abs(nearestReachable(graph, factors, { of: "macs", share }) - share)).toBeLessThan(0.02);
    }
  });
});
