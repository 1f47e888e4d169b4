/** The options of the methods of a `GraphBuilder`, and their checks. */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import type {
  BatchNormalizationAttributes,
  ConvolutionAttributes,
  Extents,
  Padding,
  Pair,
  PoolingAttributes,
} from "./attributes.ts";
import { type InitialWeights, initialKinds } from "./graph.ts";
import { type ArgumentKinds, fieldsOf } from "./node-arguments.ts";
import { everywhere, paddingOf } from "./windows.ts";

export interface ConvolutionOptions {
  /** Output channels. */
  readonly channels: number;
  readonly kernel: number | Extents;
  readonly strides?: number | Extents;
  readonly padding?: number | Padding;
  readonly dilation?: number | Extents;
  readonly groups?: number;
  readonly bias?: boolean;
  readonly weights?: WeightsOptions;
}

/** How weights start, and whether training leaves them so. */
export interface WeightsOptions {
  /** Default "normal". */
  readonly initial?: InitialWeights;
  /** Default false. */
  readonly isFrozen?: boolean;
}

export interface NormalizationOptions extends Partial<BatchNormalizationAttributes> {
  /** Whether the scales stay at 1; default false. */
  readonly isScaleFrozen?: boolean;
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  readonly weights?: WeightsOptions;
}

export interface DeconvolutionOptions extends ConvolutionOptions {
  readonly outputPadding?: number | Extents;
}

export interface PoolingOptions {
  readonly kernel: number | Extents;
  /** Default: the kernel. */
  readonly strides?: number | Extents;
  readonly padding?: number | Padding;
}

export function pair(value: number | Pair): Pair {
  return typeof value === "number" ? [value, value] : value;
}

/** `value` along each axis of pixels of a value of `rank` axes. */
export function extents(value: number | Extents, rank: number): Extents {
  return typeof value === "number" ? everywhere(value, rank) : value;
}

function sides(value: number | Padding, rank: number): Padding {
  return typeof value === "number" ? paddingOf(everywhere(value, rank).map((side) => [side, side])) : value;
}

/** The attributes of a convolution of a value of `rank` axes. */
export function layerWindow(
  { strides = 1, padding = 0, dilation = 1, groups = 1 }: ConvolutionOptions,
  rank: number,
): ConvolutionAttributes {
  return {
    strides: extents(strides, rank),
    padding: sides(padding, rank),
    dilation: extents(dilation, rank),
    groups,
  };
}

/** A window over the pixels of a value of `rank` axes. */
export function windowOf(
  kernel: number | Extents,
  strides: number | Extents,
  padding: number | Padding,
  rank: number,
): PoolingAttributes {
  return { kernel: extents(kernel, rank), strides: extents(strides, rank), padding: sides(padding, rank) };
}

export function requireWeightsOptions(call: string, argument: string, options: WeightsOptions): void {
  requireArguments(call, fieldsOf(argument, options, { initial: "object?", isFrozen: "boolean?" }));
  if (options.initial === undefined) return;
  const kind: unknown = Reflect.get(options.initial, "kind");
  requireOneOf(call, `${argument}.initial.kind`, kind, initialKinds);
  const kinds: ArgumentKinds = kind === "whitening" ? { epsilon: "number" } : {};
  requireArguments(call, fieldsOf(`${argument}.initial`, options.initial, kinds));
}

/** The input channels of one of `groups`. @throws UserError "bad-graph" if `channels` are no multiple of them. */
export function channelsOfGroup(about: string, channels: number, groups: number): number {
  if (channels % groups === 0) return channels / groups;
  throw new UserError("bad-graph", "groups do not divide the input channels", {
    about,
    expected: `a divisor of ${channels}`,
    received: `${groups}`,
    hint: "Choose another number of groups or of channels",
  });
}

export const poolingKinds: ArgumentKinds = {
  kernel: "number or extents",
  strides: "number or extents?",
  padding: "number or padding?",
};

export const convolutionKinds: ArgumentKinds = {
  channels: "positive whole number",
  kernel: "number or extents",
  strides: "number or extents?",
  padding: "number or padding?",
  dilation: "number or extents?",
  groups: "positive whole number?",
  bias: "boolean?",
  weights: "object?",
};
