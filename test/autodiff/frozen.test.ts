/** Parameters that training leaves as they are. */
import { describe, expect, test } from "vitest";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { tensor } from "../../src/core/tensor.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { labels, normal, relativeDifference } from "../engine/random-data.ts";

const BATCH = 4;
const options = {
  batch: BATCH,
  sgd: { momentum: 0.9, weightDecay: 0.1 },
  factors: { momentum: 0.9, keepLast: new Set<string>() },
};

/** Two convolutions, batch norms and a linear layer. `isFrozen`: the first weights, and all scales. */
function network(isFrozen: boolean): Graph {
  const builder = new GraphBuilder("network");
  const src = builder.input("images", ["N", 3, 6, 6]);
  const first = builder.convolution("first", src, { channels: 5, kernel: 2, bias: true, weights: { isFrozen } });
  const second = builder.convolution("second", builder.gelu("gelu", first), { channels: 6, kernel: 3 });
  const normed = builder.relu("relu", builder.batchNormalization("norm", second, { isScaleFrozen: isFrozen }));
  builder.output(builder.linear("fc", builder.flatten("flat", builder.globalAveragePooling("pool", normed)), 3));
  return builder.build();
}

/** All parameters after one step. */
function stepped(engine: Engine, network: Graph) {
  const graph = trainingGraph(network, options);
  const plan = engine.prepare(graph, { batch: BATCH });
  plan.write(initialize(graph, 2));
  plan.run({
    images: normal([BATCH, 3, 6, 6], 1, "images"),
    labels: labels(BATCH, 3, 1),
    learning_rate: tensor([], Float32Array.of(0.1)),
  });
  const values = plan.read(network.parameters.map(({ name }) => name));
  plan.dispose();
  return values;
}

const frozen = ["first.weights", "norm.scale"];

describe("frozen parameters", () => {
  test("have no step, no velocity and no gradient of their own", () => {
    const graph = trainingGraph(network(true), options);
    const names = graph.parameters.map(({ name }) => name);
    for (const name of frozen) {
      expect(names).toContain(name);
      expect(names).not.toContain(`${name}.velocity`);
      expect(graph.updates.map(({ parameter }) => parameter)).not.toContain(name);
    }
    const nodes = graph.nodes.map(({ name }) => name);
    expect(nodes).toContain("first.backward_bias");
    expect(nodes).not.toContain("first.backward_weights");
    expect(nodes).toContain("second.backward_weights");
  });

  test.each([
    ["reference", () => createReferenceEngine()],
    ["oneDNN", () => createOneDnnEngine({ threads: 2 })],
  ] as const)("stay, and all others step as beside trained ones: %s", (_, create) => {
    const start = initialize(network(true), 2);
    const [with_, without] = [true, false].map((isFrozen) => stepped(create(), network(isFrozen)));
    for (const { name } of network(true).parameters) {
      const [own, other] = [with_?.get(name)?.data, without?.get(name)?.data];
      if (frozen.includes(name)) {
        expect(own, name).toEqual(start.get(name)?.data);
        expect(other, name).not.toEqual(start.get(name)?.data);
      } else {
        expect(relativeDifference(own ?? new Float32Array(), other ?? new Float32Array([1])), name).toBeLessThan(1e-5);
      }
    }
  });
});
