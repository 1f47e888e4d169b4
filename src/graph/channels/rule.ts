/**
 * The interface of channel rules. Placing factors and pruning use only these six functions of an op, so no shared code
 * depends on the kind of op.
 *
 * Channels are axis 1 of activations. Slot `index` is input `index` of a node; activations come first, then parameters.
 * A constant channel has the same value at every pixel of every image. `NaN` stands for a channel that varies.
 */
import type { Shape, Tensor } from "../../core/tensor.ts";
import type { Attributes, ForwardOpName } from "../ops.ts";

/** The input of a rule: one node. */
export interface ChannelContext<K extends ForwardOpName> {
  readonly attributes: Attributes<K>;
  /** Shapes of the inputs, for any batch size. */
  readonly shapes: readonly Shape[];
  readonly dstShape: Shape;
  /** The values of the parameter in `slot`; undefined if they are unknown: then none of them counts as zero. */
  parameter(slot: number): Tensor | undefined;
}

/** One index along one axis of an input or of the output. */
export interface ChannelEnd {
  readonly slot: number | "dst";
  readonly axis: number;
  readonly index: number;
}

/** The indices that are kept, ascending: of axis 1 of an input (`src`) and of the output, and of axis 0 (`rows`). */
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

/** The effect of a node that can be removed: its output is one of its inputs, or that input plus a constant. */
export interface Bypass {
  /** The slot of the input. */
  readonly slot: number;
  /** The constant, one number per channel; absent if the output is the input itself. */
  readonly constant?: Float64Array;
}

/** Maps a channel of the output to its constant. */
export type ConstantAt = (channel: number) => number;

/** Maps a channel of an input to channels of the output. The caller must not change the array. */
export type ReachOf = (channel: number) => readonly number[];

export interface ChannelRule<K extends ForwardOpName> {
  /** Calls `join` for every two ends that can only be pruned together. */
  couple(context: ChannelContext<K>, join: (a: ChannelEnd, b: ChannelEnd) => void): void;
  /** A function from an output channel to its constant. `src` has the constants of the input activations. */
  constants(context: ChannelContext<K>, src: readonly Float64Array[]): ConstantAt;
  /**
   * A function from a channel of activation `slot` to the output channels that may depend on it for some parameters.
   */
  reach(context: ChannelContext<K>, slot: number): ReachOf;
  /** By input activation: a mask of the channels that the output channels in the mask `dst` depend on. */
  demands(context: ChannelContext<K>, dst: Uint8Array): readonly Uint8Array[];
  /** The node after pruning all channels but `kept`. */
  narrow(context: ChannelContext<K>, kept: KeptChannels): NarrowedNode<K>;
  /** How to remove the node, if possible. `src` has the input constants, `dst` masks the output channels in use. */
  bypass(context: ChannelContext<K>, src: readonly Float64Array[], dst: Uint8Array): Bypass | undefined;
}

/** The extent of axis 1; 0 if there is none. */
export function channelsOf(shape: Shape | undefined): number {
  return shape?.[1] ?? 0;
}

/** 0 … `count` − 1. */
export function indices(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** `value` as a constant. A value that is not finite becomes `NaN`, so it does not count as a constant. */
export function constantOf(value: number): number {
  return Number.isFinite(value) ? value : Number.NaN;
}

/** Whether `predicate` holds for all channels in the mask. */
export function everyChannel(mask: Uint8Array, predicate: (channel: number) => boolean): boolean {
  return mask.every((isOn, channel) => isOn === 0 || predicate(channel));
}
