/** Files that leave the height and width of their images open, on datasets whose images have one size. */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { valueMessage } from "../../src/formats/onnx/proto.ts";
import { counted, node, onnxModel } from "../formats/onnx/models.ts";
import { execute, tinyWorkplace } from "./support.ts";

let workplace: string;
beforeAll(async () => {
  workplace = await tinyWorkplace();
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

it("are scored at the size of the images, and at no other", async () => {
  const data = (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "";
  const file = join(workplace, "open.onnx");
  const bytes = onnxModel({
    features: [],
    tensors: [counted("weights", [3, 1, 3, 3])],
    nodes: [
      node("Conv", ["x", "weights"], "maps"),
      node("GlobalAveragePool", ["maps"], "means"),
      node("Flatten", ["means"], "y"),
    ],
    change: ({ graph }) => {
      if (graph) graph.input = [valueMessage("x", 1, ["batch", 1, "h", "w"])];
    },
  });
  await writeFile(file, bytes);
  const scored = async (size: string) =>
    execute([
      ...["eval", file, "--data", join(workplace, data), "--engine", "reference", "--size", size],
      ...["--mean", "0.5", "--std", "0.5"],
    ]);
  const { exitCode, stdout } = await scored("8");
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining("classified correctly")]);
  const other = await scored("24");
  expect([other.exitCode, other.stderr]).toEqual([2, expect.stringContaining("have a fixed preparation")]);
});
