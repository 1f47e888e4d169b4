/** Networks whose batch norms an exporter has merged into their convolutions. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { model } from "../../src/models/zoo.ts";
import { foldedNormsNote } from "../../src/training/start/folded-norms.ts";
import { tinyResnet, tinyWithoutNorms } from "./tiny.ts";

test("are told of, with how to export them again", async () => {
  const file = fileURLToPath(new URL("fixtures/yolov8-cls-c2f-folded.onnx", import.meta.url));
  const { graph } = await loadOnnx(file);
  expect(foldedNormsNote(graph)).toMatch(/no batch norms.*training=TrainingMode.PRESERVE/);
  expect(foldedNormsNote(tinyWithoutNorms())).toBeDefined();
});

test("are not seen in networks with batch norms", () => {
  expect(foldedNormsNote(tinyResnet())).toBeUndefined();
  expect(foldedNormsNote(model("resnet-20", { classes: 10 }))).toBeUndefined();
});
