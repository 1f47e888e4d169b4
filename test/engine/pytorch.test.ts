/**
 * The reference engine against PyTorch 2 in 64 bits. Inputs are waves, sin(k·i + 0.1) rounded to 32 bits, so that both
 * sides can make them; of each result four numbers are kept: Σ t, Σ t·cos i, the first and the last element.
 */
import { describe, expect, it } from "vitest";
import { runningStatistics, withBatchStatistics } from "../../src/autodiff/batch-statistics.ts";
import { gradientGraph, vectorJacobianGraph } from "../../src/autodiff/gradient-graph.ts";
import { stepNesterov } from "../../src/autodiff/nesterov.ts";
import { elementCount, type Shape, type Tensor, tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";

type Digest = readonly [sum: number, wave: number, first: number, last: number];

function wave(shape: Shape, k: number): Tensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * k + 0.1));
  return tensor(shape, data);
}

function expectDigest(actual: Tensor | undefined, expected: Digest, what: string): void {
  const data = actual?.data ?? new Float32Array();
  const digest = [
    data.reduce((sum, value) => sum + value, 0),
    data.reduce((sum, value, i) => sum + value * Math.cos(i), 0),
    data.at(0) ?? Number.NaN,
    data.at(-1) ?? Number.NaN,
  ];
  digest.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] ?? Number.NaN)), `${what}: ${value} for ${expected[i]}`).toBeLessThan(2e-5);
  });
}

interface Comparison {
  readonly name: string;
  readonly batch: number;
  readonly graph: Graph;
  readonly weights: Weights;
  readonly frozen?: boolean;
  /** The dst, then the gradient of each parameter, then that of the input. */
  readonly expected: readonly Digest[];
}

function layer(shape: readonly number[], build: (builder: GraphBuilder, src: string) => string): Graph {
  const builder = new GraphBuilder("layer");
  builder.output(build(builder, builder.input("src", ["N", ...shape])));
  return builder.build();
}

const affine: readonly (readonly [string, Tensor])[] = [
  ["bn.scale", wave([4], 0.9)],
  ["bn.shift", wave([4], 1.3)],
];

const averaged = {
  kernel: [3, 2],
  strides: [2, 1],
  padding: { top: 1, left: 1, bottom: 1, right: 1 },
} as const;

const comparisons: readonly Comparison[] = [
  {
    name: "convolution with groups, strides, dilation and asymmetric padding",
    batch: 2,
    graph: layer([6, 7, 8], (builder, src) =>
      builder.convolution("conv", src, {
        channels: 4,
        kernel: [3, 2],
        strides: [2, 1],
        dilation: [1, 2],
        groups: 2,
        bias: true,
        padding: { top: 2, left: 1, bottom: 1, right: 0 },
      }),
    ),
    weights: new Map([
      ["conv.weights", wave([4, 3, 3, 2], 0.9)],
      ["conv.bias", wave([4], 1.3)],
    ]),
    expected: [
      [44.12863034505199, 4.4106312634394005, -1.204245126454957, 1.0230389346520745],
      [1.7363487423103106, -11.707343763244499, -1.6549109632435526, 1.4789698229551589],
      [0.2710698735900223, 0.7162757495840896, 0.3522756681777537, -0.24725406803190708],
      [0.6103009002659217, -4.6423241048961446, -0.47259622864302653, -0.19632501267050628],
    ],
  },
  {
    name: "batch normalization by the batch's statistics",
    batch: 3,
    graph: layer([4, 3, 5], (builder, src) => builder.batchNormalization("bn", src)),
    weights: new Map(affine),
    expected: [
      [34.01372350752353, 6.448214118164706, 0.11419889970486247, -0.8807546128567006],
      [0.7033576357248741, 0.8370437071097572, -0.2789783388707281, -0.30583944748197106],
      [1.7531061214394867, -0.16038455662642637, 1.7632092088460922, 1.2378423823975027],
      [0, 3.6079941379835976, 0.008735318813261343, 0.36477413606016496],
    ],
  },
  {
    name: "batch normalization by running statistics",
    batch: 3,
    frozen: true,
    graph: layer([4, 3, 5], (builder, src) => builder.batchNormalization("bn", src)),
    weights: new Map([
      ...affine,
      ["bn.running_mean", wave([4], 0.5)],
      [
        "bn.running_variance",
        tensor(
          [4],
          wave([4], 0.4).data.map((value) => value + 1.5),
        ),
      ],
    ]),
    expected: [
      [-16.224316822082105, 2.865505055019337, 0.0998334139585495, -1.0257690770794017],
      [-0.06471680399734459, 1.3144061651736672, -0.29622097611446674, -0.9256931685587345],
      [1.7531061214394867, -0.16038455662642637, 1.7632092088460922, 1.2378423823975027],
      [-0.3423281958612279, 2.852362862376106, 0.007879762224582951, 0.16984559395130377],
    ],
  },
  {
    name: "max pooling",
    batch: 2,
    graph: layer([3, 7, 6], (builder, src) => builder.maxPooling("pool", src, { kernel: 3, strides: 2, padding: 1 })),
    weights: new Map(),
    expected: [
      [62.68644776940346, -0.011572035819601811, 0.7173560857772827, 0.9502372741699219],
      [1.796905841678381, -1.7116591214779442, 0, 0],
    ],
  },
  {
    name: "average pooling, padding not counted",
    batch: 2,
    graph: layer([3, 7, 6], (builder, src) => builder.averagePooling("pool", src, averaged)),
    weights: new Map(),
    expected: [
      [-0.004460485496868713, -2.8321477214790147, -0.408166266977787, 0.39932160824537277],
      [1.3750166562385857, 3.189758369298618, 0.2829264774918556, 0.6170616894960403],
    ],
  },
  {
    name: "average pooling, padding counted",
    batch: 2,
    graph: layer([3, 7, 6], (builder, src) =>
      builder.averagePooling("pool", src, { ...averaged, countIncludePad: true }),
    ),
    weights: new Map(),
    expected: [
      [-0.003178759167591902, -1.7312913366629752, -0.13605542232592902, 0.13310720274845758],
      [0.4983179823805899, 0.5408543758417306, 0.17197874933481216, 0.24473139643669128],
    ],
  },
  {
    name: "linear",
    batch: 5,
    graph: layer([7], (builder, src) => builder.linear("fc", src, 4)),
    weights: new Map([
      ["fc.weights", wave([4, 7], 0.9)],
      ["fc.bias", wave([4], 1.3)],
    ]),
    expected: [
      [10.423461498409354, 7.128607083689472, 2.887558405095997, 2.8433476408995135],
      [1.8279253280990297, -2.899001616750044, 0.5600260946750988, -0.8072579291631499],
      [1.7263754084706306, -1.2066838998790215, -0.6196885257959366, 0.4430764615535736],
      [-0.009803111779564055, 1.4590273642139393, 0.1796471577719203, -0.4725671117992736],
    ],
  },
];

describe("the reference engine, against PyTorch", () => {
  it.each(comparisons)("$name", ({ batch, graph: forward, weights, frozen, expected }) => {
    const graph = vectorJacobianGraph(forward, { batchNormalization: frozen ? "frozen" : "batch", inputs: true });
    const plan = createReferenceEngine().prepare(graph, { batch });
    plan.write(weights);
    const [src, seed] = graph.inputs.map(({ shape }) => shape.with(0, batch).map(Number));
    const output = forward.outputs[0] ?? "";
    const results = plan.run({ src: wave(src ?? [], 0.7), [`${output}.seed`]: wave(seed ?? [], 1.1) });
    expect(graph.outputs).toHaveLength(expected.length);
    graph.outputs.forEach((name, index) => {
      expectDigest(results[name], expected[index] ?? [0, 0, 0, 0], name);
    });
  });

  it("running statistics after one batch", () => {
    const forward = layer([4, 3, 5], (builder, src) => builder.batchNormalization("bn", src));
    const network = withBatchStatistics(forward);
    const { nodes, updates } = runningStatistics(forward, 3);
    const plan = createReferenceEngine().prepare(
      { ...network, nodes: [...network.nodes, ...nodes], updates },
      { batch: 3 },
    );
    plan.write(new Map([["bn.running_variance", tensor([4], Float32Array.of(1, 1, 1, 1))]]));
    plan.run({ src: wave([3, 4, 3, 5], 0.7) });
    const after = plan.read(["bn.running_mean", "bn.running_variance"]);
    const mean: Digest = [
      -8.867757187949293e-5, -0.0009996068420179073, -0.00013759442294637364, -4.432243605454763e-5,
    ];
    const variance: Digest = [3.8039523089669918, 0.12757247370689984, 0.9505945356617942, 0.9505794165908411];
    expectDigest(after.get("bn.running_mean"), mean, "running mean");
    expectDigest(after.get("bn.running_variance"), variance, "running variance");
  });

  it("cross-entropy", () => {
    const graph = gradientGraph(
      layer([7], (builder, src) => builder.flatten("logits", src)),
      { inputs: true },
    );
    const plan = createReferenceEngine().prepare({ ...graph, outputs: [...graph.outputs, "correct"] }, { batch: 5 });
    const results = plan.run({
      src: wave([5, 7], 2.7),
      labels: { dtype: "i32", shape: [5], data: Int32Array.of(0, 3, 6, 2, 2) },
    });
    expect(results["loss"]?.data[0]).toBeCloseTo(2.332504185421764, 6);
    expect(results["correct"]?.data[0]).toBe(1);
    const gradient: Digest = [0, 0.013175544811495216, -0.1750614322021521, 0.011073967663310272];
    expectDigest(results["src.diff"], gradient, "gradient");
  });

  it("three steps of Nesterov momentum with weight decay", () => {
    const state = { weights: wave([6], 0.7).data, velocity: new Float32Array(6) };
    for (const k of [0.3, 0.5, 0.7]) {
      stepNesterov(state, wave([6], k).data, { learningRate: 0.1, momentum: 0.9, weightDecay: 0.05 });
    }
    const expected = [
      0.016186859469113173, 0.26851578112730284, 0.3100237482898967, 0.06848081008828563, -0.37454811814928013,
      -0.8181798927568835,
    ];
    expected.forEach((value, index) => {
      expect(state.weights[index]).toBeCloseTo(value, 6);
    });
  });
});
