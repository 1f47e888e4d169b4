/** Layers that read images, with widths that fill no vector, for which oneDNN 2.6.3 has no kernels in bf16. */
import { expect, it } from "vitest";
import { vectorJacobianGraph } from "../../../src/autodiff/gradient-graph.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { expectNearReferenceInBf16 } from "../conformance.ts";
import { randomFeeds, randomWeights } from "../random-data.ts";

function firstLayer(inputs: number, outputs: number) {
  const builder = new GraphBuilder(`${inputs} to ${outputs}`);
  const images = builder.input("images", ["N", inputs, 12, 12]);
  const hidden = builder.relu(
    "relu",
    builder.convolution("layer", images, { channels: outputs, kernel: 3, padding: 1 }),
  );
  builder.output(builder.convolution("next", hidden, { channels: 16, kernel: 1 }));
  return builder.build();
}

const engine = createOneDnnEngine();

it.runIf(engine.precisions.includes("bf16")).each([
  [1, 11],
  [3, 11],
  [3, 45],
  [4, 11],
])("images of %i channels and %i outputs are not left to the library's plain loops", (inputs, outputs) => {
  const graph = firstLayer(inputs, outputs);
  expectNearReferenceInBf16(engine, { name: graph.name, batch: 4, graph });
  const gradients = vectorJacobianGraph(graph, {});
  const plan = engine.prepare(gradients, { batch: 4, precision: "bf16" });
  plan.write(randomWeights(gradients, 1));
  const steps = plan.explain(randomFeeds(gradients, 4, 1), 1);
  plan.dispose();
  const own = steps.filter(({ node, op }) => node.startsWith("layer") && op.startsWith("convolution"));
  expect(own.map(({ op }) => op)).toContain("convolution_backward_weights");
  for (const { implementation } of own) expect(implementation).not.toMatch(/\bref\b/);
});
