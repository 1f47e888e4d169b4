/** Files that leave the height and width of their images open, on datasets whose images have one size. */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unusedSizeNotesOf } from "../../src/cli/fixed-size.ts";
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

describe("a --size that a file does not need", () => {
  const unused = "--size 24x24 has no effect";

  it("is named by inspect and bench", async () => {
    const file = join(workplace, "tiny.onnx");
    const timed = ["--runs", "1", "--batch", "1", "--threads", "1"];
    for (const command of [
      ["inspect", file],
      ["bench", file, ...timed],
    ]) {
      const { exitCode, stderr } = await execute([...command, "--size", "24"]);
      expect([exitCode, stderr], command[0]).toEqual([0, expect.stringContaining(unused)]);
      expect((await execute([...command, "--size", "8"])).stderr, command[0]).not.toContain("no effect");
    }
  });

  it("is no matter where the height and width are open", () => {
    expect(unusedSizeNotesOf("x", [["N", 3, "h", "w"]], [24, 24])).toEqual([]);
    expect(unusedSizeNotesOf("x", [["N", 10]], [24, 24])).toEqual([]);
    expect(unusedSizeNotesOf("x.onnx", [["N", 3, 8, 6]], [24, 24])).toEqual([
      "--size 24x24 has no effect: x.onnx fixes its images at 8 x 6 pixels",
    ]);
  });
});
