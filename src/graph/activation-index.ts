/**
 * The activations of a graph by numbers, for analyses that ask many questions of one graph: values in execution order,
 * inputs first, and the channels of all of them one after another. What reads a channel has a greater number than the
 * channel.
 */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { channelContext } from "./analysis-coupling.ts";
import { type ChannelContext, type ChannelRule, channelsOf, type ReachOf } from "./channels/rule.ts";
import { channelRule } from "./channels.ts";
import type { Graph, Weights } from "./graph.ts";
import type { ForwardOpName } from "./ops.ts";

/** The node that makes a value. */
interface Maker {
  readonly rule: ChannelRule<ForwardOpName>;
  readonly context: ChannelContext<ForwardOpName>;
  /** The activations that it reads. */
  readonly src: readonly number[];
}

export interface Reader {
  /** The value that it makes. */
  readonly dst: number;
  readonly reach: ReachOf;
}

export class ActivationIndex {
  /** Names, by number. */
  readonly values: readonly string[];
  /** By value, the number of its first channel; and behind the last one how many channels there are. */
  readonly starts: Int32Array;
  /** By channel, the value that has it. */
  readonly valueOf: Int32Array;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #makers: readonly (Maker | undefined)[];
  readonly #readers: readonly Reader[][];

  /** Parameters that `weights` lacks are unknown. */
  constructor(graph: Graph, shapes: ReadonlyMap<string, Shape>, weights: Weights) {
    const numbers = new Map(graph.inputs.map(({ name }, index) => [name, index] as const));
    const makers: (Maker | undefined)[] = graph.inputs.map(() => undefined);
    const readers: Reader[][] = graph.inputs.map(() => []);
    for (const node of graph.nodes) {
      const src = node.inputs.flatMap((input) => numbers.get(input) ?? []);
      // Reads parameters only: a fold of factors into weights, not an activation.
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

  /** Undefined of an input. */
  makerOf(value: number): Maker | undefined {
    return this.#makers[value];
  }

  readersOf(value: number): readonly Reader[] {
    return this.#readers[value] ?? [];
  }

  /** The channels of the value called `name`, by their numbers; none of what is no activation. */
  channelsOf(name: string): readonly number[] {
    const value = this.#numbers.get(name);
    if (value === undefined) return [];
    const [start = 0, end = 0] = this.starts.subarray(value, value + 2);
    return Array.from({ length: end - start }, (_, channel) => start + channel);
  }

  /**
   * Of `classes`, by channel: what channels of several of them reach together, as a layer's outputs are what all of its
   * inputs reach.
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

  /** The channels of what `reader` makes that may depend on `channel`: `channels`, counted from `start` on. */
  reachOf({ dst, reach }: Reader, channel: number): { readonly start: number; readonly channels: readonly number[] } {
    const own = channel - (this.starts[this.valueOf[channel] ?? 0] ?? 0);
    return { start: this.starts[dst] ?? 0, channels: reach(own) };
  }
}
