import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tensor } from "../../../src/core/tensor.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeRules } from "../../../src/formats/onnx/table.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { cost } from "../../../src/graph/cost.ts";
import type { Graph, Weights } from "../../../src/graph/graph.ts";
import { model, modelNames } from "../../../src/models/zoo.ts";
import { fold } from "../../../src/selection/fold.ts";
import { place, structureKinds } from "../../../src/selection/place.ts";
import { opCases } from "../../engine/cases.ts";
import { randomWeights } from "../../engine/random-data.ts";
import { buildNetwork, type Head, heads, outputDifference, type Piece, piece } from "../../pruning/networks.ts";
import { layoutGraphs } from "./layouts.ts";

/** Writes and reads `graph` with random weights; asserts that graph, weights and bytes come back the same. */
function expectSame(graph: Graph, weights = randomWeights(graph, 3)): void {
  const bytes = writeOnnx({ graph, weights });
  const read = readOnnx(bytes, "test.onnx");
  expect(read.graph).toEqual(graph);
  expect([...read.weights.keys()]).toEqual(graph.parameters.map(({ name }) => name));
  for (const [name, { shape, data }] of read.weights) {
    expect(shape).toEqual(weights.get(name)?.shape);
    expect(isSame(data, weights.get(name)?.data)).toBe(true);
  }
  expect(isSame(writeOnnx(read), bytes)).toBe(true);
}

/**
 * For graphs with transposes, which may cancel when they are read: the outputs stay the same, and the network that was
 * read round-trips.
 */
function expectSameAnswers(graph: Graph): void {
  const network = { graph, weights: randomWeights(graph, 3) };
  const read = readOnnx(writeOnnx(network), "test.onnx");
  expect(outputDifference(network, read)).toBeLessThan(1e-5);
  expectSame(read.graph, read.weights);
}

/** Cheap values for large networks: every tensor counts up from its own number. */
function countedWeights(graph: Graph): Weights {
  return new Map(
    graph.parameters.map(({ name, shape }, index) => {
      const values = tensor(shape);
      for (let at = 0; at < values.data.length; at++) values.data[at] = index + at / 1024;
      return [name, values];
    }),
  );
}

/** Compares bit for bit. A deep comparison of millions of numbers takes minutes. */
function isSame(a: Uint8Array | Float32Array, b: Uint8Array | Float32Array | undefined): boolean {
  if (b === undefined) return false;
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}

/** The input of `buildNetwork`. */
interface Blueprint {
  readonly pieces: readonly Piece[];
  readonly head: Head;
  readonly hidden: number;
}

const selectAll = { neuron: { neurons: 1 }, group: { groups: 1 }, block: { blocks: 1 }, stream: { streams: 1 } };

function placed(graph: Graph): Graph {
  return place(graph, Object.assign({}, ...structureKinds(graph).map((kind) => selectAll[kind]))).graph;
}

/**
 * Its padding is moved ahead of the transpose, and the file's own pads already have the name that the moved pads would
 * get.
 */
const padsBehindATransposing: Blueprint = {
  pieces: [
    { kind: "split", at: 1, op: "add" },
    { kind: "transposed", permutation: [0, 2, 3, 1] },
    { kind: "residual", width: 1, shortcut: "A", norm: false, depth: 1 },
  ],
  head: "pool",
  hidden: 0,
};

/** Its constants lie along the height axis, not along the channels. */
const gainsOfRows: Blueprint = {
  pieces: [
    { kind: "transposed", permutation: [0, 2, 3, 1] },
    { kind: "gain", withBias: true },
    { kind: "grouped", groups: 2, perGroup: 1, norm: false },
  ],
  head: "flatten",
  hidden: 1,
};

/**
 * Their softmax and concatenation run along the channel axis that the transpose made; before the transpose it was the
 * row axis.
 */
const attentionOverRows: Blueprint = {
  pieces: [{ kind: "transposed", permutation: [0, 2, 3, 1] }, { kind: "attention" }],
  head: "pool",
  hidden: 0,
};
const joinedRows: Blueprint = {
  pieces: [
    { kind: "transposed", permutation: [0, 2, 3, 1] },
    { kind: "split", at: 4, op: "concatenation" },
  ],
  head: "flatten, channels last",
  hidden: 0,
};

describe("a written network reads back unchanged", () => {
  test.each(opCases.map(({ name, graph }) => [name, graph] as const))("%s", (_, graph) => {
    expectSame(graph);
  });

  test.each(layoutGraphs)("$name", (graph) => {
    expectSame(graph);
  });

  test("the cases above cover every op", () => {
    const ops = new Set(
      [...opCases.map(({ graph }) => graph), ...layoutGraphs].flatMap(({ nodes }) => nodes.map(({ op }) => op)),
    );
    expect([...ops].toSorted()).toEqual(Object.keys(writeRules).toSorted());
  });

  // The other models are larger and have the same layers as one of these.
  const ofModestSize = modelNames.filter((name) => cost(model(name)).parameters < 15e6);
  test.each(ofModestSize)("%s", (name) => {
    const graph = model(name, { classes: 10 });
    expectSame(graph, countedWeights(graph));
  });

  test.each(["resnet-20", "resnet-32-b", "vgg-16", "resnext-20"])("%s with factors, and folded", (name) => {
    const graph = placed(model(name, { classes: 10 }));
    for (const form of [graph, fold(graph)]) expectSame(form, countedWeights(form));
  });

  test("random networks, plain, with factors, and folded", () => {
    const networks: fc.Arbitrary<Blueprint> = fc.record({
      pieces: fc.array(piece, { maxLength: 4 }),
      head: fc.constantFrom(...heads),
      hidden: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(networks, ({ pieces, head, hidden }) => {
        const graph = buildNetwork(pieces, head, hidden);
        const isAsItIs = pieces.every(({ kind }) => kind !== "transposed");
        for (const form of [graph, placed(graph), fold(placed(graph))]) {
          if (isAsItIs) expectSame(form);
          else expectSameAnswers(form);
        }
      }),
      { numRuns: 60, examples: [[padsBehindATransposing], [gainsOfRows], [attentionOverRows], [joinedRows]] },
    );
  });

  test("any epsilon and momentum, to the last bit", () => {
    const positive = fc.double({ min: 1e-12, max: 1, noNaN: true });
    fc.assert(
      fc.property(positive, fc.double({ min: 0, max: 1, noNaN: true }), (epsilon, momentum) => {
        const builder = new GraphBuilder("norm");
        builder.output(
          builder.batchNormalization("norm", builder.input("images", ["N", 2, 3, 3]), { epsilon, momentum }),
        );
        expectSame(builder.build());
      }),
    );
  });
});
