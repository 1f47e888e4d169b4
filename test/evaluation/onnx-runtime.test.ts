import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { quantile } from "../../src/core/quantile.ts";
import { tensor } from "../../src/core/tensor.ts";
import { answersOf, engineClassifier } from "../../src/evaluation/classifier.ts";
import { compareLogits } from "../../src/evaluation/comparison.ts";
import { measureLatency } from "../../src/evaluation/latency.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { measureLatencyAside, runtimeClassifier } from "../../src/evaluation/runtime-thread.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import { resnet } from "../../src/models/resnet.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";
import { referenceHost } from "./reference-host.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const graph = tinyResnet();
const network = { graph, weights: initialize(graph, 2) };
const path = join(folder, "tiny.onnx");
await saveOnnx(network, path);

describe("ONNX Runtime as a classifier", () => {
  test("gives the logits of the reference engine, from batches in shared memory", async () => {
    const { test: split, normalization } = tinyDataset(4, 11);
    const [ours, theirs] = [await engineClassifier(referenceHost(), network, 4), await runtimeClassifier(path, 4)];
    const result = compareLogits(
      (await answersOf(ours, split, normalization)).logits,
      (await answersOf(theirs, split, normalization)).logits,
    );
    expect(result.relativeDifference).toBeLessThan(1e-5);
    expect(result.sameAnswers).toBe(11);
    await theirs.dispose();
  });

  test("a file that does not load, or images that do not fit, are errors about the file", async () => {
    const broken = join(folder, "broken.onnx");
    writeFileSync(broken, "no network");
    await expect(openRuntime(broken, broken)).rejects.toMatchObject({ code: "bad-file", details: { about: broken } });
    await expect(openRuntime(join(folder, "none"), "none")).rejects.toMatchObject({ code: "bad-file" });
    const session = await openRuntime(path, "tiny.onnx");
    await expect(session.run(tensor([1, 3, 6, 6]))).rejects.toThrow(/tiny\.onnx: does not run in ONNX Runtime/);
    await session.dispose();
  });
});

describe("latency", () => {
  test("is measured for each file, the spread around the median", async () => {
    const results = await measureLatency([path, path], { batch: 3, rounds: 7, warmUp: 1 });
    expect(results).toHaveLength(2);
    for (const { file, batch, threads, rounds, median, lowerQuartile, upperQuartile } of results) {
      expect([file, batch, threads, rounds]).toEqual([path, 3, 1, 7]);
      expect(lowerQuartile).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(lowerQuartile);
      expect(upperQuartile).toBeGreaterThanOrEqual(median);
    }
  });

  test("can be measured in a thread of its own", async () => {
    const [one] = await measureLatencyAside([path], { batch: 2, rounds: 3 });
    expect(one).toMatchObject({ file: path, batch: 2, rounds: 3, threads: 1 });
    expect(one?.median).toBeGreaterThan(0);
  });

  test("a slower network takes longer", async () => {
    const slow = join(folder, "slow.onnx");
    const large = resnet({ depth: 20, classes: 10 });
    await saveOnnx({ graph: large, weights: initialize(large, 1) }, slow);
    const [small, big] = await measureLatency([path, slow], { rounds: 9 });
    expect(big?.median).toBeGreaterThan(2 * (small?.median ?? Number.NaN));
  });

  test("quantiles are interpolated", () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
    expect(quantile([7], 0.75)).toBe(7);
  });

  test("refuses rounds, batches and threads that are not whole numbers", async () => {
    await expect(measureLatencyAside([path], { rounds: 0 })).rejects.toMatchObject({ code: "bad-option" });
    for (const options of [{ rounds: 0 }, { batch: 1.5 }, { threads: 0 }, { warmUp: -1 }]) {
      await expect(measureLatency([path], options)).rejects.toMatchObject({ code: "bad-option" });
    }
  });
});
