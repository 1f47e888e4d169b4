/**
 * What a structure is said to save is what cutting it saves: for every structure that is offered, alone, and for sets
 * of them. On networks in which this is not plain: weights that two layers share, sums that a depthwise convolution
 * reads, groups.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { type Placement, refusedLayers, structureKinds } from "../../src/selection/place.ts";
import { brokenPromise, placeAll } from "./promises.ts";

type Part =
  | { readonly kind: "plain"; readonly channels: number; readonly norm: boolean }
  | { readonly kind: "twice"; readonly norms: "each" | "none" | "second"; readonly between: boolean }
  | { readonly kind: "residual"; readonly channels: number; readonly norm: boolean; readonly taps: "none" | "branch" }
  | { readonly kind: "same block twice"; readonly channels: number }
  | { readonly kind: "depthwise"; readonly multiplier: 1 | 2; readonly norm: boolean }
  | { readonly kind: "grouped"; readonly groups: 2 | 3; readonly perGroup: 2 | 3 }
  | { readonly kind: "joined"; readonly channels: number }
  | { readonly kind: "gated" };

const channels = fc.integer({ min: 2, max: 4 });
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constant("plain" as const), channels, norm: fc.boolean() }),
  fc.record({
    kind: fc.constant("twice" as const),
    norms: fc.constantFrom("each" as const, "none" as const, "second" as const),
    between: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("residual" as const),
    channels,
    norm: fc.boolean(),
    taps: fc.constantFrom("none" as const, "branch" as const),
  }),
  fc.record({ kind: fc.constant("same block twice" as const), channels }),
  fc.record({
    kind: fc.constant("depthwise" as const),
    multiplier: fc.constantFrom(1 as const, 2 as const),
    norm: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("grouped" as const),
    groups: fc.constantFrom(2 as const, 3 as const),
    perGroup: fc.constantFrom(2 as const, 3 as const),
  }),
  fc.record({ kind: fc.constant("joined" as const), channels }),
  fc.constant({ kind: "gated" as const }),
);

const same = {
  padding: { top: 1, left: 1, bottom: 1, right: 1 },
  strides: [1, 1],
  dilation: [1, 1],
  groups: 1,
} as const;

function convolve(b: GraphBuilder, name: string, src: string, weights: string): string {
  return b.node("convolution", name, [src, weights], same);
}

function addPart(b: GraphBuilder, name: string, src: string, one: Part): string {
  const [, width = 0] = b.shape(src);
  const normed = (word: string, value: string, isWanted = true): string =>
    isWanted ? b.batchNormalization(`${name}.${word}`, value) : value;
  switch (one.kind) {
    case "plain": {
      const value = b.convolution(name, src, { channels: one.channels, kernel: 3, padding: 1, bias: !one.norm });
      return b.relu(`${name}.relu`, normed("norm", value, one.norm));
    }
    case "twice": {
      const weights = b.parameter(`${name}.weights`, [width, width, 3, 3], "weights");
      let value = normed("norm1", convolve(b, `${name}.first`, src, weights), one.norms === "each");
      if (one.between) value = b.relu(`${name}.between`, value);
      value = normed("norm2", convolve(b, `${name}.second`, value, weights), one.norms !== "none");
      return b.relu(`${name}.relu`, value);
    }
    case "residual": {
      const less = b.convolution(`${name}.less`, src, { channels: one.channels, kernel: 1 });
      const inner = b.relu(`${name}.inner`, normed("norm1", less, one.norm));
      const branch = normed("norm2", b.convolution(`${name}.more`, inner, { channels: width, kernel: 1 }), one.norm);
      const sum = b.add(`${name}.sum`, src, branch);
      return one.taps === "none" ? sum : b.concatenation(`${name}.taps`, [sum, branch]);
    }
    case "same block twice": {
      const less = b.parameter(`${name}.less`, [one.channels, width, 3, 3], "weights");
      const more = b.parameter(`${name}.more`, [width, one.channels, 3, 3], "weights");
      let value = src;
      for (const word of ["first", "second"]) {
        const inner = b.relu(`${name}.${word}.relu`, convolve(b, `${name}.${word}.less`, value, less));
        value = b.add(`${name}.${word}.sum`, convolve(b, `${name}.${word}.more`, inner, more), value);
      }
      return value;
    }
    case "depthwise": {
      const options = { channels: width * one.multiplier, kernel: 3, padding: 1, groups: width };
      return b.relu(`${name}.relu`, normed("norm", b.convolution(name, src, options), one.norm));
    }
    case "grouped": {
      const wide = one.groups * one.perGroup;
      const first = b.relu(
        `${name}.relu1`,
        normed("norm1", b.convolution(`${name}.in`, src, { channels: wide, kernel: 1 })),
      );
      const value = b.convolution(`${name}.groups`, first, {
        channels: wide,
        kernel: 3,
        padding: 1,
        groups: one.groups,
      });
      return b.relu(`${name}.relu2`, normed("norm2", value));
    }
    case "joined": {
      const more = b.convolution(`${name}.more`, src, { channels: one.channels, kernel: 1 });
      return b.relu(`${name}.relu`, normed("norm", b.concatenation(`${name}.join`, [src, more])));
    }
    case "gated": {
      const pooled = b.globalAveragePooling(`${name}.pooled`, src);
      const less = b.relu(
        `${name}.relu`,
        b.convolution(`${name}.less`, pooled, { channels: 2, kernel: 1, bias: true }),
      );
      const gate = b.convolution(`${name}.gate`, less, { channels: width, kernel: 1, bias: true });
      return b.multiply(`${name}.gated`, src, b.activation(`${name}.sigmoid`, gate, { function: "sigmoid" }));
    }
  }
}

function network(parts: readonly Part[]): Graph {
  const b = new GraphBuilder("parts");
  let value = b.convolution("stem", b.input("images", ["N", 3, 6, 6]), { channels: 4, kernel: 3, padding: 1 });
  value = b.relu("stem.relu", b.batchNormalization("stem.norm", value));
  for (const [index, one] of parts.entries()) value = addPart(b, `part${index + 1}`, value, one);
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", value)), 3));
  return b.build();
}

function expectKept(placement: Placement): void {
  expect(brokenPromise(placement)).toBeUndefined();
}

describe("pruning saves the predicted cost", () => {
  test("in random networks", () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
        expectKept(placeAll(network(parts)));
      }),
      { numRuns: 60 },
    );
  });

  test("of a convolution applied twice, each with a batch norm: channels go from both and the layer before", () => {
    const placement = placeAll(network([{ kind: "twice", norms: "each", between: true }]));
    expect(placement.factors.map(({ kind, count, keepLast }) => [kind, count, keepLast])).toEqual([
      ["stream", 4, true],
    ]);
    expectKept(placement);
  });

  test("of a residual sum that a depthwise convolution reads: channels go from the sum and its reader", () => {
    const residual = { kind: "residual", channels: 3, norm: true, taps: "none" } as const;
    const placement = placeAll(network([residual, { kind: "depthwise", multiplier: 1, norm: true }]));
    expect(placement.factors.map(({ kind, count }) => [kind, count])).toEqual([
      ["stream", 4],
      ["neuron", 3],
      ["block", 1],
    ]);
    expectKept(placement);
  });

  test("of products of two values: channels are rows, or number the matrices", () => {
    const b = new GraphBuilder("products");
    const src = b.input("images", ["N", 3, 6, 6]);
    const convolve = (name: string, channels: number): string =>
      b.relu(`${name}.relu`, b.convolution(name, src, { channels, kernel: 1, bias: true }));
    const [rows, others, maps] = [convolve("rows", 5), convolve("others", 4), convolve("maps", 3)];
    const turned = b.transpose("turned", b.reshape("others.flat", others, [4, 36]), [0, 2, 1]);
    const ofRows = b.matmul("ofRows", b.reshape("rows.flat", rows, [5, 36]), turned);
    const ofMaps = b.matmul("ofMaps", maps, maps);
    const ends = [b.flatten("ofRows.flat", ofRows), b.flatten("ofMaps.flat", ofMaps)];
    b.output(b.linear("classifier", b.concatenation("ends", ends), 3));
    const placement = placeAll(b.build());
    expect(placement.factors.map(({ kind, count }) => [kind, count])).toEqual([
      ["neuron", 5],
      ["neuron", 3],
    ]);
    expectKept(placement);
  });
});

describe("structures that cannot be pruned get no factor, and a reason", () => {
  test("channels that groups of different sizes tie into one structure, on the only path", () => {
    const b = new GraphBuilder("uneven");
    let value = b.convolution("stem", b.input("images", ["N", 3, 6, 6]), { channels: 12, kernel: 1 });
    for (const groups of [4, 3]) {
      value = b.convolution(`groups${groups}`, b.relu(`relu${groups}`, value), { channels: 12, kernel: 1, groups });
    }
    b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", value)), 3));
    const graph = b.build();
    expect(structureKinds(graph)).toEqual([]);
    expect(refusedLayers(graph)).toContainEqual({
      layers: ["stem"],
      reason: "all of its channels form one structure, and there is no path around it",
    });
  });

  test("channels that are not zero behind their activation, in front of one number an image", () => {
    const b = new GraphBuilder("one number");
    const src = b.input("images", ["N", 3, 4, 4]);
    const first = b.relu("first.relu", b.convolution("first", src, { channels: 4, kernel: 1 }));
    const open = b.activation("open", b.convolution("last", first, { channels: 5, kernel: 1 }), {
      function: "sigmoid",
    });
    b.output(b.node("reduction", "number", [open], { function: "mean", axes: [1, 2, 3], keepsAxes: false }));
    const placement = placeAll(b.build());
    expect(placement.factors.map(({ parameter }) => parameter)).toEqual(["first.neuron.factor"]);
    expectKept(placement);
  });

  test("queries, keys and values of one channel each: no channel at zero makes its attention zero", () => {
    const b = new GraphBuilder("attention");
    const src = b.input("images", ["N", 3, 1, 4]);
    const joint = b.convolution("joint", src, { channels: 3, kernel: 1, bias: true });
    const part = (name: string, first: number, shape: readonly number[]): string => {
      const bounds = { starts: [0, first, 0, 0], ends: ["N", first + 1, 1, 4], steps: [1, 1, 1, 1] } as const;
      return b.reshape(`${name}.matrix`, b.node("slice", name, [joint], bounds), shape);
    };
    const scores = b.matmul("scores", part("queries", 0, [4, 1]), part("keys", 1, [1, 4]));
    const mixed = b.matmul("mixed", b.node("softmax", "weights", [scores], { axis: 2 }), part("values", 2, [4, 1]));
    const back = b.reshape("back", mixed, [1, 1, 4]);
    const after = b.relu("after.relu", b.convolution("after", back, { channels: 4, kernel: 1 }));
    b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", after)), 3));
    const placement = placeAll(b.build());
    expect(placement.factors.map(({ parameter, count }) => [parameter, count])).toEqual([["after.neuron.factor", 4]]);
    expectKept(placement);
  });

  test("a branch that other nodes read too", () => {
    const b = new GraphBuilder("tapped");
    const stem = b.relu("relu", b.convolution("stem", b.input("images", ["N", 3, 6, 6]), { channels: 4, kernel: 1 }));
    const inner = b.relu("inner", b.convolution("less", stem, { channels: 2, kernel: 1 }));
    const branch = b.convolution("more", inner, { channels: 4, kernel: 1 });
    const joined = b.concatenation("taps", [b.add("sum", stem, branch), branch]);
    b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", joined)), 3));
    const graph = b.build();
    expect(structureKinds(graph)).not.toContain("block");
    expect(refusedLayers(graph)).toContainEqual({
      layers: ["sum"],
      reason: "other nodes need every layer of its branch",
    });
  });
});
