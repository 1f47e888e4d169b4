/**
 * Placing factors takes time in proportion to the network: counted are the channels that are looked at, for each
 * channel that there is. A DenseNet is the hard case, where a channel is read by all layers after it in its block.
 */
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { selectableLayers } from "../../src/selection/layers.ts";
import { PlacementAnalysis } from "../../src/selection/placement-analysis.ts";
import { RequiredPath } from "../../src/selection/required-path.ts";
import { findStreams } from "../../src/selection/streams.ts";

/** Two convolutions a layer; each block's features are joined anew for every layer, or one after another. */
function denseNet(layers: number, joins: "all at once" | "one by one"): Graph {
  const b = new GraphBuilder(`densenet-${layers}`);
  let features = b.convolution("stem", b.input("images", ["N", 3, 32, 32]), { channels: 8, kernel: 3, padding: 1 });
  for (let block = 1; block <= 4; block++) {
    const parts = [features];
    for (let layer = 1; layer <= layers / 8; layer++) {
      const name = `block${block}.layer${layer}`;
      const first = b.relu(`${name}.relu1`, b.batchNormalization(`${name}.norm1`, features));
      const narrow = b.convolution(`${name}.conv1`, first, { channels: 8, kernel: 1 });
      const second = b.relu(`${name}.relu2`, b.batchNormalization(`${name}.norm2`, narrow));
      parts.push(b.convolution(`${name}.conv2`, second, { channels: 2, kernel: 3, padding: 1 }));
      const joined = joins === "all at once" ? [...parts] : [features, parts.at(-1) ?? ""];
      features = b.concatenation(`${name}.join`, joined);
    }
    const last = b.relu(`block${block}.relu`, b.batchNormalization(`block${block}.norm`, features));
    features = b.convolution(`block${block}.conv`, last, { channels: 8, kernel: 1 });
  }
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", features)), 10));
  return b.build();
}

/** Convolutions in a row: each is on the only path. */
function chain(layers: number): Graph {
  const b = new GraphBuilder(`chain-${layers}`);
  let value = b.input("images", ["N", 3, 32, 32]);
  for (let layer = 1; layer <= layers; layer++) {
    value = b.convolution(`conv${layer}`, value, { channels: 8, kernel: 3, padding: 1 });
    value = b.relu(`relu${layer}`, b.batchNormalization(`norm${layer}`, value));
  }
  b.output(b.linear("classifier", b.flatten("flatten", b.globalAveragePooling("pool", value)), 10));
  return b.build();
}

/**
 * Looks at channels, for each that the activations have: to find the places for factors, and those on the only path.
 */
function looksPerChannel(graph: Graph): { readonly places: number; readonly path: number } {
  const shapes = inferShapes(graph, 1);
  const channels = graph.nodes.reduce((sum, { outputs: [dst = ""] }) => sum + (shapes.get(dst)?.[1] ?? 0), 0);
  const analysis = new PlacementAnalysis(graph);
  const layers = selectableLayers(analysis);
  const { streams } = findStreams(analysis, layers);
  const path = new RequiredPath(graph);
  for (const { sites, count } of [...layers, ...streams].toReversed()) path.keptRun(sites, count);
  return { places: analysis.visits / channels, path: path.visits / channels };
}

describe.each([
  ["DenseNets, joined all at once", (layers: number) => denseNet(layers, "all at once")],
  ["DenseNets, joined one by one", (layers: number) => denseNet(layers, "one by one")],
  ["layers in a row", chain],
] as const)("%s", (_, build) => {
  test("a network of 400 layers visits each channel as often as one of 50", () => {
    const [small, ...larger] = [50, 100, 200, 400].map((layers) => looksPerChannel(build(layers)));
    for (const { places, path } of larger) {
      expect(places).toBeLessThan(1.2 * (small?.places ?? 0) + 0.5);
      expect(path).toBeLessThan(1.2 * (small?.path ?? 0) + 0.5);
    }
    expect(small?.places).toBeLessThan(10);
    expect(small?.path).toBeLessThan(10);
  });
});
