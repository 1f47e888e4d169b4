/** ONNX Runtime runs written files and gives the outputs of the reference engine. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { openRuntime } from "../../../src/evaluation/onnx-runtime.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { bindBatch } from "../../../src/graph/shapes.ts";
import { model } from "../../../src/models/zoo.ts";
import { fold } from "../../../src/selection/fold.ts";
import { place, structureKinds } from "../../../src/selection/place.ts";
import { type Case, opCases } from "../../engine/cases.ts";
import { normal, randomFeeds, randomWeights, relativeDifference } from "../../engine/random-data.ts";
import { buildNetwork, piece } from "../../pruning/networks.ts";
import { layoutGraphs } from "./layouts.ts";

async function expectSameInRuntime(graph: Graph, batch: number): Promise<void> {
  const [input] = graph.inputs;
  if (input === undefined) throw new Error("no input");
  const weights = randomWeights(graph, 5);
  const images = normal(bindBatch(input.shape, batch), 6, "images");
  const plan = createReferenceEngine().prepare(graph, { batch });
  plan.write(weights);
  const others = Object.fromEntries(
    Object.entries(randomFeeds(graph, batch, 7)).flatMap(([name, value]) =>
      value.dtype === "f32" && name !== input.name ? [[name, value] as const] : [],
    ),
  );
  const expected = plan.run({ ...others, [input.name]: images });
  const session = await openRuntime(writeOnnx({ graph, weights }), graph.name);
  const results = await session.run(images, others);
  await session.dispose();
  expect([...results.keys()]).toEqual(graph.outputs);
  for (const [name, { shape, data }] of results) {
    expect(shape).toEqual(expected[name]?.shape);
    expect(relativeDifference(data, expected[name]?.data ?? new Float32Array())).toBeLessThan(2e-5);
  }
}

/** It resizes volumes, but not by cubic interpolation. */
const isInRuntime = ({ name }: Case): boolean => !/^resampling of volumes: .*"cubic"/.test(name);

describe("ONNX Runtime agrees with the reference engine", () => {
  test.each(opCases.filter(isInRuntime))("$name", async ({ graph, batch }) => {
    await expectSameInRuntime(graph, batch);
  });

  test.each(layoutGraphs)("$name", async (graph) => {
    await expectSameInRuntime(graph, 2);
  });

  test.each(["resnet-20", "resnet-20-b"])("%s with factors, plain and folded", async (name) => {
    const graph = place(model(name, { classes: 10, size: 8 }), { neurons: 0, blocks: 0 }).graph;
    await expectSameInRuntime(graph, 2);
    await expectSameInRuntime(fold(graph), 1);
  });

  test("random networks with factors", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 3 }), async (pieces) => {
        const graph = buildNetwork(pieces, "pool", 0);
        const kinds = structureKinds(graph).map((kind) => [`${kind}s`, 0]);
        await expectSameInRuntime(place(graph, Object.fromEntries(kinds)).graph, 2);
      }),
      { numRuns: 20 },
    );
  });
});
