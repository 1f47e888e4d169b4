/**
 * What CI does with the packed library in an empty folder, without ONNX Runtime: trains a small network on pictures
 * that it makes, and checks that the certificate says who made it. Copied there, so that "espalier" is the package that
 * was installed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { loadOnnx, model, train } from "espalier";
import { allocateSplit } from "espalier/datasets";
import { measureLatency } from "espalier/engine";
import { GraphBuilder } from "espalier/graph";

const side = 8;

/** Squares that are bright in the left half or in the right half. */
function pictures(count) {
  const split = allocateSplit(count, [1, side, side]);
  for (let pixel = 0; pixel < count * side * side; pixel++) {
    const [image, column] = [Math.floor(pixel / (side * side)), pixel % side];
    split.labels[image] = image % 2;
    split.images[pixel] = column < side / 2 === (image % 2 === 0) ? 200 - (image % 50) : 30;
  }
  return split;
}

const builder = new GraphBuilder("halves");
let value = builder.input("images", ["N", 1, side, side]);
value = builder.convolution("conv", value, { channels: 8, kernel: 3, padding: 1 });
value = builder.relu("relu", builder.batchNormalization("norm", value));
builder.output(builder.linear("classifier", builder.flatten("flatten", value), 2));

const run = await train(builder.build(), {
  data: {
    ...{ name: "halves", classes: ["left", "right"], sampleShape: [1, side, side] },
    normalization: { mean: [0.5], standardDeviation: [0.3] },
    augmentation: { pad: 0, flip: false },
    train: pictures(256),
    test: pictures(64),
  },
  ...{ select: { neurons: 0.01 }, epochs: 4, batch: 32, folder: "run" },
});
assert(run.after.accuracy > 90, `${run.after.accuracy} % accurate`);
assert.equal(run.after.accuracy, run.before.accuracy);
const { passed, witness, onnxRuntime } = run.certificate;
assert.deepEqual({ passed, onnxRuntime }, { passed: true, onnxRuntime: undefined });
assert.match(witness, /^the (onednn engine|reference engine( again)?)$/);
assert.equal(run.after.latencyMilliseconds, null);
assert.match(readFileSync("run/events.jsonl", "utf8"), /ONNX Runtime is not installed/);
await assert.rejects(measureLatency(["run/compact.onnx"]), { code: "engine-missing", message: /npm install/ });
assert((await loadOnnx("run/compact.onnx")).graph.nodes.length > 0);
assert(model("resnet-20").nodes.length > 0);
