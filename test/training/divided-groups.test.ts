/** Grouped convolutions whose groups do not fit together. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph, Network } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { compact } from "../../src/pruning/compact.ts";
import { parseBudget } from "../../src/selection/budget.ts";
import { factorsOf } from "../../src/selection/factors.ts";
import { place, refusedLayers } from "../../src/selection/place.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { dividedForBudget, unevenGroups, withDividedGroups } from "../../src/training/start/divided-groups.ts";
import { train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyShape } from "./tiny.ts";

/** A stem of 16 channels and three convolutions, each with a number of outputs and of groups. */
function network(...layers: readonly (readonly [channels: number, groups: number])[]): Graph {
  const builder = new GraphBuilder("groups");
  const images = builder.input("images", ["N", ...tinyShape]);
  let stream = builder.relu("stem.relu", builder.convolution("stem", images, { channels: 16, kernel: 3, padding: 1 }));
  for (const [index, [channels, groups]] of layers.entries()) {
    const options = { channels, groups, kernel: 3, padding: 1, bias: true } as const;
    stream = builder.relu(`relu${index}`, builder.convolution(`layer${index}`, stream, options));
  }
  const pooled = builder.flatten("flatten", builder.globalAveragePooling("pool", stream));
  builder.output(builder.linear("classifier", pooled, 3));
  return builder.build();
}

const uneven = network([32, 16], [24, 4], [24, 3]);
const engine = createReferenceEngine();

function answersOf({ graph, weights }: Network): Float32Array {
  const batch = 3;
  const plan = engine.prepare(graph, { batch });
  plan.write(weights);
  const random = new RandomStream(1, "images");
  const images = tensor([batch, ...tinyShape]);
  for (let index = 0; index < images.data.length; index++) images.data[index] = random.normal();
  const [output = ""] = graph.outputs;
  const { data } = required(plan.run({ images })[output], output);
  plan.dispose();
  return data;
}

function expectSame(a: Float32Array, b: Float32Array): void {
  expect(a).toHaveLength(b.length);
  for (const [index, value] of a.entries()) expect(value).toBeCloseTo(b[index] ?? Number.NaN, 5);
}

test("all but those with the most groups are found; groups that fit are left", () => {
  const found = (graph: Graph): readonly string[] => unevenGroups(graph).map(({ name }) => name);
  expect(found(uneven)).toEqual(["layer1", "layer2"]);
  expect(found(network([24, 4], [24, 3]))).toEqual(["layer1"]);
  expect(found(network([32, 16], [24, 4], [24, 4]))).toEqual([]);
  expect(found(network([32, 16], [32, 8], [24, 4]))).toEqual([]);
  expect(found(network([32, 1], [24, 4], [24, 1]))).toEqual([]);
});

test("one convolution for each group computes the same, and its channels are structures, cut exactly", () => {
  const whole: Network = { graph: uneven, weights: initialize(uneven, 3) };
  const divided = unevenGroups(uneven).reduce(withDividedGroups, whole);
  expectSame(answersOf(divided), answersOf(whole));
  expect(cost(divided.graph)).toEqual(cost(uneven));
  expect(refusedLayers(uneven)).not.toEqual([]);
  const { graph, factors } = place(divided.graph, { neurons: 1, groups: 1 });
  // 16 groups, the 6 channels of each of 4 convolutions, and the 8 of each of 3.
  expect(factors.map(({ kind, count }) => [kind, count])).toEqual([
    ["group", 16],
    ...Array(4).fill(["neuron", 6]),
    ...Array(3).fill(["neuron", 8]),
  ]);
  const weights = new Map(initialize(graph, 3));
  for (const [name, value] of divided.weights) weights.set(name, value);
  const random = new RandomStream(5, "zeros");
  for (const { parameter, count } of factorsOf(graph)) {
    weights.set(
      parameter,
      tensor(
        [count],
        Float32Array.from({ length: count }, () => random.integer(2)),
      ),
    );
  }
  const cut = compact({ graph, weights }).network;
  expect(cost(cut.graph).macs).toBeLessThan(cost(uneven).macs);
  expectSame(answersOf(cut), answersOf({ graph, weights }));
});

test("only a budget that cannot be reached otherwise divides", () => {
  const plain: Network = { graph: uneven, weights: new Map() };
  const select = {};
  const half = parseBudget("50%");
  const { network: changed, notice } = dividedForBudget(plain, { budget: half, select });
  expect(changed.graph.nodes.filter(({ op }) => op === "convolution")).toHaveLength(9);
  expect(notice).toMatch(/"layer1" \(4\) and "layer2" \(3\) becomes a convolution/);
  expect(dividedForBudget(plain, { select }).network).toBe(plain);
  expect(dividedForBudget(plain, { budget: half, select: { groups: 1 } }).network).toBe(plain);
  expect(dividedForBudget(plain, { budget: parseBudget("50%-latency"), select }).network).toBe(plain);
  const even = { graph: network([32, 16], [24, 4], [24, 4]), weights: new Map() };
  expect(dividedForBudget(even, { budget: half, select }).network).toBe(even);
});

test("a run ends at its budget, with a certificate", async () => {
  const folder = join(temporaryFolder(), "run");
  const options = { data: tinyDataset(64, 12), engine: "reference", epochs: 30, batch: 16, latency: false } as const;
  const start: Network = { graph: uneven, weights: initialize(uneven, 1) };
  const run = await train(start, { ...options, budget: parseBudget("50%"), folder });
  expect(run.certificate.passed).toBe(true);
  expect(Math.abs(run.after.macs / run.before.macs - 0.5)).toBeLessThan(0.05);
  const notices = (await readEvents(folder)).flatMap((event) => (event.type === "notice" ? [event.message] : []));
  expect(notices.join("\n")).toMatch(/"layer2" \(3\) becomes a convolution/);
});
