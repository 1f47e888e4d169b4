/**
 * Numbers the activations of a graph, for analyses that ask many questions about one graph. Values are numbered in
 * execution order, inputs first. Their channels are numbered one after another in the same order. So every channel has
 * a smaller number than the channels that are computed from it.
 */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { channelContext } from "./analysis-coupling.ts";
import { type ChannelContext, type ChannelRule, channelsOf, type ReachOf } from "./channels/rule.ts";
import { channelRule } from "./channels.ts";
import type { Graph, Weights } from "./graph.ts";
import type { ForwardOpName } from "./ops.ts";

/** The node that computes a value. */
interface Maker {
  readonly rule: ChannelRule<ForwardOpName>;
  readonly context: ChannelContext<ForwardOpName>;
  /** The numbers of the activations that it reads. */
  readonly src: readonly number[];
}

/** A node that reads a value. */
export interface Reader {
  /** The number of the value that the node computes. */
  readonly dst: number;
  readonly reach: ReachOf;
}

export class ActivationIndex {
  /** By value: its name. */
  readonly values: readonly string[];
  /** By value: the number of its first channel. The last entry is the number of all channels. */
  readonly starts: Int32Array;
  /** By channel: the number of its value. */
  readonly valueOf: Int32Array;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #makers: readonly (Maker | undefined)[];
  readonly #readers: readonly Reader[][];

  /** A parameter that `weights` lacks has unknown values. */
  constructor(graph: Graph, shapes: ReadonlyMap<string, Shape>, weights: Weights) {
    const numbers = new Map(graph.inputs.map(({ name }, index) => [name, index] as const));
    const makers: (Maker | undefined)[] = graph.inputs.map(() => undefined);
    const readers: Reader[][] = graph.inputs.map(() => []);
    for (const node of graph.nodes) {
      const src = node.inputs.flatMap((input) => numbers.get(input) ?? []);
      // The node reads only parameters (it folds factors into weights), so its output is no activation.
      if (src.length === 0) continue;
      const [rule, context, dst] = [channelRule(node), channelContext(node, shapes, weights), makers.length];
      for (const [slot, value] of src.entries()) readers[value]?.push({ dst, reach: rule.reach(context, slot) });
      numbers.set(required(node.outputs[0], `output of "${node.name}"`), dst);
      makers.push({ rule, context, src });
      readers.push([]);
    }
    this.values = [...numbers.keys()];
    this.starts = new Int32Array(this.values.length + 1);
    for (const [value, name] of this.values.entries()) {
      this.starts[value + 1] = (this.starts[value] ?? 0) + channelsOf(shapes.get(name));
    }
    this.valueOf = new Int32Array(this.starts.at(-1) ?? 0);
    for (const value of this.values.keys()) this.valueOf.fill(value, this.starts[value], this.starts[value + 1]);
    this.#numbers = numbers;
    this.#makers = makers;
    this.#readers = readers;
  }

  /** The node that computes `value`; undefined for an input of the graph. */
  makerOf(value: number): Maker | undefined {
    return this.#makers[value];
  }

  readersOf(value: number): readonly Reader[] {
    return this.#readers[value] ?? [];
  }

  /** The numbers of the channels of value `name`; none if it is not an activation. */
  channelsOf(name: string): readonly number[] {
    const value = this.#numbers.get(name);
    if (value === undefined) return [];
    const [start = 0, end = 0] = this.starts.subarray(value, value + 2);
    return Array.from({ length: end - start }, (_, channel) => start + channel);
  }

  /** How many channels `value` has. */
  channelCount(value: number): number {
    return (this.starts[value + 1] ?? 0) - (this.starts[value] ?? 0);
  }

  /**
   * The sets of channels that channels of several classes reach, such as the outputs of a layer, which all of its
   * inputs reach. `classes` has the class of each channel.
   */
  mixedBy(classes: Int32Array): ReadonlySet<readonly number[]> {
    const from = new Map<readonly number[], number>();
    const mixed = new Set<readonly number[]>();
    for (const [channel, one] of classes.entries()) {
      for (const reader of this.readersOf(this.valueOf[channel] ?? 0)) {
        const { start, channels } = this.reachOf(reader, channel);
        const [only = 0] = channels;
        if (channels.length === 1 && classes[start + only] === one) continue;
        if (channels.length > 1 && (from.get(channels) ?? one) === one) from.set(channels, one);
        else mixed.add(channels);
      }
    }
    return mixed;
  }

  /** The output channels of `reader` that may depend on `channel`: `start` + each of `channels`. */
  reachOf({ dst, reach }: Reader, channel: number): { readonly start: number; readonly channels: readonly number[] } {
    const own = channel - (this.starts[this.valueOf[channel] ?? 0] ?? 0);
    return { start: this.starts[dst] ?? 0, channels: reach(own) };
  }
}
