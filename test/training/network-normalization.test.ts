/** Files that normalise their images themselves, and networks that get other values than they were trained on. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Network } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { commonNormalizations, normalizationFlagsOf } from "../../src/training/start/data/common-normalizations.ts";
import {
  networkNormalizationNote,
  networkNormalizationOf,
} from "../../src/training/start/data/network-normalization.ts";
import { train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, trainTiny } from "./tiny.ts";

/** A network that begins with x → slope · x + offset as one node, then adds `bias` and multiplies by `gain`. */
function beginning(slope: number, offset: number, bias?: readonly number[], gain?: readonly number[]): Network {
  const builder = new GraphBuilder("begins");
  let value = builder.input("images", ["N", 3, 8, 8]);
  if (slope !== 1 || offset !== 0) value = builder.activation("first", value, { function: "linear", slope, offset });
  const constants = new Map<string, Float32Array>();
  for (const [op, values] of [["bias", bias] as const, ["gain", gain] as const]) {
    if (values === undefined) continue;
    const parameter = builder.parameter(`${op}.value`, [3], "constant");
    constants.set(parameter, Float32Array.from(values));
    value = builder.node(op, op, [value, parameter], {});
  }
  value = builder.convolution("conv", value, { channels: 4, kernel: 3, padding: 1 });
  builder.output(builder.linear("fc", builder.flatten("flat", builder.globalAveragePooling("pool", value)), 2));
  const graph = builder.build();
  const weights = new Map(initialize(graph, 1));
  for (const [name, data] of constants) weights.set(name, tensor([3], data));
  return { graph, weights };
}

describe("a network's own normalisation", () => {
  test.each([
    ["a division by 255", beginning(1 / 255, 0), 255],
    ["a division by 127.5 and a subtraction of 1", beginning(1 / 127.5, -1), 255],
    ["a subtraction of a mean of bytes", beginning(1, 0, [-123.7, -116.8, -103.9]), 255],
    ["ImageNet's constants for bytes", beginning(1, 0, [-123.7, -116.8, -103.9], [1 / 58.4, 1 / 57.1, 1 / 57.4]), 255],
    ["ImageNet's constants for shares", beginning(1, 0, [-0.485, -0.456, -0.406], [4.37, 4.46, 4.44]), 1],
    ["2 · x − 1", beginning(2, -1), 1],
  ])("of %s is known by the values that it takes", (_, network, white) => {
    const own = networkNormalizationOf(network);
    expect(own?.white).toBe(white);
    expect(own?.normalization).toEqual({
      mean: [0, 0, 0],
      standardDeviation: [1 / white, 1 / white, 1 / white],
    });
    if (own !== undefined) expect(networkNormalizationNote(own)).toContain(`values 0 … ${white}`);
  });

  test("is not seen in a network without one, nor in trained values", () => {
    expect(networkNormalizationOf(beginning(1, 0))).toBeUndefined();
    const { graph, weights } = beginning(1, 0, [-1, -1, -1]);
    const trained = graph.parameters.map((one) =>
      one.name === "bias.value" ? { ...one, kind: "bias" as const } : one,
    );
    expect(networkNormalizationOf({ graph: { ...graph, parameters: trained }, weights })).toBeUndefined();
  });

  test("is read from a file that PyTorch wrote: a division, a mean and a deviation", async () => {
    const file = fileURLToPath(new URL("../formats/onnx/fixtures/normalised-inside.onnx", import.meta.url));
    expect(networkNormalizationOf(await loadOnnx(file))?.white).toBe(255);
  });
});

describe("a trained network that gets other values", () => {
  const base = { epochs: 8, batch: 16, engine: "reference", latency: false } as const;
  const bytes: Dataset = {
    ...tinyDataset(96, 40, [3, 6, 6]),
    normalization: { mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225] },
  };

  test("is warned of before training, with the values that it answers best with", async () => {
    const folder = temporaryFolder();
    const graph = new GraphBuilder("tiny-three");
    const images = graph.input("images", ["N", 3, 6, 6]);
    const stem = graph.relu(
      "relu",
      graph.batchNormalization("norm", graph.convolution("conv", images, { channels: 6, kernel: 3, padding: 1 })),
    );
    graph.output(graph.linear("fc", graph.flatten("flat", graph.globalAveragePooling("pool", stem)), 3));
    const first = await train(graph.build(), { ...base, data: bytes, folder: join(folder, "first") });
    expect(first.before.accuracy).toBeGreaterThan(80);
    const file = join(folder, "first", "compact.onnx");

    const wrong = { ...bytes, normalization: { mean: [9, 9, 9], standardDeviation: [0.2, 0.2, 0.2] } };
    await train(file, { ...base, epochs: 1, data: wrong, folder: join(folder, "wrong") });
    const events = await readEvents(join(folder, "wrong"));
    const at = events.findIndex((event) => event.type === "warning" && event.reason === "starts-at-chance");
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(events.findIndex(({ type }) => type === "step"));
    const [imageNet] = commonNormalizations;
    expect(events[at]).toMatchObject({
      message: expect.stringContaining("as guessing would"),
      hint: expect.stringContaining(
        `With ${imageNet === undefined ? "" : normalizationFlagsOf(imageNet)} it recognises`,
      ),
    });

    await train(file, { ...base, epochs: 1, data: bytes, folder: join(folder, "right") });
    const reasons = (await readEvents(join(folder, "right"))).flatMap((event) =>
      event.type === "warning" ? [event.reason] : [],
    );
    expect(reasons).not.toContain("starts-at-chance");
  });

  test("is not asked of new weights", async () => {
    const { events } = await trainTiny({ ...base, epochs: 1, data: tinyDataset() });
    expect(events.some((event) => event.type === "warning" && event.reason === "starts-at-chance")).toBe(false);
  });
});
