/**
 * Random networks for the tests of placement and cutting: every op, every kind of shortcut, random numbers everywhere.
 */
import fc from "fast-check";
import { RandomStream } from "../../src/core/random.ts";
import { elementCount, type Tensor, tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import type { ActivationAttributes } from "../../src/graph/attributes.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Network, ParameterKind } from "../../src/graph/graph.ts";

/** One piece of a random network; `width` is a number of channels, rounded where groups need it. */
export type Piece =
  | { kind: "convolution"; width: number; kernel: 1 | 3; bias: boolean; norm: boolean; strides: 1 | 2; relu: boolean }
  | { kind: "grouped"; groups: 2 | 3 | 4; perGroup: 1 | 2; norm: boolean }
  | { kind: "deconvolution"; width: number; groups: 1 | 2; strides: 1 | 2; norm: boolean; bias: boolean }
  | { kind: "depthwise"; multiplier: 1 | 2; norm: boolean }
  | { kind: "residual"; width: number; shortcut: "identity" | "convolution" | "A"; norm: boolean; depth: 1 | 2 }
  | { kind: "concatenation"; widths: readonly number[]; keepSource: boolean }
  | { kind: "pooling"; op: "max" | "average"; padding: 0 | 1; countIncludePad: boolean }
  | { kind: "slice"; start: number; step: 1 | 2 }
  | { kind: "pad"; sides: readonly [number, number, number, number] }
  | { kind: "function"; attributes: ActivationAttributes }
  | { kind: "gate"; width: number; gate: ActivationAttributes; of: "channels" | "pixels"; isFirst: boolean }
  | { kind: "product"; width: number; norm: boolean }
  | { kind: "split"; at: number; op: "add" | "multiply" | "concatenation" }
  | { kind: "gain"; withBias: boolean }
  | { kind: "resampled"; factor: number }
  | { kind: "transposed"; permutation: readonly number[] }
  | { kind: "shuffle"; groups: 2 | 3 }
  | { kind: "blocks"; op: "depth_to_space" | "space_to_depth"; mode: "DCR" | "CRD" }
  | { kind: "attention" };

const functions: readonly ActivationAttributes[] = [
  { function: "sigmoid" },
  { function: "tanh" },
  { function: "hard_swish" },
  { function: "gelu", approximation: "none" },
  { function: "gelu", approximation: "tanh" },
  { function: "leaky_relu", slope: 0.1 },
  { function: "elu", alpha: 0.8 },
  { function: "mish" },
  { function: "softplus" },
  { function: "hard_sigmoid", slope: 1 / 6, offset: 0.5 },
  { function: "linear", slope: -0.7, offset: 0 },
  { function: "linear", slope: 1, offset: 0.2 },
];

const width = fc.integer({ min: 1, max: 5 });
export const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({
    kind: fc.constant("convolution" as const),
    width,
    kernel: fc.constantFrom(1 as const, 3 as const),
    bias: fc.boolean(),
    norm: fc.boolean(),
    strides: fc.constantFrom(1 as const, 2 as const),
    relu: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("grouped" as const),
    groups: fc.constantFrom(2 as const, 3 as const, 4 as const),
    perGroup: fc.constantFrom(1 as const, 2 as const),
    norm: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("deconvolution" as const),
    width,
    groups: fc.constantFrom(1 as const, 2 as const),
    strides: fc.constantFrom(1 as const, 2 as const),
    norm: fc.boolean(),
    bias: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("depthwise" as const),
    multiplier: fc.constantFrom(1 as const, 2 as const),
    norm: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("residual" as const),
    width,
    shortcut: fc.constantFrom("identity" as const, "convolution" as const, "A" as const),
    norm: fc.boolean(),
    depth: fc.constantFrom(1 as const, 2 as const),
  }),
  fc.record({
    kind: fc.constant("concatenation" as const),
    widths: fc.array(width, { minLength: 1, maxLength: 3 }),
    keepSource: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("pooling" as const),
    op: fc.constantFrom("max" as const, "average" as const),
    padding: fc.constantFrom(0 as const, 1 as const),
    countIncludePad: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("slice" as const),
    start: fc.integer({ min: 0, max: 3 }),
    step: fc.constantFrom(1 as const, 2 as const),
  }),
  fc.record({
    kind: fc.constant("pad" as const),
    sides: fc.constantFrom<readonly [number, number, number, number]>([0, 1, 0, 0], [0, 0, 1, 0], [0, 2, 0, 1]),
  }),
  fc.record({ kind: fc.constant("function" as const), attributes: fc.constantFrom(...functions) }),
  fc.record({
    kind: fc.constant("gate" as const),
    width,
    gate: fc.constantFrom(...functions),
    of: fc.constantFrom("channels" as const, "pixels" as const),
    isFirst: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("product" as const), width, norm: fc.boolean() }),
  fc.record({
    kind: fc.constant("split" as const),
    at: fc.integer({ min: 1, max: 4 }),
    op: fc.constantFrom("add" as const, "multiply" as const, "concatenation" as const),
  }),
  fc.record({ kind: fc.constant("gain" as const), withBias: fc.boolean() }),
  fc.record({ kind: fc.constant("resampled" as const), factor: fc.constantFrom(1, 2) }),
  fc.record({
    kind: fc.constant("transposed" as const),
    permutation: fc.constantFrom<readonly number[]>([0, 1, 3, 2], [0, 2, 3, 1], [0, 3, 1, 2]),
  }),
  fc.record({ kind: fc.constant("shuffle" as const), groups: fc.constantFrom(2 as const, 3 as const) }),
  fc.record({
    kind: fc.constant("blocks" as const),
    op: fc.constantFrom("depth_to_space" as const, "space_to_depth" as const),
    mode: fc.constantFrom("DCR" as const, "CRD" as const),
  }),
  fc.record({ kind: fc.constant("attention" as const) }),
);

export const heads = ["pool", "flatten", "flatten, channels last"] as const;
export type Head = (typeof heads)[number];

/** "images" [N,3,7,6] through `pieces` into "logits" [N,4], by global pooling or by flattening the pixels. */
export function buildNetwork(pieces: readonly Piece[], head: Head, hidden: number): Graph {
  const builder = new GraphBuilder("random");
  let value = builder.input("images", ["N", 3, 7, 6]);
  value = layer(builder, "stem", value, { width: 4, kernel: 3, bias: false, norm: true, strides: 1, relu: true });
  for (const [index, one] of pieces.entries()) value = addPiece(builder, `piece${index}`, value, one);
  if (head === "pool") value = builder.globalAveragePooling("pool", value);
  value = builder.flatten("flatten", value, { channelsLast: head === "flatten, channels last" });
  if (hidden > 0) value = builder.relu("hidden.relu", builder.linear("hidden", value, hidden));
  builder.output(builder.linear("logits", value, 4));
  return builder.build();
}

type Layer = Omit<Extract<Piece, { kind: "convolution" }>, "kind">;

function layer(builder: GraphBuilder, name: string, src: string, options: Layer): string {
  const { kernel, bias, norm, strides, relu } = options;
  const padding = kernel === 3 ? 1 : 0;
  let value = builder.convolution(`${name}.conv`, src, { channels: options.width, kernel, padding, strides, bias });
  if (norm) value = builder.batchNormalization(`${name}.norm`, value);
  return relu ? builder.relu(`${name}.relu`, value) : value;
}

function addPiece(builder: GraphBuilder, name: string, src: string, one: Piece): string {
  const [, channels = 0, height = 0, columns = 0] = builder.shape(src);
  const plain = { kernel: 3, bias: false, norm: true, strides: 1, relu: true } as const;
  switch (one.kind) {
    case "convolution":
      return layer(builder, name, src, one);
    case "grouped":
    case "depthwise": {
      const groups = one.kind === "grouped" ? one.groups : channels;
      const wide =
        one.kind === "grouped"
          ? layer(builder, `${name}.in`, src, { ...plain, kernel: 1, width: groups * one.perGroup })
          : src;
      const outputs = one.kind === "grouped" ? groups * 2 : channels * one.multiplier;
      let value = builder.convolution(`${name}.conv`, wide, { channels: outputs, kernel: 3, padding: 1, groups });
      if (one.norm) value = builder.batchNormalization(`${name}.norm`, value);
      return one.kind === "grouped" ? builder.relu(`${name}.relu`, value) : builder.relu6(`${name}.relu`, value);
    }
    case "deconvolution": {
      if (height * columns > 100) return src;
      const { groups, strides, bias } = one;
      const width = groups * one.width;
      const wide = groups === 1 ? src : layer(builder, `${name}.in`, src, { ...plain, kernel: 1, width });
      const options = { channels: width, kernel: 3, padding: 1, strides, groups, bias } as const;
      const value = builder.deconvolution(`${name}.conv`, wide, options);
      return builder.relu(`${name}.relu`, one.norm ? builder.batchNormalization(`${name}.norm`, value) : value);
    }
    case "residual": {
      const isWider = one.shortcut !== "identity";
      const outputs = one.shortcut === "A" ? channels + 2 : one.shortcut === "convolution" ? one.width : channels;
      const strides = isWider && height > 3 && columns > 3 ? 2 : 1;
      let branch = src;
      for (let index = 0; index < one.depth; index++) {
        branch = layer(builder, `${name}.branch${index}`, branch, {
          ...plain,
          width: one.width,
          strides: index === 0 ? strides : 1,
        });
      }
      branch = layer(builder, `${name}.last`, branch, { ...plain, width: outputs, norm: one.norm, relu: false });
      let shortcut = src;
      if (one.shortcut === "convolution") {
        shortcut = layer(builder, `${name}.short`, src, { ...plain, kernel: 1, width: outputs, strides, relu: false });
      } else if (one.shortcut === "A") {
        if (strides === 2) shortcut = builder.subsample(`${name}.subsample`, shortcut, 2);
        shortcut = builder.pad(`${name}.pad`, shortcut, [0, 1, 0, 0], [0, 1, 0, 0]);
      }
      return builder.relu(`${name}.relu`, builder.add(`${name}.add`, branch, shortcut));
    }
    case "concatenation": {
      const parts = one.widths.map((wide, index) =>
        layer(builder, `${name}.part${index}`, src, { ...plain, kernel: 1, width: wide }),
      );
      return builder.concatenation(`${name}.cat`, one.keepSource ? [src, ...parts] : parts);
    }
    case "pooling": {
      if (height < 3 || columns < 3) return src;
      const options = { kernel: 2, strides: 1, padding: one.padding };
      return one.op === "max"
        ? builder.maxPooling(`${name}.pool`, src, options)
        : builder.averagePooling(`${name}.pool`, src, { ...options, countIncludePad: one.countIncludePad });
    }
    case "function":
      return builder.activation(`${name}.function`, src, one.attributes);
    case "gate": {
      const squeezed = one.of === "channels" ? builder.globalAveragePooling(`${name}.squeezed`, src) : src;
      const less = layer(builder, `${name}.less`, squeezed, { ...plain, kernel: 1, width: one.width, norm: false });
      const outputs = one.of === "channels" ? channels : 1;
      const excite = builder.convolution(`${name}.excite`, less, { channels: outputs, kernel: 1, bias: true });
      const gate = builder.activation(`${name}.gate`, excite, one.gate);
      return one.isFirst ? builder.multiply(`${name}.gated`, gate, src) : builder.multiply(`${name}.gated`, src, gate);
    }
    case "product": {
      const a = layer(builder, `${name}.a`, src, { ...plain, width: one.width, norm: one.norm });
      const gate = layer(builder, `${name}.b`, src, { ...plain, kernel: 1, width: one.width, relu: false });
      return builder.multiply(`${name}.product`, a, builder.activation(`${name}.gate`, gate, { function: "sigmoid" }));
    }
    case "split": {
      const half = one.op === "concatenation" ? Math.min(one.at, channels - 1) : Math.floor(channels / 2);
      if (half < 1) return src;
      const part = (word: string, start: number, end: number): string =>
        builder.node("slice", `${name}.${word}`, [src], {
          starts: [0, start, 0, 0],
          ends: ["N", end, height, columns],
          steps: [1, 1, 1, 1],
        });
      const first = part("first", 0, half);
      if (one.op === "add") return builder.add(`${name}.joined`, first, part("second", half, 2 * half));
      if (one.op === "multiply") return builder.multiply(`${name}.joined`, first, part("second", half, 2 * half));
      const relu = builder.relu(`${name}.relu`, part("second", half, channels));
      return builder.concatenation(`${name}.joined`, [relu, first]);
    }
    case "gain": {
      const scaled = builder.gain(`${name}.gain`, src);
      return one.withBias ? builder.bias(`${name}.bias`, scaled) : scaled;
    }
    case "resampled": {
      if (height * columns > 100) return src;
      return builder.upsampling(`${name}.large`, src, [one.factor, 2]);
    }
    case "transposed":
      return builder.transpose(`${name}.transposed`, src, one.permutation);
    case "shuffle": {
      const width = one.groups * 2;
      const wide = layer(builder, `${name}.in`, src, { ...plain, kernel: 1, width });
      const order = Array.from(
        { length: width },
        (_, place) => (place % one.groups) * 2 + Math.floor(place / one.groups),
      );
      return builder.gather(`${name}.shuffle`, wide, order);
    }
    case "blocks": {
      if (one.op === "space_to_depth") {
        const isWhole = height % 2 === 0 && columns % 2 === 0;
        return isWhole ? builder.node(one.op, `${name}.blocks`, [src], { block: 2, mode: one.mode }) : src;
      }
      if (height * columns > 100) return src;
      const deep = layer(builder, `${name}.in`, src, { ...plain, kernel: 1, width: 8 });
      return builder.node(one.op, `${name}.blocks`, [deep], { block: 2, mode: one.mode });
    }
    case "attention":
      return builder.multiply(`${name}.weighted`, src, builder.softmax(`${name}.softmax`, src));
    case "pad":
      return builder.pad(`${name}.pad`, src, one.sides, [0, 1, 0, 0]);
    case "slice": {
      const start = Math.min(one.start, channels - 1);
      return builder.node("slice", `${name}.slice`, [src], {
        starts: [0, start, 0, 0],
        ends: ["N", channels, height, columns],
        steps: [1, one.step, 1, 1],
      });
    }
  }
}

/** Random numbers for every parameter of `graph`; statistics and shifts of both signs, factors in [0.5, 1.5). */
export function randomWeights(graph: Graph, seed: number): Map<string, Tensor> {
  const draw: Readonly<Record<ParameterKind, (stream: RandomStream, fan: number) => number>> = {
    weights: (stream, fan) => stream.normal() * Math.sqrt(2 / fan),
    bias: (stream) => 0.3 * stream.normal(),
    scale: (stream) => 0.5 + stream.uniform(),
    shift: (stream) => 0.3 * stream.normal(),
    running_mean: (stream) => 0.2 * stream.normal(),
    running_variance: (stream) => 0.5 + stream.uniform(),
    factor: (stream) => 0.5 + stream.uniform(),
    constant: (stream) => 0.5 + stream.uniform(),
    velocity: () => 0,
    held: () => 0,
    margin: () => 0,
    range: () => 0,
  };
  return new Map(
    graph.parameters.map(({ name, shape, kind }) => {
      const stream = new RandomStream(seed, name);
      const fan = elementCount(shape.slice(1));
      return [
        name,
        tensor(
          shape,
          Float32Array.from({ length: elementCount(shape) }, () => draw[kind](stream, fan)),
        ),
      ];
    }),
  );
}

/** `network` with rows (axis 0) of its parameters of `kinds` zeroed at random; some parameters lose all of theirs. */
export function zeroRows(network: Network, kinds: readonly ParameterKind[], share: number, seed: number): Network {
  const weights = new Map(network.weights);
  for (const { name, shape, kind } of network.graph.parameters) {
    const values = weights.get(name);
    if (!kinds.includes(kind) || values === undefined) continue;
    const stream = new RandomStream(seed, `zero:${name}`);
    const isDead = stream.uniform() < share / 3;
    const rowLength = values.data.length / (shape[0] ?? 1);
    const dead = Array.from({ length: shape[0] ?? 0 }, () => isDead || stream.uniform() < share);
    weights.set(
      name,
      tensor(
        shape,
        values.data.map((value, index) => (dead[Math.floor(index / rowLength)] ? 0 : value)),
      ),
    );
  }
  return { graph: network.graph, weights };
}

/** `network` with the factors named in `zeros` at zero: all of them, or those at the indices given. */
export function zeroFactors(network: Network, zeros: Readonly<Record<string, "all" | readonly number[]>>): Network {
  const weights = new Map(network.weights);
  for (const [name, indices] of Object.entries(zeros)) {
    const values = weights.get(name);
    if (values === undefined) throw new Error(`no factor ${name}`);
    weights.set(
      name,
      tensor(
        values.shape,
        values.data.map((value, index) => (indices === "all" || indices.includes(index) ? 0 : value)),
      ),
    );
  }
  return { graph: network.graph, weights };
}

/** Outputs of `network` on two random images, by the reference engine. */
export function outputs({ graph, weights }: Network): Readonly<Record<string, Tensor>> {
  const plan = createReferenceEngine().prepare(graph, { batch: 2 });
  plan.write(weights);
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, shape }) => {
      const bound = shape.map((extent) => (extent === "N" ? 2 : extent));
      const stream = new RandomStream(7, `images:${name}`);
      return [
        name,
        tensor(
          bound,
          Float32Array.from({ length: elementCount(bound) }, () => stream.normal()),
        ),
      ];
    }),
  );
  const results = plan.run(feeds);
  plan.dispose();
  return results;
}

/** Largest difference of the outputs of `a` and `b`, relative to the largest output (or to 1 if that is smaller). */
export function outputDifference(a: Network, b: Network): number {
  const [left, right] = [outputs(a), outputs(b)];
  let difference = 0;
  for (const [name, { data }] of Object.entries(left)) {
    const other = right[name]?.data;
    if (other === undefined || other.length !== data.length) return Number.POSITIVE_INFINITY;
    const range = Math.max(1, ...data.map(Math.abs));
    for (const [index, value] of data.entries()) {
      const distance = Math.abs(value - (other[index] ?? Number.NaN)) / range;
      difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(difference, distance);
    }
  }
  return difference;
}
