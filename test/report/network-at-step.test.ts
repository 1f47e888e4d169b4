import { describe, expect, it } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { viewOfCut } from "../../src/report/cut-view.ts";
import { viewAt } from "../../src/report/network-at-step.ts";
import { skeletonOf } from "../../src/report/network-skeleton.ts";
import { type StructureView, structureOf } from "../../src/report/structure.ts";
import type { Factor, Selection } from "../../src/selection/factors.ts";
import { place } from "../../src/selection/place.ts";

/** A network with factors, some of them zero; never all of a layer that is on the only path. */
function withZeros(name: string, select: Selection) {
  const { graph, factors } = place(model(name), select);
  const weights = new Map(initialize(graph, 1));
  const random = new RandomStream(5, name);
  const alive: number[] = [];
  for (const { parameter, count, kind } of factors) {
    const states = Array.from({ length: count }, (_, index) =>
      kind === "block" ? Number(random.uniform() > 0.3) : Number(index === 0 || random.uniform() > 0.4),
    );
    alive.push(...states);
    weights.set(parameter, tensor([count], Float32Array.from(states)));
  }
  return { graph, weights, factors: factors satisfies readonly Factor[], alive: Uint8Array.from(alive) };
}

/** Every structure of `factors` alive. */
function allOf(factors: readonly Factor[]): Uint8Array {
  return new Uint8Array(factors.reduce((sum, { count }) => sum + count, 0)).fill(1);
}

function figures({ layers }: StructureView): string[] {
  return layers.map((layer) => `${layer.name}: ${layer.widthAfter} channels, ${layer.macsAfter} MACs`);
}

describe("the network at a moment", () => {
  it.each([
    ["vgg-16", { neurons: 0.1 }],
    ["resnet-20", { neurons: 0.1, blocks: 0.1 }],
    ["resnet-164", { neurons: 0.1, blocks: 0.1 }],
  ] as const)("has the widths and MACs that cutting %s would leave", (name, select) => {
    const { graph, weights, factors, alive } = withZeros(name, select);
    const exact = structureOf(graph, compact({ graph, weights }).network.graph);
    const drawn = viewAt(skeletonOf(graph, factors), alive);
    expect(figures(drawn)).toEqual(figures(exact));
    expect(drawn.blocks.map(({ isCut }) => isCut)).toEqual(exact.blocks.map(({ isCut }) => isCut));
  });

  it.each(["vgg-16", "resnet-164", "resnext-50", "densenet-40"])("is all of %s while nothing is zero", (name) => {
    const { graph, factors } = place(model(name), name === "densenet-40" ? { streams: 0.1 } : { neurons: 0.1 });
    const skeleton = skeletonOf(graph, factors);
    expect(viewAt(skeleton, allOf(factors))).toEqual(skeleton.view);
  });

  it("tells the groups of a ResNeXt one by one, in the moment and after the cut", () => {
    const { graph, factors } = place(model("resnext-50"), { groups: 0.1 });
    const weights = new Map(initialize(graph, 1));
    const [first] = factors;
    if (first === undefined) throw new Error("the network has no groups");
    const states = Float32Array.from({ length: first.count }, (_, group) => (group % 3 === 0 ? 0 : 1));
    weights.set(first.parameter, tensor([first.count], states));
    const skeleton = skeletonOf(graph, factors);
    const alive = allOf(factors);
    states.forEach((state, group) => {
      alive[group] = state;
    });
    expect(alive.filter((one) => one === 0)).toHaveLength(11);
    const cut = compact({ graph, weights }).network.graph;
    const drawn = viewAt(skeleton, alive);
    expect(figures(drawn)).toEqual(figures(structureOf(graph, cut)));
    for (const view of [drawn, viewOfCut({ graph, weights }, cut, factors, skeleton)]) {
      const grouped = view.layers.filter(({ groups }) => groups.length > 0);
      expect(grouped).toHaveLength(16);
      expect(grouped[0]?.groups).toEqual(Array.from(states, (state) => state !== 0));
      for (const { groups } of grouped.slice(1)) expect(groups).toEqual(groups.map(() => true));
    }
  });

  it("narrows every reader of a stream of a DenseNet", () => {
    const { graph, factors } = place(model("densenet-40"), { streams: 0.1 });
    const skeleton = skeletonOf(graph, factors);
    const alive = allOf(factors);
    // The first half of what the stem writes into the first stream.
    alive.fill(0, 0, 8);
    const { layers } = viewAt(skeleton, alive);
    const share = (name: string) => {
      const layer = layers.find((one) => one.name === name);
      return layer === undefined ? undefined : [layer.widthAfter, layer.macsAfter / layer.macsBefore];
    };
    expect(share("stem.conv")).toEqual([8, 0.5]);
    expect(share("block1.layer1.conv1")).toEqual([12, 0.5]);
    expect(share("block1.layer2.conv1")?.[1]).toBeCloseTo(20 / 28, 12);
  });
});
