/**
 * Files of other tools as they are trained on: the values they want are known or asked for, and so is where their
 * channels are.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { decodeModel } from "../../src/formats/onnx/proto.ts";
import { initialize } from "../../src/models/initialize.ts";
import { sourceForFile } from "../../src/training/start/data/fine-tuning-data.ts";
import type { ModelFile } from "../../src/training/start/starting-network.ts";
import { train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

async function written(metadata: Readonly<Record<string, string>>): Promise<string> {
  const graph = tinyResnet();
  const path = join(temporaryFolder(), "net.onnx");
  await saveOnnx({ graph, weights: initialize(graph, 1) }, path, { metadata });
  return path;
}

test("data that is only named, for a file that says nothing, is asked about", async () => {
  await expect(train(await written({}), { data: "./photos", epochs: 1 })).rejects.toMatchObject({
    code: "bad-option",
    message: expect.stringContaining("it is unknown how the network's training images were normalised"),
    details: { hint: expect.stringContaining('datasetReference("./photos", { images: { mean: […]') },
  });
});

test("a file that says it is taken at its word; what says more than a name is left as it is", async () => {
  const read = async (path: string): Promise<ModelFile> => ({ ...(await loadOnnx(path)), path });
  const silent = await read(await written({}));
  const dataset = tinyDataset();
  expect(sourceForFile(silent, dataset)).toBe(dataset);
  const told = await written({ normalization: JSON.stringify({ mean: [0.5, 0.4], standardDeviation: [0.2, 0.3] }) });
  expect(sourceForFile(await read(told), "./photos")).toMatchObject({ spec: "./photos" });
});

test("a file that takes its channels last is trained, cut, certified, and written as it came", async () => {
  const file = fileURLToPath(new URL("../formats/onnx/fixtures/keras.onnx", import.meta.url));
  const run = await train(file, {
    data: { ...tinyDataset(40, 20, [3, 16, 16]), classes: ["a", "b", "c", "d", "e"] },
    folder: join(temporaryFolder(), "keras"),
    engine: "reference",
    epochs: 1,
    batch: 8,
    select: { neurons: 0.5 },
    latency: false,
  });
  expect(run.certificate.passed).toBe(true);
  const compact = join(run.folder, "compact.onnx");
  expect(new Map((await loadOnnx(compact)).graph.header?.metadata).get("layout")).toBe("NHWC");
  const [input] = decodeModel(readFileSync(compact), "compact.onnx").graph?.input ?? [];
  expect(input?.name).toBe("image");
  expect(input?.type?.tensorType?.shape?.dim?.slice(1).map(({ dimValue }) => Number(dimValue))).toEqual([16, 16, 3]);
});
