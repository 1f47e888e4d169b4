/** Who vouches for the exported file. */
import { expect, test } from "vitest";
import { optional } from "../../src/core/optional.ts";
import { oneDnnIsAbsent } from "../../src/engine/onednn/ffi/locate.ts";
import { findWitness, type Witness } from "../../src/evaluation/witness.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";

async function witnessOf(name: string, engine: string, runtime?: boolean): Promise<Witness> {
  const graph = model(name);
  const compact = { graph, weights: initialize(graph, 1) };
  const witness = await findWitness({
    ...{ compact, compactFile: "compact.onnx", engine },
    ...optional({ runtime }),
  });
  await witness.dispose();
  return witness;
}

test("ONNX Runtime where it is installed, on all images", async () => {
  const { name, version, images } = await witnessOf("resnet-20", "onednn");
  expect({ name, images }).toEqual({ name: "ONNX Runtime", images: undefined });
  expect(version).toMatch(/^1\.\d+\.\d+$/);
});

test("the reference engine beside oneDNN, on images for about half a minute, and on one at least", async () => {
  // 40.6 and 4,089 million MACs an image.
  expect(await witnessOf("resnet-20", "onednn", false)).toMatchObject({ name: "the reference engine", images: 98 });
  expect(await witnessOf("resnet-50", "onednn", false)).toMatchObject({ images: 1 });
});

test.skipIf(oneDnnIsAbsent())("oneDNN beside the reference engine", async () => {
  const { name, images } = await witnessOf("resnet-20", "reference", false);
  expect({ name, images }).toEqual({ name: "the onednn engine", images: undefined });
});
