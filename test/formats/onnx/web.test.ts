/**
 * A written file runs in a browser too: ONNX Runtime's WebAssembly build, which also runs in Node, gives the same
 * outputs for a compact network.
 */
import { InferenceSession, Tensor as WebTensor } from "onnxruntime-web";
import { expect, test } from "vitest";
import { required } from "../../../src/core/errors.ts";
import { openRuntime } from "../../../src/evaluation/onnx-runtime.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { cost } from "../../../src/graph/cost.ts";
import type { Network } from "../../../src/graph/graph.ts";
import { model } from "../../../src/models/zoo.ts";
import { compact } from "../../../src/pruning/compact.ts";
import { place } from "../../../src/selection/place.ts";
import { normal, randomWeights, relativeDifference } from "../../engine/random-data.ts";
import { zeroFactors } from "../../pruning/networks.ts";

/** Prunes every third channel, and the second block if there is one. */
function cut(name: string): Network {
  const plain = model(name, { classes: 10 });
  const { graph, factors } = place(plain, { neurons: 1, blocks: 1 });
  const zeros = factors.map(({ parameter, kind, count }, index): [string, number[]] => [
    parameter,
    kind === "block"
      ? index % 5 === 0
        ? [0]
        : []
      : Array.from({ length: count }, (_, at) => at).filter((at) => at % 3 === 1),
  ]);
  const { network } = compact(zeroFactors({ graph, weights: randomWeights(graph, 3) }, Object.fromEntries(zeros)));
  expect(cost(network.graph).macs).toBeLessThan(0.8 * cost(plain).macs);
  return network;
}

test.each(["resnet-20", "mobilenet-v2-cifar"])("%s after pruning", async (name) => {
  const bytes = writeOnnx(cut(name));
  const images = normal([4, 3, 32, 32], 6, "images");
  const native = await openRuntime(bytes, name);
  const output = required(native.outputs[0], "an output");
  const expected = required((await native.run(images)).get(output), "logits").data;
  await native.dispose();

  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const feeds = { [required(session.inputNames[0], "an input")]: new WebTensor("float32", images.data, images.shape) };
  const logits = (await session.run(feeds))[output]?.data;
  await session.release();
  expect(logits).toBeInstanceOf(Float32Array);
  expect(relativeDifference(Float32Array.from(logits as Float32Array), expected)).toBeLessThan(1e-4);
});
