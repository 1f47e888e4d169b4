/**
 * The closed vocabulary: every op of a network and of its training step, with its attributes. Names and attribute words
 * are oneDNN's. What an op means is told by the total tables over this vocabulary: shapes (`shapes.ts`), MACs
 * (`cost.ts`), channel maps (`channels.ts`), gradients (`autodiff/`), kernels (`engine/`), ONNX names (`formats/`).
 * Adding an op here makes the compiler list every table that lacks it.
 *
 * Shapes: N batch, C channels, H × W pixels, O output channels, K × L kernel, G groups, F features.
 */

/** (height, width). */
export type Pair = readonly [number, number];
/** Zeros (or, for max pooling, −∞) added on each side. */
export interface Padding {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

export interface ConvolutionAttributes {
  readonly strides: Pair;
  readonly padding: Padding;
  /** 1 is an ordinary convolution (ONNX's convention; oneDNN counts from 0). */
  readonly dilation: Pair;
  readonly groups: number;
}

export interface PoolingAttributes {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly padding: Padding;
}

export interface MaxPoolingAttributes extends PoolingAttributes {
  /** Distance of the window's elements; absent: 1. */
  readonly dilation?: Pair;
}

export interface AveragePoolingAttributes extends PoolingAttributes {
  /** Whether padded zeros count in the divisor. */
  readonly countIncludePad: boolean;
  /**
   * How many of the padded rows at the bottom and columns at the right never count, since they are there only to round
   * the number of windows up. Absent: none.
   */
  readonly overhang?: Pair;
}

export interface BatchNormalizationAttributes {
  /** Added to the variance. */
  readonly epsilon: number;
  /**
   * Share of the batch's statistics in the new running ones: running ← (1 − m)·running + m·batch (PyTorch's
   * convention).
   */
  readonly momentum: number;
}

export interface ScaleAttributes {
  readonly axis: 0 | 1;
  readonly first?: number;
}

/** Both bounds may be infinite. */
export interface ClipAttributes {
  readonly minimum: number;
  readonly maximum: number;
}

export interface SoftmaxAttributes {
  /** Whether the dst is its logarithm; default false. */
  readonly isLogarithm?: boolean;
}

/**
 * A function of one number:
 *
 *     sigmoid 1 / (1 + e⁻ˣ)      tanh      leaky_relu x if x > 0, else slope·x      linear slope·x + offset
 *     hard_sigmoid min(1, max(0, slope·x + offset))      hard_swish x · min(1, max(0, x/6 + 1/2))
 */
export type ActivationAttributes =
  | { readonly function: "sigmoid" | "tanh" | "hard_swish" }
  | { readonly function: "leaky_relu"; readonly slope: number }
  | { readonly function: "hard_sigmoid"; readonly slope: number; readonly offset: number }
  | { readonly function: "linear"; readonly slope: number; readonly offset: number };

/** Whole factors by which rows and columns are repeated. */
export interface UpsamplingAttributes {
  readonly factors: Pair;
}

/**
 * With `channelsLast`, feature p·C + c is channel c of pixel p, as in an image [N,H,W,C]; otherwise feature c·H·W + p
 * is.
 */
export interface FlattenAttributes {
  readonly channelsLast?: true;
}

/** Ops of a network as it is used: what models are made of, what is cut, what ONNX files hold. */
export interface ForwardOps {
  /** (src [N,C,H,W], weights [O,C/G,K,L], bias [O]?) → dst [N,O,H',W'] */
  convolution: ConvolutionAttributes;
  /** (src [N,C,…], scale [C], shift [C], running mean [C], running variance [C]) → dst; inference form. */
  batch_normalization: BatchNormalizationAttributes;
  /** (src) → dst = max(0, src) */
  relu: Record<never, never>;
  /** (src) → dst = min(maximum, max(minimum, src)); ReLU6 is the clip to 0 … 6 */
  clip: ClipAttributes;
  /** (src) → dst = f(src), number by number */
  activation: ActivationAttributes;
  /** (src [N,C,…]) → dst, over the channels: e^src / Σ e^src, or the logarithm of that */
  softmax: SoftmaxAttributes;
  /** (a, b), same shapes → a + b */
  add: Record<never, never>;
  /** (a, b) of one rank and batch → a · b; along each other axis, one of them may have extent 1, which is repeated. */
  multiply: Record<never, never>;
  /**
   * (src [N,C,…], gain [C]) → src · gain, per channel: a trained or constant number of the network, no scaling factor.
   */
  gain: Record<never, never>;
  /** (src [N,C,…], bias [C]) → src + bias, per channel: what remains of a branch whose neurons are all dead. */
  bias: Record<never, never>;
  /** (src …) → dst, joined along the channels (axis 1) */
  concatenation: Record<never, never>;
  /** (src [N,C,H,W]) → dst [N,C,H',W'] */
  max_pooling: MaxPoolingAttributes;
  average_pooling: AveragePoolingAttributes;
  /** (src [N,C,H,W]) → dst [N,C,1,1] */
  global_average_pooling: Record<never, never>;
  /** (src [N,F], weights [O,F], bias [O]?) → dst [N,O] */
  linear: Record<never, never>;
  /** (src [N,C,H,W]) → dst [N,C·H·W] */
  flatten: FlattenAttributes;
  /** (src [N,C,H,W]) → dst [N,C,H·factor,W·factor]: each pixel repeated */
  upsampling: UpsamplingAttributes;
  /** (src) → dst: axis i of dst is axis permutation[i] of src. The batch stays first. */
  transpose: { readonly permutation: readonly number[] };
  /** (src) → dst, zeros added: one number an axis on each side. */
  pad: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** (src) → dst: start (inclusive), end (exclusive) and step of each axis. Axis 0 must be taken whole. */
  slice: {
    readonly starts: readonly number[];
    readonly ends: readonly (number | "N")[];
    readonly steps: readonly number[];
  };
  /**
   * (src, factor [F]) → dst: channel c of `axis` (C channels) times factor ⌊c·F/C⌋. F = C scales neurons, F = groups
   * scales groups, F = 1 scales a block. `axis` is 1 for activations, 0 for parameters. With `first`, channel c takes
   * factor first + c: values of different widths share the factors of one stream.
   */
  scale: ScaleAttributes;
}

/** One part of a loss of soft targets. */
export interface SoftTerm {
  readonly weight: number;
  readonly temperature: number;
}

/** Ops that only a training step has. */
export interface TrainingOps {
  /**
   * (src, scale, shift) → (dst, mean [C], variance [C]); statistics of this batch, variance biased (divided by N·H·W).
   */
  batch_normalization_training: { readonly epsilon: number };
  /**
   * (logits [N,F], labels [N] i32) → (loss [] mean over N, diff_src [N,F] = ∂loss/∂logits, correct [] count of top-1
   * hits). Where N is a part of a larger batch, `share` is how large a part: loss and gradient are multiplied by it,
   * and summing makes them whole.
   */
  softmax_cross_entropy: { readonly share?: number };
  /**
   * (logits [N,F], targets [N,F] …) → (loss [], diff_src [N,F] = ∂loss/∂logits, correct []): for each of `terms` one
   * input of targets t, distributions over the classes. loss = Σ weight · mean over N of −Σ t·log softmax(logits /
   * temperature). correct counts the rows whose first largest logit is the first largest target of the first term.
   */
  soft_cross_entropy: { readonly terms: readonly SoftTerm[] };

  /** (diff_dst, weights) → diff_src of shape `srcShape` */
  convolution_backward_data: ConvolutionAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (src, diff_dst) → (diff_weights of shape `weightsShape`, diff_bias [O] if `withBias`) */
  convolution_backward_weights: ConvolutionAttributes & {
    readonly weightsShape: readonly number[];
    readonly withBias: boolean;
  };
  /** (src, mean, variance, scale, diff_dst) → (diff_src, diff_scale, diff_shift) of the training form */
  batch_normalization_training_backward: { readonly epsilon: number };
  /**
   * (src, scale, running mean, running variance, diff_dst) → (diff_src, diff_scale, diff_shift) of the inference form
   */
  batch_normalization_backward: { readonly epsilon: number };
  /** (dst, diff_dst) → diff_src = diff_dst where dst > 0 */
  relu_backward: Record<never, never>;
  /** (dst, diff_dst) → diff_src = diff_dst where minimum < dst < maximum */
  clip_backward: ClipAttributes;
  /** (src, diff_dst) → diff_src = f'(src) · diff_dst; at a kink the derivative of the left side */
  activation_backward: ActivationAttributes;
  /**
   * (dst, diff_dst) → diff_src = dst · (diff_dst − Σ dst·diff_dst), of the logarithm diff_dst − e^dst · Σ diff_dst;
   * sums over the channels
   */
  softmax_backward: SoftmaxAttributes;
  /**
   * (other factor, diff_dst) → diff_factor of shape `srcShape`: their product, summed over the axes that the factor was
   * repeated along
   */
  multiply_backward: { readonly srcShape: readonly (number | "N")[] };
  /** (src, diff_dst) → diff_src; a tie goes to the first maximum in row-major order */
  max_pooling_backward: MaxPoolingAttributes;
  /** (diff_dst) → diff_src of shape `srcShape` */
  average_pooling_backward: AveragePoolingAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst [N,C,1,1]) → diff_src of shape `srcShape` */
  global_average_pooling_backward: { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst [N,O], weights [O,F]) → diff_src [N,F] */
  linear_backward_data: Record<never, never>;
  /** (src [N,F], diff_dst [N,O]) → (diff_weights [O,F], diff_bias [O] if `withBias`) */
  linear_backward_weights: { readonly withBias: boolean };
  /** (diff_dst [N,C·H·W]) → diff_src of shape `srcShape` */
  flatten_backward: FlattenAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst) → diff_src of shape `srcShape`: sums over the pixels that were one */
  upsampling_backward: UpsamplingAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst) → diff_src of shape `srcShape`: zeros where the slice took nothing */
  slice_backward: ForwardOps["slice"] & { readonly srcShape: readonly (number | "N")[] };
  /** (src, diff_dst) → diff_factor [factors] */
  scale_backward_factor: ScaleAttributes & { readonly factors: number };
  /** (diff_dst [N,C,…]) → diff_bias [C] */
  bias_backward: Record<never, never>;

  /** (gradients …) → factor [] = min(1, maximum / √(sum of all squares)): what clips them to that norm together */
  clip_factor: { readonly maximum: number };
  /**
   * (w, gradient, velocity, learning rate [], factor of the gradient []?) → (w', velocity'), see `autodiff/nesterov.ts`
   */
  nesterov_sgd: { readonly momentum: number; readonly weightDecay: number };
  /** (λ, gradient, velocity, learning rate [], γ [λ's shape or []]) → (λ', velocity'), see `selection/apg.ts` */
  accelerated_proximal_gradient: {
    readonly momentum: number;
    readonly keepLast: boolean;
    readonly keepRun?: readonly [number, number];
  };
  /**
   * (λ, gradient, velocity, γ, held, margin), all of λ's shape → (held', margin'), see `selection/zero-stability.ts`
   */
  zero_margin: Record<never, never>;

  /**
   * (values …) → the same values, on their way to their sums over all ranks; only the `all_reduce_end` of the same
   * bucket may read them. Value i is summed in the layout of parameter `layouts[i]`, which is the same on every rank;
   * "" is the plain one.
   */
  all_reduce_begin: { readonly bucket: string; readonly layouts: readonly string[] };
  /** (values under way …) → their sums over all ranks */
  all_reduce_end: { readonly bucket: string };
  /** (src [N,C,…]) → (mean [C], variance [C]) of this rank's samples, variance biased */
  batch_statistics: Record<never, never>;
  /** (mean [C], variance [C]) of this rank → those of the samples of all ranks, which have as many each */
  all_reduce_statistics: Record<never, never>;
  /**
   * (src, mean, variance, scale, diff_src with mean and variance held constant, diff_scale, diff_shift) → diff_src with
   * the statistics of `ranks` batches like src following them; mean, variance, diff_scale and diff_shift are those of
   * all ranks.
   */
  batch_normalization_correction: { readonly epsilon: number; readonly ranks: number };
  /** (running, batch) → (1 − m)·running + m·batch·correction */
  running_average: { readonly momentum: number; readonly correction: number };
}

export type ForwardOpName = keyof ForwardOps;
export type TrainingOpName = keyof TrainingOps;
export type OpName = ForwardOpName | TrainingOpName;
export type Attributes<K extends OpName> = (ForwardOps & TrainingOps)[K];
