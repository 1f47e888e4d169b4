/** Transposed convolutions of wide images, whose gradients oneDNN 2.6.3 has a faulty kernel for on AMX. */
import { expect, it } from "vitest";
import { vectorJacobianGraph } from "../../../src/autodiff/gradient-graph.ts";
import { required } from "../../../src/core/errors.ts";
import { faultsOf } from "../../../src/engine/onednn/ffi/faults.ts";
import { oneDnn } from "../../../src/engine/onednn/ffi/library.ts";
import { createOneDnnEngine } from "../../../src/engine/onednn/index.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { expectNearReferenceInBf16 } from "../conformance.ts";
import { randomFeeds, randomWeights } from "../random-data.ts";

/** From rows of 116 pixels to rows of 232. */
function wide() {
  const builder = new GraphBuilder("wide");
  const src = builder.input("images", ["N", 32, 6, 116]);
  const options = { channels: 32, kernel: 3, strides: 2, padding: 1, outputPadding: 1 } as const;
  builder.output(builder.deconvolution("layer", src, options));
  return builder.build();
}

const engine = createOneDnnEngine();

it.runIf(engine.precisions.includes("bf16"))("rows of more than 224 pixels in bf16 have no faulty gradient", () => {
  expectNearReferenceInBf16(engine, { name: "wide rows", batch: 1, graph: wide() });
  const graph = vectorJacobianGraph(wide(), {});
  const plan = engine.prepare(graph, { batch: 1, precision: "bf16" });
  plan.write(randomWeights(graph, 1));
  const steps = plan.explain(randomFeeds(graph, 1, 1), 1);
  plan.dispose();
  const { implementation } = required(
    steps.find(({ node, op }) => node === "layer.backward_weights" && op === "deconvolution_backward_weights"),
    "the gradient's step",
  );
  expect(faultsOf(oneDnn()).weightGradientsOfWideRows && implementation.includes("amx")).toBe(false);
});
