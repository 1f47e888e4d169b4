/**
 * The README's example as it stands: the test imports the very file. Only what it cannot afford is replaced: CIFAR-10
 * by a few images of that shape, and 40 epochs by one.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import type { DatasetReference, Graph, Run, TrainOptions } from "../../src/index.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset } from "./tiny.ts";

const seen: { options: TrainOptions | undefined; run: Run | undefined } = { options: undefined, run: undefined };
const engine = (await isInstalled("onednn")) ? "onednn" : "reference";

vi.mock("espalier", async (importOriginal) => {
  const espalier = await importOriginal<typeof import("../../src/index.ts")>();
  const images = tinyDataset(8, 8, [3, 32, 32]);
  const classes = Array.from({ length: 10 }, (_, label) => `class ${label}`);
  return {
    ...espalier,
    cifar10: (): DatasetReference => ({ spec: "cifar10", open: async () => ({ ...images, name: "cifar10", classes }) }),
    train: async (graph: Graph, options: TrainOptions) => {
      seen.options = options;
      seen.run = await espalier.train(graph, { ...options, epochs: 1, batch: 4, engine, latency: false });
      return seen.run;
    },
  };
});

test("the ten lines run, and leave the compact network", async () => {
  process.chdir(temporaryFolder());
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await import("../../examples/ten-lines.ts");
  expect(seen.options).toMatchObject({ select: { neurons: 0.0016, blocks: 0.02 }, epochs: 40 });
  expect(readdirSync("runs")).toEqual(["resnet-20-cifar10"]);
  expect(readFileSync("small.onnx")).toEqual(readFileSync("runs/resnet-20-cifar10/compact.onnx"));
  const { before, after } = seen.run ?? {};
  expect(log).toHaveBeenCalledWith(`${before?.macs} → ${after?.macs} MACs, ${after?.accuracy} % accurate`);
});

test("they are the README's, to the letter, and no more than ten", () => {
  const example = readFileSync(new URL("../../examples/ten-lines.ts", import.meta.url), "utf8");
  const readme = new URL("../../README.md", import.meta.url);
  expect(existsSync(readme)).toBe(true);
  expect(readFileSync(readme, "utf8")).toContain(`\`\`\`ts\n${example}\`\`\``);
  expect(example.trimEnd().split("\n").length).toBeLessThanOrEqual(10);
});
