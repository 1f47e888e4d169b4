import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { valueMessage } from "../../src/formats/onnx/proto.ts";
import { initialize } from "../../src/models/initialize.ts";
import { counted, node, onnxModel } from "../formats/onnx/models.ts";
import { tinyResnet } from "../training/tiny.ts";
import { espalier, execute, tinyWorkplace } from "./support.ts";

let workplace: string;
beforeAll(async () => {
  workplace = await tinyWorkplace({ channels: 3 });
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

it("writes a folder with what the file says, and prints how to load it", async () => {
  const file = join(workplace, "net.onnx");
  const { model } = await import("../../src/models/zoo.ts");
  const graph = model("resnet-20", { classes: 2, channels: 3, size: 32 });
  const metadata = {
    classes: JSON.stringify(["yes", "no"]),
    normalization: JSON.stringify({ mean: [0.1, 0.2, 0.3], standardDeviation: [0.4, 0.5, 0.6] }),
  };
  await saveOnnx({ graph, weights: initialize(graph, 1) }, file, { metadata });
  const folder = join(workplace, "folder");
  const { exitCode, stdout } = await execute(["export", file, "--for", "transformers.js", "--out", folder]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/config.json, preprocessor_config.json, labels.txt, onnx\/model.onnx/);
  expect(stdout).toMatch(/Node +import .*pipeline\("image-classification", "folder"\)/);
  expect(stdout).toMatch(/browser/);
  expect(stdout).toMatch(/Python +onnxruntime.InferenceSession/);
  expect(await readFile(join(folder, "labels.txt"), "utf8")).toBe("yes\nno\n");
  const preprocessor: unknown = JSON.parse(await readFile(join(folder, "preprocessor_config.json"), "utf8"));
  expect(preprocessor).toMatchObject({ image_mean: [0.1, 0.2, 0.3], size: { height: 32, width: 32 } });
  const sized = async (size: string): Promise<string> =>
    (await execute(["export", file, "--for", "transformers.js", "--out", folder, "--size", size])).stdout;
  expect(await sized("24")).toContain("--size 24x24 has no effect: the file fixes its images at 32 x 32 pixels");
  expect(await sized("32")).not.toContain("no effect");
});

it("takes the size of the images of a file that leaves it open", async () => {
  const file = join(workplace, "open.onnx");
  const bytes = onnxModel({
    features: [],
    tensors: [counted("weights", [4, 3, 3, 3])],
    nodes: [
      node("Conv", ["x", "weights"], "maps"),
      node("GlobalAveragePool", ["maps"], "means"),
      node("Flatten", ["means"], "y"),
    ],
    change: ({ graph }) => {
      if (graph) graph.input = [valueMessage("x", 1, ["batch", 3, "h", "w"])];
    },
  });
  await writeFile(file, bytes);
  const folder = join(workplace, "open");
  const common = ["export", file, "--for", "transformers.js", "--out", folder, "--mean", "0,0,0", "--std", "1,1,1"];
  const refused = await execute(common);
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining("such as --size 224")]);
  expect(await execute([...common, "--size", "24x32"])).toMatchObject({ exitCode: 0 });
  const preprocessor: unknown = JSON.parse(await readFile(join(folder, "preprocessor_config.json"), "utf8"));
  expect(preprocessor).toMatchObject({ size: { height: 24, width: 32 } });
});

it("asks for constants that the file lacks, and refuses other libraries and networks of other images", async () => {
  const file = join(workplace, "silent.onnx");
  const graph = tinyResnet();
  await saveOnnx({ graph, weights: initialize(graph, 1) }, file);
  const silent = await espalier(["export", file, "--for", "transformers.js"], workplace);
  expect([silent.exitCode, silent.stderr]).toEqual([2, expect.stringContaining("values 0 … 255: --mean 0,0,0")]);
  const other = await espalier(["export", file, "--for", "transformer"], workplace);
  expect([other.exitCode, other.stderr]).toEqual([2, expect.stringContaining("transformers.js")]);
  const missing = await espalier(["export", file], workplace);
  expect(missing.exitCode).toBe(2);
  // Two channels are no image.
  const flags = ["--mean", "0,0", "--std", "1,1", "--out", join(workplace, "two")];
  const two = await espalier(["export", file, "--for", "transformers.js", ...flags], workplace);
  expect([two.exitCode, two.stderr]).toEqual([2, expect.stringContaining("1 or 3 channels")]);
});
