/** Reference kernels against definitions written out once more, and against numbers a reader can check by hand. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { vectorJacobianGraph } from "../../src/autodiff/gradient-graph.ts";
import { elementCount, type Labels, type Shape, type Tensor, tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { runReferenceKernel } from "../../src/engine/reference/kernels.ts";
import type { ConvolutionAttributes } from "../../src/graph/attributes.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { makeNode } from "../../src/graph/graph.ts";
import type { Attributes, OpName } from "../../src/graph/ops.ts";
import { inferNode } from "../../src/graph/shapes.ts";
import { errorOf } from "./plan-contract.ts";
import { normal, relativeDifference } from "./random-data.ts";

/** The outputs of one kernel; labels may be among its inputs. */
function apply<K extends OpName>(
  op: K,
  attributes: Attributes<K>,
  inputs: readonly (Tensor | Labels)[],
): Float32Array[] {
  const node = makeNode(op, "node", [], [], attributes);
  const shapes = inferNode(
    node,
    inputs.map(({ shape }) => shape),
    inputs[0]?.shape[0] ?? 1,
  );
  const outputs = shapes
    .map((shape) => tensor(shape).data.fill(Number.NaN))
    .map((data, index) => ({ data, shape: shapes[index] ?? [] }));
  runReferenceKernel(node, inputs, outputs);
  return outputs.map(({ data }) => data);
}

function row(...values: number[]): Tensor {
  return tensor([1, 1, 1, values.length], Float32Array.from(values));
}

interface Geometry {
  readonly src: Shape;
  readonly weights: Shape;
  readonly attributes: ConvolutionAttributes;
}

/** Convolutions of all kinds whose kernel fits into the padded image. */
const geometries: fc.Arbitrary<Geometry> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 3 }),
    inputs: fc.integer({ min: 1, max: 3 }),
    outputs: fc.integer({ min: 1, max: 3 }),
    size: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
    padding: fc.record({
      top: fc.integer({ min: 0, max: 3 }),
      left: fc.integer({ min: 0, max: 3 }),
      bottom: fc.integer({ min: 0, max: 3 }),
      right: fc.integer({ min: 0, max: 3 }),
    }),
  })
  .filter(
    ({ size, kernel, dilation, padding }) =>
      size[0] + padding.top + padding.bottom > dilation[0] * (kernel[0] - 1) &&
      size[1] + padding.left + padding.right > dilation[1] * (kernel[1] - 1),
  )
  .map(({ batch, groups, inputs, outputs, size, kernel, ...attributes }) => ({
    src: [batch, inputs * groups, ...size],
    weights: [outputs * groups, inputs, ...kernel],
    attributes: { ...attributes, groups },
  }));

/**
 * One element of a convolution, by its definition: a sum over the group's channels and the kernel, zero outside the
 * image.
 */
function convolvedAt(
  src: Tensor,
  weights: Tensor,
  attributes: ConvolutionAttributes,
  index: readonly number[],
): number {
  const [n = 0, o = 0, y = 0, x = 0] = index;
  const [, channels = 0, height = 0, width = 0] = src.shape;
  const [outputs = 0, perGroup = 0, kernelHeight = 0, kernelWidth = 0] = weights.shape;
  const group = Math.floor(o / (outputs / attributes.groups));
  let sum = 0;
  for (let c = 0; c < perGroup; c++) {
    for (let k = 0; k < kernelHeight; k++) {
      for (let l = 0; l < kernelWidth; l++) {
        const row = y * attributes.strides[0] - attributes.padding.top + k * attributes.dilation[0];
        const column = x * attributes.strides[1] - attributes.padding.left + l * attributes.dilation[1];
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        const pixel = src.data[((n * channels + group * perGroup + c) * height + row) * width + column] ?? Number.NaN;
        sum += pixel * (weights.data[((o * perGroup + c) * kernelHeight + k) * kernelWidth + l] ?? Number.NaN);
      }
    }
  }
  return sum;
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? Number.NaN), 0);
}

describe("convolution of any shape", () => {
  it("is the sum that defines it", () => {
    fc.assert(
      fc.property(geometries, fc.nat(), (geometry, seed) => {
        const src = normal(geometry.src, seed, "src");
        const weights = normal(geometry.weights, seed, "weights");
        const node = makeNode("convolution", "node", [], [], geometry.attributes);
        const [shape = []] = inferNode(node, [src.shape, weights.shape], 1);
        const [, outputs = 1, rows = 1, columns = 1] = shape;
        const expected = Float32Array.from({ length: elementCount(shape) }, (_, i) =>
          convolvedAt(src, weights, geometry.attributes, [
            Math.floor(i / (outputs * rows * columns)),
            Math.floor(i / (rows * columns)) % outputs,
            Math.floor(i / columns) % rows,
            i % columns,
          ]),
        );
        const [dst = new Float32Array()] = apply("convolution", geometry.attributes, [src, weights]);
        expect(relativeDifference(dst, expected)).toBeLessThan(1e-6);
      }),
    );
  });

  it("has gradients that are its transposes: ⟨conv(x, w), g⟩ = ⟨x, ∂x⟩ = ⟨w, ∂w⟩", () => {
    fc.assert(
      fc.property(geometries, fc.nat(), ({ src: srcShape, weights: weightsShape, attributes }, seed) => {
        const src = normal(srcShape, seed, "src");
        const weights = normal(weightsShape, seed, "weights");
        const [dst = new Float32Array()] = apply("convolution", attributes, [src, weights]);
        const [shape = []] = inferNode(
          makeNode("convolution", "node", [], [], attributes),
          [srcShape, weightsShape],
          1,
        );
        const diffDst = normal(shape, seed, "diff_dst");
        const [diffSrc = new Float32Array()] = apply("convolution_backward_data", { ...attributes, srcShape }, [
          diffDst,
          weights,
        ]);
        const [diffWeights = new Float32Array()] = apply(
          "convolution_backward_weights",
          { ...attributes, weightsShape, withBias: false },
          [src, diffDst],
        );
        const size = dst.reduce((sum, value, i) => sum + Math.abs(value * (diffDst.data[i] ?? 0)), 1);
        expect(Math.abs(dot(dst, diffDst.data) - dot(src.data, diffSrc)) / size).toBeLessThan(1e-6);
        expect(Math.abs(dot(dst, diffDst.data) - dot(weights.data, diffWeights)) / size).toBeLessThan(1e-6);
      }),
    );
  });
});

describe("numbers to check by hand", () => {
  const padding = { top: 0, left: 1, bottom: 0, right: 1 };

  it("max pooling gives a tie's gradient to the first maximum", () => {
    const attributes = { kernel: [1, 3], strides: [1, 1], padding } as const;
    expect([...(apply("max_pooling", attributes, [row(-2, -2, -5)])[0] ?? [])]).toEqual([-2, -2, -2]);
    expect([...(apply("max_pooling_backward", attributes, [row(-2, -2, -5), row(1, 10, 100)])[0] ?? [])]).toEqual([
      11, 100, 0,
    ]);
  });

  it("average pooling counts padding or not", () => {
    const attributes = { kernel: [1, 2], strides: [1, 2], padding, countIncludePad: true } as const;
    expect([...(apply("average_pooling", attributes, [row(4, 6, 8)])[0] ?? [])]).toEqual([2, 7]);
    expect([...(apply("average_pooling", { ...attributes, countIncludePad: false }, [row(4, 6, 8)])[0] ?? [])]).toEqual(
      [4, 7],
    );
  });

  it("scaling factors share the channels evenly", () => {
    const src = tensor([1, 4], Float32Array.of(1, 2, 3, 4));
    const factors = tensor([2], Float32Array.of(10, 100));
    expect([...(apply("scale", { axis: 1 }, [src, factors])[0] ?? [])]).toEqual([10, 20, 300, 400]);
    expect([...(apply("scale_backward_factor", { axis: 1, factors: 2 }, [src, src])[0] ?? [])]).toEqual([5, 25]);
    const weights = tensor([2, 2], Float32Array.of(1, 2, 3, 4));
    expect([...(apply("scale", { axis: 0 }, [weights, factors])[0] ?? [])]).toEqual([10, 20, 300, 400]);
  });

  it("relu has no gradient at zero", () => {
    expect([...(apply("relu_backward", {}, [row(0, 1, 2), row(5, 6, 7)])[0] ?? [])]).toEqual([0, 6, 7]);
  });

  it("the loss stays finite for large logits and counts the first of equal ones", () => {
    const logits = tensor([2, 3], Float32Array.of(1000, 0, -1000, 2, 2, 2));
    const labels = { dtype: "i32", shape: [2], data: Int32Array.of(2, 0) } as const;
    const [loss, gradient, correct] = apply("softmax_cross_entropy", {}, [logits, labels]);
    expect(loss?.[0]).toBeCloseTo((2000 + Math.log(3)) / 2, 3);
    expect([...(gradient ?? [])].map((value) => Math.round(value * 6000) / 6000)).toEqual([
      0.5,
      0,
      -0.5,
      -2 / 6,
      1 / 6,
      1 / 6,
    ]);
    expect(correct?.[0]).toBe(1);
  });

  it.each([-1, 3])("a label that is no class is refused: %i", (label) => {
    const labels = { dtype: "i32", shape: [1], data: Int32Array.of(label) } as const;
    const logits = tensor([1, 3]);
    expect(errorOf(() => apply("softmax_cross_entropy", {}, [logits, labels]))).toMatchObject({
      code: "bad-option",
      details: { expected: "0 … 2", received: `${label}` },
    });
  });
});

describe("the reference engine", () => {
  it("refuses a graph whose shapes do not fit", () => {
    const builder = new GraphBuilder("bad");
    builder.output(builder.relu("relu", builder.input("src", ["N", 2])));
    const graph = { ...builder.build(), outputs: ["rleu"] };
    expect(errorOf(() => createReferenceEngine().prepare(graph, { batch: 1 })).code).toBe("bad-graph");
  });

  it("counts the arithmetic of a step and of its gradients", () => {
    const builder = new GraphBuilder("work");
    const src = builder.input("src", ["N", 4, 16, 16]);
    builder.output(builder.convolution("conv", src, { channels: 8, kernel: 3, padding: 1 }));
    const graph = vectorJacobianGraph(builder.build(), { inputs: true });
    const plan = createReferenceEngine().prepare(graph, { batch: 2 });
    const feeds = { src: normal([2, 4, 16, 16], 1, "src"), "conv.seed": normal([2, 8, 16, 16], 1, "seed") };
    const steps = plan.explain(feeds, 1);
    expect(steps.map(({ op }) => op)).toEqual([
      "convolution",
      "convolution_backward_weights",
      "convolution_backward_data",
    ]);
    for (const { gigaflops, milliseconds } of steps) {
      expect(gigaflops * milliseconds * 1e6).toBeCloseTo(2 * 2 * 8 * 4 * 9 * 256, 3);
    }
  });
});
