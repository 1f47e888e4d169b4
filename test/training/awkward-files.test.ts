/**
 * Files in which what a structure saves is not plain, from the file to the compact file: a convolution that is applied
 * twice with a batch norm of its own behind each, and a residual sum that a depthwise convolution reads. What a run
 * says at its end is what was cut.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { cost } from "../../src/graph/cost.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { train } from "../../src/training/train.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset } from "./tiny.ts";

const engine = (await isInstalled("onednn")) ? "onednn" : "reference";

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}.onnx`, import.meta.url));
}

test.each([
  { name: "shared-conv-two-bns", shape: [3, 32, 32], labels: 4 },
  { name: "residual-then-depthwise", shape: [3, 6, 6], labels: 3 },
] as const)("$name", async ({ name, shape, labels }) => {
  const classes = Array.from({ length: labels }, (_, label) => `class ${label}`);
  const data = { ...tinyDataset(192, 32, shape), classes };
  const folder = join(temporaryFolder(), "run");
  const run = await train(fixture(name), {
    ...{ folder, engine, data, budget: "50%", latency: false, epochs: 2, batch: 4 },
  });
  expect(run.certificate.passed).toBe(true);
  // What the run says is left is what a reader of the file counts.
  const { graph } = await loadOnnx(join(folder, "compact.onnx"));
  expect(cost(graph)).toMatchObject({ macs: run.after.macs, parameters: run.after.parameters });
  const standing = (await readEvents(folder)).findLast((event) => event.type === "budget");
  const left = run.after.macs / run.before.macs;
  expect(standing?.left).toBeCloseTo(left, 6);
  expect(standing?.isMet).toBe(left <= 0.505);
  // The nearest that whole structures of these networks come: 53.6 % (or 49.1 %) and 53.8 %.
  expect(left).toBeGreaterThan(0.45);
  expect(left).toBeLessThan(0.56);
});
