/** A folder for transformers.js, loaded by the library itself where it is installed. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { optional } from "../../src/core/optional.ts";
import { tensor } from "../../src/core/tensor.ts";
import { decodeImage } from "../../src/data/images/decode.ts";
import { centreView } from "../../src/data/images/view.ts";
import { saveForTransformersJs } from "../../src/deployment/transformers-js.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Network } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { writePicture } from "../data/images/images.ts";
import { temporaryFolder, userError } from "../data/support.ts";
import { referenceHost } from "../evaluation/reference-host.ts";

const child = join(import.meta.dirname, "transformers-js-child.mjs");
const isInstalled = existsSync(join(import.meta.dirname, "../../node_modules/@huggingface/transformers"));
const host = referenceHost();
const normalization = { mean: [0.5, 0.4, 0.3], standardDeviation: [0.2, 0.25, 0.3] };
const classes = ["cat", "dog", 'l\'oiseau "bleu"'];

/** A classifier of `channels` x 8 x 8 images that ends in a softmax, and has a hidden value called "logits". */
function network(channels: 1 | 3): Network {
  const builder = new GraphBuilder("net");
  const images = builder.input("images", ["N", channels, 8, 8]);
  const hidden = builder.relu("logits", builder.convolution("conv", images, { channels: 6, kernel: 3, padding: 1 }));
  const pooled = builder.flatten("flat", builder.globalAveragePooling("pool", hidden));
  builder.output(
    builder.softmax("probabilities", builder.linear("fc", pooled, classes.length), { isLogarithm: false }),
  );
  const graph = builder.build();
  return { graph, weights: initialize(graph, 3) };
}

/** The probabilities of `net` for an image file, by our own reading and engine. */
async function ours(net: Network, file: string, share: number, constants = normalization): Promise<readonly number[]> {
  const channels = net.graph.inputs[0]?.shape[1] === 1 ? 1 : 3;
  const { pixels } = await decodeImage("", file, [channels, 8, 8], (size) =>
    centreView(size, { width: 8, height: 8 }, share),
  );
  const input = tensor([1, channels, 8, 8]);
  for (let at = 0; at < 64; at++) {
    for (let channel = 0; channel < channels; channel++) {
      const value = (pixels[at * channels + channel] ?? 0) / 255;
      const { mean, standardDeviation } = constants;
      input.data[channel * 64 + at] = (value - (mean[channel] ?? 0)) / (standardDeviation[channel] ?? 1);
    }
  }
  const plan = await host.prepare(net.graph, { batch: 1 });
  await plan.write(net.weights);
  return [...((await plan.run({ images: input }))[net.graph.outputs[0] ?? ""]?.data ?? [])];
}

/** What transformers.js answers for `file`: the score of each class, by its name. */
async function theirs(folder: string, file: string): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await promisify(execFile)(process.execPath, [child, folder, file]);
  const [answers] = z.array(z.array(z.object({ label: z.string(), score: z.number() }))).parse(JSON.parse(stdout));
  return new Map((answers ?? []).map(({ label, score }) => [label, score] as const));
}

describe.skipIf(!isInstalled)("transformers.js", () => {
  test.each([
    ["an image of the network's size", 3, 8, undefined],
    ["the centre of a larger image", 3, 16, 0.5],
    ["an image, by a network of grey ones", 1, 8, undefined],
  ] as const)("classifies %s as we do", async (_, channels, size, centreCrop) => {
    const folder = join(temporaryFolder(), "model");
    const file = join(temporaryFolder(), "picture.png");
    const colour = channels === 1 ? { r: 120, g: 120, b: 120 } : { r: 200, g: 90, b: 40 };
    await writePicture(file, { width: size, height: size, colour, noise: channels === 1 ? 0 : 60 });
    const net = network(channels);
    const constants = channels === 1 ? { mean: [0.5], standardDeviation: [0.25] } : normalization;
    await saveForTransformersJs(net, folder, { normalization: constants, classes, ...optional({ centreCrop }) });
    const expected = await ours(net, file, centreCrop ?? 1, constants);
    const answers = await theirs(folder, file);
    for (const [label, name] of classes.entries()) expect(answers.get(name)).toBeCloseTo(expected[label] ?? 0, 5);
  });
});

describe("the folder", () => {
  test("has logits of pixel_values, for any batch, in ONNX Runtime", async () => {
    const folder = join(temporaryFolder(), "model");
    const net = network(3);
    await saveForTransformersJs(net, folder, { normalization, classes });
    const session = await InferenceSession.create(join(folder, "onnx", "model.onnx"));
    expect([session.inputNames, session.outputNames]).toEqual([["pixel_values"], ["logits"]]);
    const data = Float32Array.from({ length: 2 * 3 * 64 }, (_, at) => Math.sin(at));
    const { logits } = await session.run({ pixel_values: new RuntimeTensor("float32", data, [2, 3, 8, 8]) });
    const plan = await host.prepare(net.graph, { batch: 2 });
    await plan.write(net.weights);
    const probabilities = (await plan.run({ images: tensor([2, 3, 8, 8], data) }))[net.graph.outputs[0] ?? ""];
    const values = await logits?.getData();
    for (const row of [0, 1]) {
      const powers = [0, 1, 2].map((label) => Math.exp(Number(values?.[3 * row + label])));
      const sum = powers.reduce((a, b) => a + b, 0);
      for (const label of [0, 1, 2]) {
        expect((powers[label] ?? 0) / sum).toBeCloseTo(probabilities?.data[3 * row + label] ?? 0, 5);
      }
    }
  });

  test("has logits also of a network whose file goes on behind it", async () => {
    const folder = join(temporaryFolder(), "model");
    const file = join(import.meta.dirname, "../formats/onnx/fixtures/carried/detector.onnx");
    const { graph } = await loadOnnx(file, { outputs: ["map0", "map1", "map2"] });
    const own = network(3);
    const carried = { ...own, graph: { ...own.graph, ...optional({ header: graph.header }) } };
    expect(carried.graph.header?.carried?.behind).not.toHaveLength(0);
    await saveForTransformersJs(carried, folder, { normalization });
    const session = await InferenceSession.create(join(folder, "onnx", "model.onnx"));
    expect([session.inputNames, session.outputNames]).toEqual([["pixel_values"], ["logits"]]);
  });

  test("says what the documented format asks for: labels both ways, size, crop, constants", async () => {
    const folder = join(temporaryFolder(), "model");
    await saveForTransformersJs(network(3), folder, { normalization, classes, centreCrop: 0.875 });
    const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), "utf8"));
    expect(read("config.json")).toMatchObject({
      model_type: "resnet",
      id2label: { 0: "cat", 1: "dog", 2: classes[2] },
      label2id: { cat: 0, dog: 1 },
    });
    expect(read("preprocessor_config.json")).toMatchObject({
      size: { shortest_edge: 9 },
      crop_size: { height: 8, width: 8 },
      do_center_crop: true,
      rescale_factor: 1 / 255,
      image_mean: normalization.mean,
      image_std: normalization.standardDeviation,
    });
    expect(readFileSync(join(folder, "labels.txt"), "utf8").split("\n").slice(0, 3)).toEqual(classes);
  });

  test("has numbers for names if there are none; other networks and other numbers of names are refused", async () => {
    const folder = join(temporaryFolder(), "model");
    await saveForTransformersJs(network(3), folder, { normalization });
    expect(readFileSync(join(folder, "labels.txt"), "utf8")).toBe("LABEL_0\nLABEL_1\nLABEL_2\n");
    const save = (net: Network, options: object): Promise<unknown> =>
      userError(saveForTransformersJs(net, folder, { normalization, ...options }), "bad-option");
    await save(network(3), { classes: ["one"] });
    await save(network(3), { classes: "abc" });
    for (const centreCrop of [0, 1.5, "half"]) await save(network(3), { centreCrop });
    await save(network(3), { normalization: { mean: [0, 0], standardDeviation: [1, 1] } });
    const builder = new GraphBuilder("map");
    builder.output(builder.convolution("conv", builder.input("images", ["N", 3, 8, 8]), { channels: 2, kernel: 1 }));
    const graph = builder.build();
    await userError(
      saveForTransformersJs({ graph, weights: initialize(graph, 1) }, folder, { normalization }),
      "unsupported",
    );
  });
});
