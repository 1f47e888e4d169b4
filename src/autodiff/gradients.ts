/**
 * The gradient of every op, as one rule each. A rule gets the gradient of a node's dst and adds nodes that compute the
 * gradients of the inputs that need one. The rules only build a graph; they compute no numbers.
 */
import type { Shape } from "../core/tensor.ts";
import type { SymbolicShape } from "../graph/graph.ts";
import type { Attributes, ForwardOpName, OpName } from "../graph/ops.ts";

/** The ops that have a gradient: those of networks, batch normalization in training, and simulated integers. */
export type DifferentiableOpName =
  | ForwardOpName
  | "batch_normalization_training"
  | "fake_quantize"
  | "fake_quantize_weights";

export interface GradientContext<K extends DifferentiableOpName> {
  readonly attributes: Attributes<K>;
  readonly inputCount: number;
  /** The name of input `index`. */
  input(index: number): string;
  /** The name of output `index`; 0 is the dst. */
  output(index: number): string;
  /** The gradient of the dst. */
  readonly diffDst: string;
  /** Whether input `index` exists and a source depends on its gradient. */
  wants(index: number): boolean;
  /** The shape of input `index`, which is a parameter or computed from parameters. */
  parameterShape(index: number): Shape;
  /** The shape of input `index`, which is an activation: its first axis is the batch. */
  activationShape(index: number): SymbolicShape;
  /** Adds node `<this node>.<role>`; its output i is the gradient of input `targets[i]`. */
  emit<B extends OpName>(
    role: string,
    op: B,
    inputs: readonly string[],
    targets: readonly number[],
    attributes: Attributes<B>,
  ): void;
  /** Uses the gradient of the dst, unchanged, as the gradient of input `target`. */
  pass(target: number): void;
}

export type GradientRule<K extends DifferentiableOpName> = (context: GradientContext<K>) => void;

export const gradientRules: { readonly [K in DifferentiableOpName]: GradientRule<K> } = {
  convolution: ({ attributes, input, diffDst, wants, parameterShape, activationShape, emit }) => {
    const withBias = wants(2);
    if (withBias && !wants(1)) emit("backward_bias", "bias_backward", [diffDst], [2], {});
    if (wants(1)) {
      const weightsShape = parameterShape(1);
      emit("backward_weights", "convolution_backward_weights", [input(0), diffDst], withBias ? [1, 2] : [1], {
        ...attributes,
        weightsShape,
        withBias,
      });
    }
    if (wants(0)) {
      const srcShape = activationShape(0);
      emit("backward_data", "convolution_backward_data", [diffDst, input(1)], [0], { ...attributes, srcShape });
    }
  },
  deconvolution: ({ attributes, input, diffDst, wants, parameterShape, activationShape, emit }) => {
    const withBias = wants(2);
    if (withBias && !wants(1)) emit("backward_bias", "bias_backward", [diffDst], [2], {});
    if (wants(1)) {
      const weightsShape = parameterShape(1);
      emit("backward_weights", "deconvolution_backward_weights", [input(0), diffDst], withBias ? [1, 2] : [1], {
        ...attributes,
        weightsShape,
        withBias,
      });
    }
    if (wants(0)) {
      const srcShape = activationShape(0);
      emit("backward_data", "deconvolution_backward_data", [diffDst, input(1)], [0], { ...attributes, srcShape });
    }
  },
  linear: ({ input, diffDst, wants, emit }) => {
    const withBias = wants(2);
    if (withBias && !wants(1)) emit("backward_bias", "bias_backward", [diffDst], [2], {});
    if (wants(1)) {
      const targets = withBias ? [1, 2] : [1];
      emit("backward_weights", "linear_backward_weights", [input(0), diffDst], targets, { withBias });
    }
    if (wants(0)) emit("backward_data", "linear_backward_data", [diffDst, input(1)], [0], {});
  },
  lookup: ({ attributes, input, diffDst, wants, parameterShape, emit }) => {
    const [rows = 0] = parameterShape(1);
    // The numbers of the images are data: they have no gradient.
    if (wants(1)) emit("backward", "lookup_backward", [input(0), diffDst], [1], { ...attributes, rows });
  },
  batch_normalization: ({ attributes: { epsilon }, input, diffDst, emit }) => {
    const [src, scale, mean, variance] = [input(0), input(1), input(3), input(4)];
    emit("backward", "batch_normalization_backward", [src, scale, mean, variance, diffDst], [0, 1, 2], { epsilon });
  },
  batch_normalization_training: ({ attributes: { epsilon }, input, output, diffDst, emit }) => {
    const inputs = [input(0), output(1), output(2), input(1), diffDst];
    emit("backward", "batch_normalization_training_backward", inputs, [0, 1, 2], { epsilon });
  },
  fake_quantize: ({ input, diffDst, emit }) =>
    emit("backward", "fake_quantize_backward", [input(0), input(1), diffDst], [0], {}),
  fake_quantize_weights: ({ pass }) => pass(0),
  relu: ({ output, diffDst, emit }) => emit("backward", "relu_backward", [output(0), diffDst], [0], {}),
  clip: ({ attributes, output, diffDst, emit }) =>
    emit("backward", "clip_backward", [output(0), diffDst], [0], attributes),
  activation: ({ attributes, input, diffDst, emit }) =>
    emit("backward", "activation_backward", [input(0), diffDst], [0], attributes),
  softmax: ({ attributes, output, diffDst, emit }) =>
    emit("backward", "softmax_backward", [output(0), diffDst], [0], attributes),
  multiply: ({ input, diffDst, wants, activationShape, emit }) => {
    for (const [own, other] of [
      [0, 1],
      [1, 0],
    ] as const) {
      if (!wants(own)) continue;
      emit(`backward_${own}`, "multiply_backward", [input(other), diffDst], [own], { srcShape: activationShape(own) });
    }
  },
  binary: ({ attributes, input, diffDst, wants, parameterShape, activationShape, emit }) => {
    const hasParameter = parameterShape(1).length < parameterShape(0).length;
    for (const operand of [0, 1] as const) {
      if (!wants(operand)) continue;
      const srcShape = operand === 1 && hasParameter ? parameterShape(1) : activationShape(operand);
      const given = { ...attributes, operand, srcShape };
      emit(`backward_${operand}`, "binary_backward", [input(0), input(1), diffDst], [operand], given);
    }
  },
  matmul: ({ input, diffDst, wants, emit }) => {
    for (const operand of [0, 1] as const) {
      if (!wants(operand)) continue;
      emit(`backward_${operand}`, "matmul_backward", [input(1 - operand), diffDst], [operand], { operand });
    }
  },
  reduction: ({ attributes, input, output, diffDst, emit }) =>
    emit("backward", "reduction_backward", [input(0), output(0), diffDst], [0], attributes),
  normalization: ({ attributes, input, diffDst, emit }) =>
    emit("backward", "normalization_backward", [input(0), diffDst], [0], attributes),
  local_response_normalization: ({ attributes, input, diffDst, emit }) =>
    emit("backward", "local_response_normalization_backward", [input(0), diffDst], [0], attributes),
  prelu: ({ input, diffDst, emit }) => emit("backward", "prelu_backward", [input(0), input(1), diffDst], [0, 1], {}),
  gain: ({ input, diffDst, wants, parameterShape, emit }) => {
    if (wants(1)) {
      const [factors = 1] = parameterShape(1);
      emit("backward_gain", "scale_backward_factor", [input(0), diffDst], [1], { axis: 1, factors });
    }
    if (wants(0)) emit("backward_data", "gain", [diffDst, input(1)], [0], {});
  },
  add: ({ wants, pass }) => {
    if (wants(0)) pass(0);
    if (wants(1)) pass(1);
  },
  bias: ({ diffDst, wants, emit, pass }) => {
    if (wants(1)) emit("backward", "bias_backward", [diffDst], [1], {});
    if (wants(0)) pass(0);
  },
  concatenation: ({ inputCount, diffDst, wants, activationShape, emit }) => {
    let start = 0;
    for (let index = 0; index < inputCount; index++) {
      const [batch = "N", channels, ...pixels] = activationShape(index);
      const end = start + Number(channels);
      if (wants(index)) {
        emit(`backward_${index}`, "slice", [diffDst], [index], part([0, start], [batch, end], pixels));
      }
      start = end;
    }
  },
  max_pooling: ({ attributes, input, diffDst, emit }) =>
    emit("backward", "max_pooling_backward", [input(0), diffDst], [0], attributes),
  average_pooling: ({ attributes, diffDst, activationShape, emit }) =>
    emit("backward", "average_pooling_backward", [diffDst], [0], { ...attributes, srcShape: activationShape(0) }),
  global_average_pooling: ({ diffDst, activationShape, emit }) =>
    emit("backward", "global_average_pooling_backward", [diffDst], [0], { srcShape: activationShape(0) }),
  flatten: ({ attributes, diffDst, activationShape, emit }) =>
    emit("backward", "flatten_backward", [diffDst], [0], { ...attributes, srcShape: activationShape(0) }),
  upsampling: ({ attributes, diffDst, activationShape, emit }) =>
    emit("backward", "upsampling_backward", [diffDst], [0], { ...attributes, srcShape: activationShape(0) }),
  resampling: ({ attributes, diffDst, activationShape, emit }) =>
    emit("backward", "resampling_backward", [diffDst], [0], { ...attributes, srcShape: activationShape(0) }),
  reshape: ({ diffDst, activationShape, emit }) => {
    emit("backward", "reshape", [diffDst], [0], { shape: activationShape(0).slice(1).map(Number) });
  },
  gather: ({ attributes, diffDst, activationShape, emit }) =>
    emit("backward", "gather_backward", [diffDst], [0], { ...attributes, srcShape: activationShape(0) }),
  depth_to_space: ({ attributes, diffDst, emit }) => emit("backward", "space_to_depth", [diffDst], [0], attributes),
  space_to_depth: ({ attributes, diffDst, emit }) => emit("backward", "depth_to_space", [diffDst], [0], attributes),
  transpose: ({ attributes: { permutation }, diffDst, emit }) => {
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    emit("backward", "transpose", [diffDst], [0], { permutation: inverse });
  },
  pad: ({ attributes: { before }, diffDst, activationShape, emit }) => {
    const ends = activationShape(0).map((dimension, axis) =>
      dimension === "N" ? dimension : dimension + (before[axis] ?? 0),
    );
    emit("backward", "slice", [diffDst], [0], { starts: before, ends, steps: before.map(() => 1) });
  },
  slice: ({ attributes, diffDst, activationShape, emit }) =>
    emit("backward", "slice_backward", [diffDst], [0], { ...attributes, srcShape: activationShape(0) }),
  scale: ({ attributes, input, diffDst, wants, parameterShape, emit }) => {
    if (wants(1)) {
      const [factors = 1] = parameterShape(1);
      emit("backward_factor", "scale_backward_factor", [input(0), diffDst], [1], { ...attributes, factors });
    }
    if (wants(0)) emit("backward_data", "scale", [diffDst, input(1)], [0], attributes);
  },
};

/** A slice with the given bounds on the first axes and with all of the other axes, whose extents are `rest`. */
function part(starts: readonly number[], ends: readonly (number | "N")[], rest: SymbolicShape): Attributes<"slice"> {
  const allStarts = [...starts, ...rest.map(() => 0)];
  return { starts: allStarts, ends: [...ends, ...rest], steps: allStarts.map(() => 1) };
}
