/**
 * Computes which channels would be constant if some channels were zero. Callers ask this many times about one graph, so
 * the computation visits only channels that may change: it starts at the zeros and follows the readers of each channel
 * whose constant changes.
 */
import { Frontier } from "../core/frontier.ts";
import type { ActivationIndex, Reader } from "./activation-index.ts";
import type { Constants } from "./analysis.ts";

/** Restricts the computation to the classes of the zeros. */
export interface WithinClasses {
  /** By channel: its class of coupled channels. */
  readonly classes: Int32Array;
  /** The sets of channels that several classes reach: zeros of one class alone do not make them constant. */
  readonly mixed: ReadonlySet<readonly number[]>;
}

export class AssumedConstants {
  /** By channel: its present constant, `NaN` if it varies. */
  readonly now: Float64Array;
  readonly #index: ActivationIndex;
  readonly #within: WithinClasses | undefined;
  /** By value: the part of `now` with its channels. */
  readonly #views: readonly Float64Array[];
  readonly #sources = new Map<number, readonly Float64Array[]>();
  readonly #zero: Uint8Array;
  #zeros: readonly number[] = [];
  #changed: number[] = [];
  #before: number[] = [];
  readonly #frontier = new Frontier();
  /** By value: its channels that have to be computed again. */
  readonly #pending = new Map<number, number[]>();
  #visits = 0;

  /** `constants`: the constants without assumptions. `within`: follow each zero only within its class. */
  constructor(index: ActivationIndex, constants: Constants, within?: WithinClasses) {
    this.#index = index;
    this.#within = within;
    this.now = new Float64Array(index.valueOf.length);
    this.#views = index.values.map((name, value) => {
      const view = this.now.subarray(index.starts[value], index.starts[value + 1]);
      view.set(constants.get(name) ?? []);
      return view;
    });
    this.#zero = new Uint8Array(this.now.length);
  }

  /** How many channels have been computed so far, as a measure of the work. */
  get visits(): number {
    return this.#visits;
  }

  /** Assumes that `channels` are zero. Call `advance` to compute what follows from it. */
  assume(channels: readonly number[]): void {
    this.#zeros = channels;
    for (const channel of channels) {
      this.#zero[channel] = 1;
      const value = this.#index.valueOf[channel] ?? 0;
      this.#pendingOf(value).push(channel - (this.#index.starts[value] ?? 0));
      this.#frontier.add(value);
    }
  }

  /** Computes what follows from the assumption. Stops early at a value that `isKnown` accepts if all others need it. */
  advance(isKnown: (value: number) => boolean = () => false): void {
    for (let value = this.#frontier.take(); value !== undefined; value = this.#frontier.take()) {
      const changed = this.#update(value);
      if (this.#frontier.size === 0 && isKnown(value)) return;
      if (changed.length === 0) continue;
      for (const reader of this.#index.readersOf(value)) this.#follow(value, changed, reader);
    }
  }

  /** Restores the constants without assumptions. */
  forget(): void {
    for (const [at, channel] of this.#changed.entries()) this.now[channel] = this.#before[at] ?? Number.NaN;
    for (const channel of this.#zeros) this.#zero[channel] = 0;
    this.#changed = [];
    this.#before = [];
    this.#zeros = [];
    this.#frontier.clear();
    this.#pending.clear();
  }

  /** The list of channels of `value` that have to be computed again. Callers add to it. */
  #pendingOf(value: number): number[] {
    const known = this.#pending.get(value);
    if (known !== undefined) return known;
    const pending: number[] = [];
    this.#pending.set(value, pending);
    return pending;
  }

  /** Computes the pending channels of `value` again, and returns those that change. */
  #update(value: number): readonly number[] {
    const maker = this.#index.makerOf(value);
    const pending = this.#pending.get(value) ?? [];
    this.#pending.delete(value);
    // An input of the graph always varies.
    if (maker === undefined) return [];
    const start = this.#index.starts[value] ?? 0;
    const constantAt = maker.rule.constants(maker.context, this.#sourcesOf(value, maker.src));
    const changed: number[] = [];
    for (const own of pending) {
      const channel = start + own;
      this.#visits++;
      const before = this.now[channel] ?? Number.NaN;
      const after = this.#zero[channel] === 1 ? 0 : constantAt(own);
      if (after === before || (Number.isNaN(after) && Number.isNaN(before))) continue;
      this.#changed.push(channel);
      this.#before.push(before);
      this.now[channel] = after;
      changed.push(channel);
    }
    return changed;
  }

  #sourcesOf(value: number, src: readonly number[]): readonly Float64Array[] {
    const known = this.#sources.get(value);
    if (known !== undefined) return known;
    const sources = src.map((one) => this.#views[one] ?? new Float64Array());
    this.#sources.set(value, sources);
    return sources;
  }

  /** Adds the output channels of `reader` that depend on the channels `changed` of `value` to the pending ones. */
  #follow(value: number, changed: readonly number[], { dst, reach }: Reader): void {
    const [start, startOfDst] = [this.#index.starts[value] ?? 0, this.#index.starts[dst] ?? 0];
    const pending = this.#pendingOf(dst);
    const seen = new Set<readonly number[]>();
    for (const channel of changed) {
      const reached = reach(channel - start);
      // Channels that reach the same set return the same array.
      if (reached.length > 1) {
        if (seen.has(reached)) continue;
        seen.add(reached);
      }
      if (this.#within?.mixed.has(reached) === true) continue;
      const one = this.#within?.classes[channel];
      for (const own of reached) if (this.#within?.classes[startOfDst + own] === one) pending.push(own);
    }
    if (pending.length > 0) this.#frontier.add(dst);
  }
}
