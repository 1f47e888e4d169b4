import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { model } from "../../src/models/zoo.ts";
import { layOut } from "../../src/report/layout.ts";
import { structureOf } from "../../src/report/structure.ts";

/** A stem, one block with `inner` channels (none: only its shortcut is left), a classifier. */
function small(inner: number): Graph {
  const builder = new GraphBuilder("small");
  const images = builder.input("images", ["N", 3, 8, 8]);
  const stem = builder.relu("stem.relu", builder.convolution("stem", images, { channels: 4, kernel: 3, padding: 1 }));
  let stream = stem;
  if (inner > 0) {
    const first = builder.convolution("first", stem, { channels: inner, kernel: 3, padding: 1 });
    const second = builder.convolution("second", builder.relu("relu", first), { channels: 4, kernel: 3, padding: 1 });
    stream = builder.add("sum", second, stem);
  }
  const pooled = builder.flatten("flat", builder.globalAveragePooling("pool", stream));
  builder.output(builder.linear("classifier", pooled, 10));
  return builder.build();
}

describe("structureOf", () => {
  it("reads widths and MACs before and after", () => {
    const { layers, blocks } = structureOf(small(8), small(3));
    expect(layers.map(({ name, widthBefore, widthAfter }) => [name, widthBefore, widthAfter])).toEqual([
      ["stem", 4, 4],
      ["first", 8, 3],
      ["second", 4, 4],
      ["classifier", 10, 10],
    ]);
    const [, first, second] = layers;
    expect(first).toMatchObject({ macsBefore: 64 * 9 * 4 * 8, macsAfter: 64 * 9 * 4 * 3, pixels: "8×8" });
    expect(second).toMatchObject({ macsBefore: 64 * 9 * 8 * 4, macsAfter: 64 * 9 * 3 * 4 });
    expect(blocks).toEqual([{ name: "sum", ending: "sum", first: 1, last: 2, shortcut: undefined, isCut: false }]);
  });

  it("sees that a whole branch was cut", () => {
    const { layers, blocks } = structureOf(small(8), small(0));
    expect(layers.map(({ widthAfter }) => widthAfter)).toEqual([4, 0, 0, 10]);
    expect(blocks[0]?.isCut).toBe(true);
  });

  it("finds the nine blocks of ResNet-20 and, with option B, two projections", () => {
    const a = model("resnet-20", { classes: 10 });
    const b = model("resnet-20-b", { classes: 10 });
    expect(structureOf(a, a).blocks).toHaveLength(9);
    expect(structureOf(a, a).layers).toHaveLength(20);
    const projected = structureOf(b, b);
    expect(projected.layers).toHaveLength(20);
    expect(projected.blocks.map(({ shortcut }) => shortcut?.widthBefore)).toEqual([
      undefined,
      undefined,
      undefined,
      32,
      undefined,
      undefined,
      64,
      undefined,
      undefined,
    ]);
  });

  it("finds the layers whose channels a DenseNet puts behind the others", () => {
    const dense = model("densenet-121");
    const { layers, blocks } = structureOf(dense, dense);
    expect(blocks).toHaveLength(6 + 12 + 24 + 16);
    // A 1 × 1 and a 3 × 3 convolution each, the second with as many channels as the network grows by.
    const pairs = blocks.map(({ ending, first, last, shortcut }) => [
      ending,
      last - first,
      layers[last]?.widthBefore,
      shortcut,
    ]);
    expect(new Set(pairs.map((pair) => JSON.stringify(pair)))).toEqual(
      new Set([JSON.stringify(["join", 1, 32, undefined])]),
    );
  });

  it("draws a plain network without blocks", () => {
    const vgg = model("vgg-16", { classes: 10 });
    expect(structureOf(vgg, vgg).blocks).toEqual([]);
  });
});

describe("layOut", () => {
  it.each([
    "resnet-20",
    "resnet-110",
    "resnext-20",
    "vgg-16",
    "resnet-164",
    "densenet-121",
    "peleenet",
    "mobilenet-v2",
  ])("keeps %s inside the page at both widths", (name) => {
    const graph = model(name, { classes: 10 });
    const view = structureOf(graph, graph);
    for (const width of [358, 1120]) {
      const { lines, pitch } = layOut(view, width);
      const placed = lines.flatMap((line) => line.layers);
      expect(placed.map(({ layer }) => layer)).toEqual(view.layers);
      for (const line of lines) {
        expect(line.end).toBeLessThanOrEqual(width - 15);
        const columns = line.layers.map(({ x }) => x);
        columns.slice(1).forEach((x, index) => {
          expect(x - (columns[index] ?? 0)).toBeGreaterThanOrEqual(pitch - 1e-6);
        });
      }
      expect(lines.flatMap((line) => line.blocks)).toHaveLength(view.blocks.length);
    }
  });
});
