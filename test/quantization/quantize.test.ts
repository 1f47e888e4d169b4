/** The choice among candidates, and which images and layers it touches. */
import { describe, expect, test } from "vitest";
import type { Dataset, StoredSplit } from "../../src/data/dataset.ts";
import { initialize } from "../../src/models/initialize.ts";
import { type Quantized, type QuantizeOptions, quantize } from "../../src/quantization/quantize.ts";
import { referenceHost } from "../evaluation/reference-host.ts";
import { tinyDataset, tinyResnet } from "../training/tiny.ts";

const graph = tinyResnet();
const layers = ["stem.conv", "block1.conv1", "block1.conv2", "block2.conv1", "block2.conv2", "classifier"];

/** Training images, and a test split whose pixels nobody may read. */
function guarded(): Dataset {
  const { test: split, ...data } = tinyDataset(96, 8);
  const test: StoredSplit = {
    ...split,
    get images(): Uint8Array {
      throw new Error("the test images were read");
    },
  };
  return { ...data, test };
}

function quantized(options: Partial<QuantizeOptions> = {}): Promise<Quantized> {
  const network = { graph, weights: initialize(graph, 3) };
  return quantize(network, { host: referenceHost(), dataset: guarded(), ...options });
}

describe("quantize", () => {
  test("takes the candidate of the least divergence, and reads no test image", async () => {
    const { method, candidates, score, kept, images } = await quantized({ images: 40, heldOut: 30, maxLoss: 100 });
    expect(images).toEqual({ calibration: 40, heldOut: 30 });
    expect(candidates.map((candidate) => candidate.method)).toEqual(["min-max", "percentile", "mean squared error"]);
    const nearest = candidates.toSorted((a, b) => a.divergence - b.divergence)[0];
    expect(method).toBe(nearest?.method);
    expect(score).toMatchObject({ ...nearest });
    expect(kept).toEqual([]);
  });

  test("layers go back to floats while too much is lost, until all of them have", async () => {
    const { kept, score, quantization } = await quantized({ keep: ["classifier"], maxLoss: -100 });
    expect(kept[0]).toEqual({ name: "classifier", reason: "asked for" });
    expect(kept.slice(1).every(({ reason }) => reason === "sensitive")).toBe(true);
    expect(kept.map(({ name }) => name).toSorted()).toEqual(layers.toSorted());
    expect(quantization.parameters.size).toBe(0);
    // Sums and pooling are still on integers.
    expect(score.agreement).toBeGreaterThan(95);
  });

  test("the same images and weights give the same integers", async () => {
    const [first, second] = [await quantized(), await quantized()];
    expect(second.quantization).toEqual(first.quantization);
  });
});
