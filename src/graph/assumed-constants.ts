/**
 * Which channels would be constant if some were zero. Asked many times of one graph, so only what a zero changes is
 * looked at: from the nodes that make the zeros on, channel by channel, as far as anything differs.
 */
import { Frontier } from "../core/frontier.ts";
import type { ActivationIndex, Reader } from "./activation-index.ts";
import type { Constants } from "./analysis.ts";

/** Couplings, as far as zeros are followed along them. */
export interface WithinClasses {
  /** By channel. */
  readonly classes: Int32Array;
  /** What is made of several classes: a zero of one of them alone changes none of it. */
  readonly mixed: ReadonlySet<readonly number[]>;
}

export class AssumedConstants {
  /** As of now, by channel; `NaN` of one that varies. */
  readonly now: Float64Array;
  readonly #index: ActivationIndex;
  readonly #within: WithinClasses | undefined;
  /** The same, value by value. */
  readonly #views: readonly Float64Array[];
  readonly #sources = new Map<number, readonly Float64Array[]>();
  readonly #zero: Uint8Array;
  #zeros: readonly number[] = [];
  #changed: number[] = [];
  #before: number[] = [];
  readonly #frontier = new Frontier();
  /** By value: its channels that are to be looked at again. */
  readonly #pending = new Map<number, number[]>();
  #looks = 0;

  /** `constants`: what holds without assumptions. `within`: zeros are followed no further than the class of each. */
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

  /** Channels looked at so far: the work that was done. */
  get looks(): number {
    return this.#looks;
  }

  /** Takes `channels` as zero from now on; `advance` finds out what follows. */
  assume(channels: readonly number[]): void {
    this.#zeros = channels;
    for (const channel of channels) {
      this.#zero[channel] = 1;
      const value = this.#index.valueOf[channel] ?? 0;
      this.#pendingOf(value).push(channel - (this.#index.starts[value] ?? 0));
      this.#frontier.add(value);
    }
  }

  /** Looks at what follows. Ends early if `isKnown` says so of a value that all the rest depends on. */
  advance(isKnown: (value: number) => boolean = () => false): void {
    for (let value = this.#frontier.take(); value !== undefined; value = this.#frontier.take()) {
      const changed = this.#update(value);
      if (this.#frontier.size === 0 && isKnown(value)) return;
      if (changed.length === 0) continue;
      for (const reader of this.#index.readersOf(value)) this.#follow(value, changed, reader);
    }
  }

  /** Back to what holds without assumptions. */
  forget(): void {
    for (const [at, channel] of this.#changed.entries()) this.now[channel] = this.#before[at] ?? Number.NaN;
    for (const channel of this.#zeros) this.#zero[channel] = 0;
    this.#changed = [];
    this.#before = [];
    this.#zeros = [];
    this.#frontier.clear();
    this.#pending.clear();
  }

  /** The channels of `value` that are to be looked at, to be added to. */
  #pendingOf(value: number): number[] {
    const known = this.#pending.get(value);
    if (known !== undefined) return known;
    const pending: number[] = [];
    this.#pending.set(value, pending);
    return pending;
  }

  /** The channels of `value` that change. */
  #update(value: number): readonly number[] {
    const maker = this.#index.makerOf(value);
    const pending = this.#pending.get(value) ?? [];
    this.#pending.delete(value);
    // An input varies, whatever is assumed.
    if (maker === undefined) return [];
    const start = this.#index.starts[value] ?? 0;
    const constantAt = maker.rule.constants(maker.context, this.#sourcesOf(value, maker.src));
    const changed: number[] = [];
    for (const own of pending) {
      const channel = start + own;
      this.#looks++;
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

  /** Puts down what of `reader` is to be looked at again, now that `changed` of `value` are others. */
  #follow(value: number, changed: readonly number[], { dst, reach }: Reader): void {
    const [start, startOfDst] = [this.#index.starts[value] ?? 0, this.#index.starts[dst] ?? 0];
    const pending = this.#pendingOf(dst);
    const seen = new Set<readonly number[]>();
    for (const channel of changed) {
      const reached = reach(channel - start);
      // What several channels reach is the same array.
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
