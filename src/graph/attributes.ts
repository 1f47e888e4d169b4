/**
 * The attributes of the ops of a network (`ops.ts`). Names follow oneDNN, and those of ONNX where oneDNN has none.
 */

/** (height, width). */
export type Pair = readonly [number, number];
/** (height, width) of an image, or (depth, height, width) of a volume. */
export type Extents = Pair | readonly [number, number, number];
/** Zeros (or, for max pooling, −∞) added on each side. */
export interface Padding {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
  /** Of volumes, before the first and behind the last slice. Default 0. */
  readonly front?: number;
  readonly back?: number;
}

export interface ConvolutionAttributes {
  readonly strides: Extents;
  readonly padding: Padding;
  /** 1 is an ordinary convolution, as in ONNX (oneDNN counts from 0). */
  readonly dilation: Extents;
  readonly groups: number;
}

/** A transposed convolution. The padding is cut off its result. */
export interface DeconvolutionAttributes extends ConvolutionAttributes {
  /** Slices at the back, rows at the bottom and columns at the right by which the result is larger. */
  readonly outputPadding: Extents;
}

export interface PoolingAttributes {
  readonly kernel: Extents;
  readonly strides: Extents;
  readonly padding: Padding;
}

export interface MaxPoolingAttributes extends PoolingAttributes {
  /** The distance between elements of the window; default 1. */
  readonly dilation?: Extents;
}

export interface AveragePoolingAttributes extends PoolingAttributes {
  /** Whether padded zeros count in the divisor. */
  readonly countIncludePad: boolean;
  /**
   * How many of the padded slices at the back, rows at the bottom and columns at the right never count in the divisor,
   * because they exist only to round the number of windows up. Default: none.
   */
  readonly overhang?: Extents;
}

export interface BatchNormalizationAttributes {
  /** Added to the variance. */
  readonly epsilon: number;
  /**
   * The weight m of the batch's statistics in the running ones, as in PyTorch: running ← (1 − m)·running + m·batch.
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
  /** Whether dst is the logarithm of the softmax; default false. */
  readonly isLogarithm?: boolean;
  /** The axis along which the results add up to 1; default 1, the channels. */
  readonly axis?: number;
}

/**
 * A function of one number:
 *
 *     sigmoid 1 / (1 + e⁻ˣ)      tanh      leaky_relu x if x > 0, else slope·x      linear slope·x + offset
 *     hard_sigmoid min(1, max(0, slope·x + offset))      hard_swish x · min(1, max(0, x/6 + 1/2))
 *     gelu x · Φ(x), with the normal distribution Φ(x) = (1 + erf(x/√2)) / 2; its approximation "tanh" is
 *          x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
 *     softplus ln(1 + eˣ)      softsign x / (1 + |x|)      mish x · tanh(ln(1 + eˣ))
 *     elu x if x > 0, else alpha·(eˣ − 1)      celu the same with e^(x/alpha)      selu gamma · elu
 *     exponential eˣ      logarithm ln x      absolute |x|      reciprocal 1/x      square_root √x
 *     power x^exponent      erf, the error function
 */
export type ActivationAttributes =
  | { readonly function: "softplus" | "mish" | "exponential" | "logarithm" | "absolute" }
  | { readonly function: "erf" | "softsign" | "reciprocal" | "square_root" }
  | { readonly function: "elu"; readonly alpha: number }
  | { readonly function: "celu"; readonly alpha: number }
  | { readonly function: "selu"; readonly alpha: number; readonly gamma: number }
  | { readonly function: "power"; readonly exponent: number }
  | { readonly function: "sigmoid" | "tanh" | "hard_swish" }
  | { readonly function: "gelu"; readonly approximation: "none" | "tanh" }
  | { readonly function: "leaky_relu"; readonly slope: number }
  | { readonly function: "hard_sigmoid"; readonly slope: number; readonly offset: number }
  | { readonly function: "linear"; readonly slope: number; readonly offset: number };

/** A function of two numbers a and b. */
export interface BinaryAttributes {
  readonly function: "add" | "subtract" | "multiply" | "divide" | "maximum" | "minimum";
}

/** One number of all along some axes; `l1` is the sum of the absolute values, `l2` the root of the sum of squares. */
export interface ReductionAttributes {
  readonly function: "sum" | "mean" | "maximum" | "minimum" | "l1" | "l2";
  /** Ascending, without the batch. */
  readonly axes: readonly number[];
  /** Whether the axes stay, with extent 1. */
  readonly keepsAxes: boolean;
  /** In a reduction over the channels: how many channels of zeros count besides those of src. Default 0. */
  readonly zeros?: number;
}

/** (x − mean) / √(variance + epsilon); the variance is divided by the number of values. */
export interface NormalizationAttributes {
  /** The axes of the values that are normalised together; ascending, without the batch. */
  readonly axes: readonly number[];
  /** With axis 1 among the axes: into how many groups of adjacent channels it is divided. Default 1. */
  readonly groups?: number;
  readonly epsilon: number;
}

/**
 * x / (bias + alpha/size · Σ x²)^beta. The sum is over `size` channels around that of x, as far as there are any; if
 * the size is even, the one more is behind.
 */
export interface LocalResponseNormalizationAttributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** The integer factors by which rows and columns are repeated. */
export interface UpsamplingAttributes {
  readonly factors: Pair;
}

/** How pixel x of an image made larger or smaller is a place in the original, as ONNX's `Resize` names the formulas. */
export type ResizeCoordinates =
  | "half_pixel"
  | "half_pixel_symmetric"
  | "pytorch_half_pixel"
  | "align_corners"
  | "asymmetric"
  | "tf_half_pixel_for_nn";

export interface Resized {
  /** Height and width of the result, of a volume its depth in front of them. */
  readonly size: Extents;
  /** The factors in the formulas of the coordinates, one for each axis; default: the ratios of the sizes. */
  readonly scales?: readonly number[];
  readonly coordinates: ResizeCoordinates;
}

/**
 * Rows, columns and slices are taken from the original, or blended from several: resized, with the nearest pixel, the
 * two nearest or the four nearest in each direction, or with a border of pixels of the image, as ONNX's `Pad` names it.
 */
export type ResamplingAttributes =
  | ({
      readonly method: "nearest";
      readonly rounding: "floor" | "ceil" | "round_prefer_floor" | "round_prefer_ceil";
    } & Resized)
  | ({ readonly method: "linear" } & Resized)
  | ({
      readonly method: "cubic";
      /** The slope of the kernel at distance 1, often −0.75 or −0.5. */
      readonly coefficient: number;
      /** Whether pixels beyond the image count for nothing, and not as the last pixel. */
      readonly excludesOutside?: true;
    } & Resized)
  | { readonly method: "reflect" | "edge" | "wrap"; readonly padding: Padding };

/** Channel c of pixel p becomes feature c·H·W + p; with `channelsLast` feature p·C + c, as in an image [N,H,W,C]. */
export interface FlattenAttributes {
  readonly channelsLast?: true;
}

export interface ReshapeAttributes {
  /** Without the batch. */
  readonly shape: readonly number[];
}

export interface GatherAttributes {
  readonly order: readonly number[];
}

/** Which number of each image names a row of the table, in row-major order; 0 if there is one. */
export interface LookupAttributes {
  readonly column: number;
}

/** Squares of B × B pixels and channels become one another, with channels in the order that ONNX calls `mode`. */
export interface BlockAttributes {
  readonly block: number;
  readonly mode: "DCR" | "CRD";
}
