/**
 * The closed list of ops: every op of a network and of its training step, with its attributes. Names follow oneDNN.
 * Total tables over this list define what an op means: shapes (`shapes.ts`), MACs (`cost.ts`), channel rules
 * (`channels.ts`), gradients (`autodiff/`), kernels (`engine/`), ONNX names (`formats/`), integer forms
 * (`quantization/`). If an op is added here, the compiler lists every table that lacks it.
 *
 * Shapes: N batch, C channels, H × W pixels, O output channels, K × L kernel, G groups, F features. Convolutions and
 * poolings also go over volumes [N,C,D,H,W], with kernels [J,K,L]; what is said of images holds for these.
 */
import type {
  ActivationAttributes,
  AveragePoolingAttributes,
  BatchNormalizationAttributes,
  BinaryAttributes,
  BlockAttributes,
  ClipAttributes,
  ConvolutionAttributes,
  DeconvolutionAttributes,
  FlattenAttributes,
  GatherAttributes,
  LocalResponseNormalizationAttributes,
  LookupAttributes,
  MaxPoolingAttributes,
  NormalizationAttributes,
  ReductionAttributes,
  ResamplingAttributes,
  ReshapeAttributes,
  ScaleAttributes,
  SoftmaxAttributes,
  UpsamplingAttributes,
} from "./attributes.ts";

/** The ops of networks at inference: those of models, of pruning and of ONNX files. */
export interface ForwardOps {
  /** (src [N,C,H,W], weights [O,C/G,K,L], bias [O]?) → dst [N,O,H',W'] */
  convolution: ConvolutionAttributes;
  /**
   * (src [N,C,H,W], weights [O,C/G,K,L], bias [O]?) → dst [N,O,H',W']: the gradient of a convolution by its src, with
   * rows of the weights for outputs. Pixel (y, x) of src times element (k, l) of the kernel is added to pixel
   * (y·stride + k·dilation − top, x·stride + l·dilation − left).
   */
  deconvolution: DeconvolutionAttributes;
  /** (src [N,C,…], scale [C], shift [C], running mean [C], running variance [C]) → dst; inference form. */
  batch_normalization: BatchNormalizationAttributes;
  /** (src) → dst = max(0, src) */
  relu: Record<never, never>;
  /** (src) → dst = min(maximum, max(minimum, src)); ReLU6 is the clip to 0 … 6 */
  clip: ClipAttributes;
  /** (src) → dst = f(src), elementwise */
  activation: ActivationAttributes;
  /** (src [N,C,…]) → dst, over one axis: e^src / Σ e^src, or the logarithm of that */
  softmax: SoftmaxAttributes;
  /** (a, b), same shapes → a + b */
  add: Record<never, never>;
  /** (a, b) of the same rank and batch → a · b; along any other axis one of them may have extent 1 (broadcasting). */
  multiply: Record<never, never>;
  /**
   * (a, b) → f(a, b) of values of the same rank and batch, or of a value a and a parameter b that has no batch axis.
   * Along any other axis one of them may have extent 1 (broadcasting).
   */
  binary: BinaryAttributes;
  /**
   * (a [N,…,R,K], b [N,…,K,S]) → dst [N,…,R,S]: the product of the matrices along the last two axes, for each image and
   * each place of the axes in front of them. Both are values; the product with weights is `linear`.
   */
  matmul: Record<never, never>;
  /** (src) → dst, without the axes or with extent 1 along them */
  reduction: ReductionAttributes;
  /** (src) → dst: instance, group and layer norms without their scale and shift, which are gain and bias */
  normalization: NormalizationAttributes;
  /** (src [N,C,…]) → dst */
  local_response_normalization: LocalResponseNormalizationAttributes;
  /** (src [N,C,…], slope [C] or [1]) → src where it is positive, else src · slope, per channel */
  prelu: Record<never, never>;
  /**
   * (src [N,C,…], gain [C]) → src · gain, per channel. The gain is a trained or constant parameter, not a scaling
   * factor.
   */
  gain: Record<never, never>;
  /** (src [N,C,…], bias [C]) → src + bias, per channel. Pruning replaces a branch by it if all its neurons are zero. */
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
  /**
   * (src [N] or [N,…], table [K,D]) → dst [N,D]: the row of the table that one number of each image names, 0 … K − 1. A
   * number that is no row's is that of the nearest row; data with such numbers are refused before.
   */
  lookup: LookupAttributes;
  /** (src [N,C,H,W]) → dst [N,C·H·W] */
  flatten: FlattenAttributes;
  /** (src [N,C,H,W]) → dst [N,C,H·factor,W·factor]: each pixel repeated */
  upsampling: UpsamplingAttributes;
  /** (src [N,C,H,W]) → dst [N,C,H',W']: images or volumes of another size, see `resampling.ts` */
  resampling: ResamplingAttributes;
  /** (src [N,…]) → dst [N, …shape]: the same numbers of each image, in the same order */
  reshape: ReshapeAttributes;
  /** (src [N,C,…]) → dst: channel c of dst is channel order[c] of src. A channel may be taken any number of times. */
  gather: GatherAttributes;
  /**
   * (src [N,C·B·B,H,W]) → dst [N,C,H·B,W·B]: pixel (y·B + i, x·B + j) of channel c is pixel (y, x) of channel
   * (i·B + j)·C + c ("DCR"), or (c·B + i)·B + j ("CRD").
   */
  depth_to_space: BlockAttributes;
  /** (src [N,C,H·B,W·B]) → dst [N,C·B·B,H,W]: the inverse of `depth_to_space` */
  space_to_depth: BlockAttributes;
  /** (src) → dst: axis i of dst is axis permutation[i] of src. The batch stays first. */
  transpose: { readonly permutation: readonly number[] };
  /** (src) → dst with zeros added: `before` and `after` have one number per axis. */
  pad: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** (src) → dst: start (inclusive), end (exclusive) and step of each axis. The slice must contain all of axis 0. */
  slice: {
    readonly starts: readonly number[];
    readonly ends: readonly (number | "N")[];
    readonly steps: readonly number[];
  };
  /**
   * (src, factor [F]) → dst: channel c of `axis` (C channels) times factor ⌊c·F/C⌋. F = C scales neurons, F = groups
   * scales groups, F = 1 scales a block. `axis` is 1 for activations, 0 for parameters. With `first`, the factor of
   * channel c is first + c, so that values of different widths can share the factors of one stream.
   */
  scale: ScaleAttributes;
}

/** One term of a loss with soft targets. */
export interface SoftTerm {
  readonly weight: number;
  readonly temperature: number;
}

/** How an output learns from a teacher's: see `taught_loss`. */
export type TaughtTerm =
  | { readonly kind: "logits"; readonly weight: number; readonly temperature: number }
  | { readonly kind: "values"; readonly weight: number; readonly variance: number }
  | {
      readonly kind: "channels";
      readonly weight: number;
      /** Of each channel. */
      readonly variances: readonly number[];
      /** Whether the channels are the last axis; default: axis 1. */
      readonly hasChannelsLast?: true;
    };

/** The ops that only training graphs have. */
export interface TrainingOps {
  /**
   * (src, scale, shift) → (dst, mean [C], variance [C]); statistics of this batch, variance biased (divided by N·H·W).
   */
  batch_normalization_training: { readonly epsilon: number };
  /**
   * (src, range [2]) → (dst, extremes [2]): src rounded to the unsigned 8-bit integers that cover range, as floats, see
   * `integer-scale.ts`; extremes are the smallest and the largest value of src and 0.
   */
  fake_quantize: Record<never, never>;
  /** (src, range [2], diff_dst) → diff_src = diff_dst where src is inside the integers, else 0: straight through */
  fake_quantize_backward: Record<never, never>;
  /**
   * (weights [O,…]) → dst: each row of axis 0 rounded to its integers −largest … largest, as floats. Its gradient is
   * that of dst: straight through.
   */
  fake_quantize_weights: { readonly largest: number };
  /**
   * (logits [N,F], labels [N] i32) → (loss [] mean over N, diff_src [N,F] = ∂loss/∂logits, correct [] count of top-1
   * hits). If N is a part of a larger batch, `share` is its share: loss and gradient are multiplied by it, so that the
   * sums over all parts are those of the larger batch.
   */
  softmax_cross_entropy: { readonly share?: number };
  /**
   * (logits [N,F], targets [N,F] …) → (loss [], diff_src [N,F] = ∂loss/∂logits, correct []). There is one input of
   * targets t, distributions over the classes, for each of `terms`. loss = Σ weight · mean over N of −Σ t·log
   * softmax(logits / temperature). correct counts the rows whose first largest logit is the first largest target of the
   * first term. With `isPerClass`, each class is a question of its own with targets t from 0 to 1: loss = Σ weight ·
   * mean over N of the sum over the classes of −t·log σ(logit / temperature) − (1 − t)·log(1 − σ(logit / temperature)),
   * and correct counts the rows where logits above 0 are those of the targets of 0.5 and more.
   */
  soft_cross_entropy: { readonly terms: readonly SoftTerm[]; readonly isPerClass?: true };

  /**
   * (outputs y …, the teacher's outputs t …), one of each for each of `outputs` → (loss [], ∂loss/∂y …, agreeing []).
   * The loss is a weighted sum, of means over N: of logits T² · KL(softmax(t / T) ‖ softmax(y / T)) over axis 1, of
   * values and channels the mean of (y − t)² / variance. agreeing is the mean over the outputs of the rows that agree:
   * of logits those with the same largest class, of others N times the explained part of the variance. `share` as in
   * `softmax_cross_entropy`.
   */
  taught_loss: { readonly outputs: readonly TaughtTerm[]; readonly share?: number };

  /** (diff_dst, weights) → diff_src of shape `srcShape` */
  convolution_backward_data: ConvolutionAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (src, diff_dst) → (diff_weights of shape `weightsShape`, diff_bias [O] if `withBias`) */
  convolution_backward_weights: ConvolutionAttributes & {
    readonly weightsShape: readonly number[];
    readonly withBias: boolean;
  };
  /** (diff_dst, weights) → diff_src of shape `srcShape` */
  deconvolution_backward_data: DeconvolutionAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (src, diff_dst) → (diff_weights of shape `weightsShape`, diff_bias [O] if `withBias`) */
  deconvolution_backward_weights: DeconvolutionAttributes & {
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
  /** (src, diff_dst) → diff_src = f'(src) · diff_dst; at a kink f' is the left derivative */
  activation_backward: ActivationAttributes;
  /**
   * (dst, diff_dst) → diff_src = dst · (diff_dst − Σ dst·diff_dst); for the logarithm diff_dst − e^dst · Σ diff_dst;
   * the sums are over the axis
   */
  softmax_backward: SoftmaxAttributes;
  /**
   * (other factor, diff_dst) → diff_factor of shape `srcShape`: their product, summed over the axes along which the
   * factor was broadcast
   */
  multiply_backward: { readonly srcShape: readonly (number | "N")[] };
  /**
   * (a, b, diff_dst) → the gradient of operand 0 (a) or 1 (b), of shape `srcShape`: summed over the axes along which it
   * was broadcast
   */
  binary_backward: BinaryAttributes & { readonly operand: 0 | 1; readonly srcShape: readonly (number | "N")[] };
  /** (the other operand, diff_dst) → gradient of operand 0, diff_dst · otherᵀ, or of operand 1, otherᵀ · diff_dst */
  matmul_backward: { readonly operand: 0 | 1 };
  /** (src, dst, diff_dst) → diff_src; a tie of maxima or minima goes to the first in row-major order */
  reduction_backward: ReductionAttributes;
  /** (src, diff_dst) → diff_src */
  normalization_backward: NormalizationAttributes;
  local_response_normalization_backward: LocalResponseNormalizationAttributes;
  /** (src, slope, diff_dst) → (diff_src, diff_slope) */
  prelu_backward: Record<never, never>;
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
  /** (src, diff_dst [N,D]) → diff_table [K,D], with K `rows`: for each row the sum over the images that read it */
  lookup_backward: LookupAttributes & { readonly rows: number };
  /** (diff_dst [N,C·H·W]) → diff_src of shape `srcShape` */
  flatten_backward: FlattenAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst) → diff_src of shape `srcShape`: each pixel is the sum over its copies */
  upsampling_backward: UpsamplingAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst) → diff_src of shape `srcShape` */
  resampling_backward: ResamplingAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst) → diff_src of shape `srcShape`: the sums over the channels of diff_dst that took each channel */
  gather_backward: GatherAttributes & { readonly srcShape: readonly (number | "N")[] };
  /** (diff_dst) → diff_src of shape `srcShape`: zeros outside the slice */
  slice_backward: ForwardOps["slice"] & { readonly srcShape: readonly (number | "N")[] };
  /** (src, diff_dst) → diff_factor [factors] */
  scale_backward_factor: ScaleAttributes & { readonly factors: number };
  /** (diff_dst [N,C,…]) → diff_bias [C] */
  bias_backward: Record<never, never>;

  /** (gradients …) → factor [] = min(1, maximum / √(sum of all squares)), which clips their common norm to `maximum` */
  clip_factor: { readonly maximum: number };
  /**
   * (w, gradient, velocity, learning rate [], factor of the gradient []?) → (w', velocity'), see `autodiff/nesterov.ts`
   */
  nesterov_sgd: { readonly momentum: number; readonly weightDecay: number };
  /** Inputs and outputs as for `nesterov_sgd`, for weights of a convolution, see `autodiff/muon.ts` */
  muon: { readonly momentum: number; readonly weightDecay: number };
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
   * (values …) → handles of the values, whose sums over all ranks begin; only the `all_reduce_end` of the same bucket
   * may read them. Value i is summed in the layout of parameter `layouts[i]`, which is the same on every rank; "" is
   * the row-major layout.
   */
  all_reduce_begin: { readonly bucket: string; readonly layouts: readonly string[] };
  /** (outputs of `all_reduce_begin` …) → the sums of the values over all ranks */
  all_reduce_end: { readonly bucket: string };
  /** (src [N,C,…]) → (mean [C], variance [C]) of this rank's samples, variance biased */
  batch_statistics: Record<never, never>;
  /** (mean [C], variance [C]) of this rank → those of the samples of all ranks; all ranks have equally many samples */
  all_reduce_statistics: Record<never, never>;
  /**
   * (src, mean, variance, scale, diff_src with constant mean and variance, diff_scale, diff_shift) → diff_src that
   * includes the gradient through mean and variance, which are computed from `ranks` batches of the size of src. mean,
   * variance, diff_scale and diff_shift are those of all ranks.
   */
  batch_normalization_correction: { readonly epsilon: number; readonly ranks: number };
  /** (running, batch) → (1 − m)·running + m·batch·correction */
  running_average: { readonly momentum: number; readonly correction: number };
}

export type ForwardOpName = keyof ForwardOps;
export type TrainingOpName = keyof TrainingOps;
export type OpName = ForwardOpName | TrainingOpName;
export type Attributes<K extends OpName> = (ForwardOps & TrainingOps)[K];
