/**
 * What one op says about its channels. These six functions are all that placement and cutting know of an op, so no
 * shared code asks which op it is looking at.
 *
 * Channels are axis 1 of activations. Slot `index` is input `index` of a node; activations come first, parameters after
 * them. A constant channel has the same value at every pixel of every image; `NaN` stands for one that varies.
 */
import type { Shape, Tensor } from "../../core/tensor.ts";
import type { Attributes, ForwardOpName } from "../ops.ts";

/** One node as its rule sees it. */
export interface ChannelContext<K extends ForwardOpName> {
  readonly attributes: Attributes<K>;
  /** Shapes of the inputs, for any batch size. */
  readonly shapes: readonly Shape[];
  readonly dstShape: Shape;
  /** Values of the parameter in `slot`; undefined if unknown, which reads as "no value in it is zero". */
  parameter(slot: number): Tensor | undefined;
}

/** One index along one axis of an input or of the output. */
export interface ChannelEnd {
  readonly slot: number | "dst";
  readonly axis: number;
  readonly index: number;
}

/**
 * What is left of the channels: kept indices of axis 1 of the inputs and of the output, ascending; `rows`: of axis 0.
 */
export interface KeptChannels {
  readonly src: (slot: number) => readonly number[];
  readonly rows: (slot: number) => readonly number[];
  readonly dst: readonly number[];
}

/** A node after slicing. */
export interface NarrowedNode<K extends ForwardOpName> {
  readonly attributes: Attributes<K>;
  /** The inputs that remain, ascending. */
  readonly slots: readonly number[];
}

/** What a node does to its channels if it does no work: hand on an input, or add one constant a channel to it. */
export interface Bypass {
  readonly slot: number;
  /** Added to each channel; absent if the input is handed on as it is. */
  readonly constant?: Float64Array;
}

/** From a channel of the output to its constant. */
export type ConstantAt = (channel: number) => number;

/** From a channel of an input to channels of the output; not to be written to. */
export type ReachOf = (channel: number) => readonly number[];

export interface ChannelRule<K extends ForwardOpName> {
  /** Calls `join` for ends that live and die together. */
  couple(context: ChannelContext<K>, join: (a: ChannelEnd, b: ChannelEnd) => void): void;
  /** From those of the activations read, the function that gives the constant of a channel of the output. */
  constants(context: ChannelContext<K>, src: readonly Float64Array[]): ConstantAt;
  /**
   * The function that gives the output's channels that may depend on a channel of activation `slot`, whatever the
   * parameters are.
   */
  reach(context: ChannelContext<K>, slot: number): ReachOf;
  /** For each activation read: the channels (1, else 0) that the output's channels in the mask `dst` depend on. */
  demands(context: ChannelContext<K>, dst: Uint8Array): readonly Uint8Array[];
  /** The node after its channels have been sliced to `kept`. */
  narrow(context: ChannelContext<K>, kept: KeptChannels): NarrowedNode<K>;
  /** How to do without the node, given the constants read and the mask of output channels that matter. */
  bypass(context: ChannelContext<K>, src: readonly Float64Array[], dst: Uint8Array): Bypass | undefined;
}

/** Extent of axis 1. */
export function channelsOf(shape: Shape | undefined): number {
  return shape?.[1] ?? 0;
}

/** 0 … `count` − 1. */
export function indices(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** `value` as a constant: what is not finite is not handed around as one. */
export function constantOf(value: number): number {
  return Number.isFinite(value) ? value : Number.NaN;
}

/** Whether `predicate` holds for all channels in the mask. */
export function everyChannel(mask: Uint8Array, predicate: (channel: number) => boolean): boolean {
  return mask.every((isOn, channel) => isOn === 0 || predicate(channel));
}
