/** Simulated integers: against numbers of PyTorch 2.13, the formula once more, and each engine against the other. */
import { describe, expect, it } from "vitest";
import { gradientGraph } from "../../src/autodiff/gradient-graph.ts";
import { required } from "../../src/core/errors.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Engine, Results } from "../../src/engine/engine.ts";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { runReferenceKernel } from "../../src/engine/reference/kernels.ts";
import { makeNode } from "../../src/graph/graph.ts";
import { integerScale, roundToEven } from "../../src/graph/integer-scale.ts";
import type { Attributes, OpName } from "../../src/graph/ops.ts";
import { simulateIntegers } from "../../src/quantization/simulate.ts";
import { networks } from "../quantization/networks.ts";
import { labels, randomFeeds, randomWeights, relativeDifference } from "./random-data.ts";

function row(...values: number[]): Tensor {
  return tensor([1, values.length], Float32Array.from(values));
}

function apply<K extends OpName>(op: K, attributes: Attributes<K>, inputs: readonly Tensor[], sizes: number[]) {
  const outputs = sizes.map((size) => ({ shape: [size], data: new Float32Array(size).fill(Number.NaN) }));
  runReferenceKernel(makeNode(op, "node", [], [], attributes), inputs, outputs);
  return outputs.map(({ data }) => data);
}

describe("fake_quantize", () => {
  // torch.fake_quantize_per_tensor_affine(x, 0.01, 100, 0, 255), and its gradient for a gradient of 1, 2, 3 …
  const range = tensor([2], Float32Array.of(-1, 1.55));
  const src = row(-1.2, -1.004, -0.996, -0.0251, 0.004, 0.0149, 0.024, 1.2349, 1.5541, 1.5561, 7);

  it("rounds to the nearest integer, the even one of two, and clips", () => {
    const [dst, extremes] = apply("fake_quantize", {}, [src, range], [11, 2]);
    const expected = [-1, -1, -1, -0.03, 0, 0.01, 0.02, 1.23, 1.55, 1.55, 1.55];
    for (const [at, value] of expected.entries()) expect(dst?.[at]).toBeCloseTo(value, 6);
    expect([...(extremes ?? [])]).toEqual([Math.fround(-1.2), 7]);
  });

  it("has extremes that include 0, and keeps what is not a number", () => {
    const [, extremes] = apply("fake_quantize", {}, [row(1, 2, 3), range], [3, 2]);
    expect([...(extremes ?? [])]).toEqual([0, 3]);
    const [dst] = apply("fake_quantize", {}, [row(Number.NaN, 1), range], [2, 2]);
    expect(dst?.[0]).toBeNaN();
  });

  it("passes gradients straight through inside the integers, and none outside", () => {
    const ones = row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    const [diff] = apply("fake_quantize_backward", {}, [src, range, ones], [11]);
    expect([...(diff ?? [])]).toEqual([0, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]);
  });

  it("gives a range without width the scale 1", () => {
    expect(integerScale(0, 0)).toEqual({ scale: 1, zeroPoint: 0 });
    const [dst] = apply("fake_quantize", {}, [row(0, 0.4), tensor([2])], [2, 2]);
    expect([...(dst ?? [])]).toEqual([0, 0]);
  });

  it("rounds as the definition says", () => {
    for (const [value, nearest] of [
      [0.5, 0],
      [1.5, 2],
      [-0.5, 0],
      [-1.5, -2],
      [2.4999, 2],
      [-3.51, -4],
    ] as const) {
      expect(roundToEven(value)).toBeCloseTo(nearest, 12);
    }
  });
});

describe("fake_quantize_weights", () => {
  it("has a scale for each row, symmetric around 0", () => {
    const weights = tensor([2, 3], Float32Array.of(1.27, -0.014, 0.3, -12.7, 0.14, 0.31));
    const [dst] = apply("fake_quantize_weights", { largest: 127 }, [weights], [6]);
    for (const [at, value] of [1.27, -0.01, 0.3, -12.7, 0.1, 0.3].entries()) expect(dst?.[at]).toBeCloseTo(value, 5);
  });

  it("keeps rows of zeros", () => {
    const [dst] = apply("fake_quantize_weights", { largest: 127 }, [tensor([2, 2])], [4]);
    expect([...(dst ?? [])]).toEqual([0, 0, 0, 0]);
  });
});

function gradientsIn(engine: Engine, graph: ReturnType<typeof gradientGraph>): Results {
  const batch = 4;
  const plan = engine.prepare(graph, { batch });
  const ranges = graph.parameters.flatMap(({ name, kind }) =>
    kind === "range" ? [[name, tensor([2], Float32Array.of(-0.9, 2.3))] as const] : [],
  );
  plan.write(new Map([...randomWeights(graph, 4), ...ranges]));
  const results = plan.run({ ...randomFeeds(graph, batch, 4), labels: labels(batch, 4, 4) });
  plan.dispose();
  return results;
}

describe("a network with simulated integers", () => {
  for (const plain of networks) {
    it(`has the same gradients in both engines: ${plain.name}`, () => {
      const graph = gradientGraph(simulateIntegers(plain).graph, { batchNormalization: "frozen" });
      const [own, reference] = [createOneDnnEngine({ threads: 1 }), createReferenceEngine()].map((engine) =>
        gradientsIn(engine, graph),
      );
      for (const name of graph.outputs) {
        const [a, b] = [required(own?.[name], name), required(reference?.[name], name)];
        // Sums in another order may round to the neighbouring integer.
        expect(relativeDifference(a.data, b.data), name).toBeLessThan(0.06);
      }
    });
  }
});
