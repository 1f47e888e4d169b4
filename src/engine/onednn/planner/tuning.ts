/**
 * Chooses among implementations by timing them on the shapes of the network, because no rule predicts which is fastest
 * (see docs/engine.md). Choices are stored under keys, so equal layers are timed once. A resumed run repeats the
 * choices of its first session, because other kernels would round differently.
 */
import type { KernelChoices, PassedOver } from "../../engine.ts";
import { argument, isaAvx512Core } from "../ffi/constants.ts";
import type { OneDnn } from "../ffi/library.ts";
import type { MemoryDescriptor } from "../ffi/memory.ts";
import { type PrimitiveDescriptor, reorderDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import { inaccuracy, relativeError, toleranceOf } from "./accuracy.ts";
import { type Candidate, primitivesOf } from "./candidate.ts";
import { KernelTiming, timingBytes } from "./kernel-timing.ts";
import { Stopwatch } from "./stopwatch.ts";

/** How a primitive was chosen. */
export interface Decision {
  readonly candidates: number;
  readonly passedOver: readonly PassedOver[];
}

/** The choices of earlier plans, and measured times in milliseconds. */
export interface Known {
  readonly choices: KernelChoices;
  readonly milliseconds: Readonly<Record<string, number>>;
}

export const nothingKnown: Known = { choices: {}, milliseconds: {} };

/** Runs of each candidate in the first round, which selects candidates for the final. */
const QUICK_RUNS = 3;
/** A candidate that takes this many times as long as the fastest is not run that often. */
const HOPELESS = 3;
/** The first run, whose code and data are in no cache, takes at most about this many times as long as later runs. */
const COLD = 2;
/** Runs of each candidate in the final. They alternate, because the machine's speed drifts. Lower quartiles count. */
const FINAL_RUNS = 11;
/** There are fewer runs if all of them would take longer than this. */
const FINAL_MILLISECONDS = 200;
const FEWEST_FINAL_RUNS = 4;
/** A candidate reaches the final if it takes at most this many times as long as the fastest. */
const CLOSE = 1.3;
const MOST_FINALISTS = 4;
/** A later candidate wins only if it takes less than this share of the time, so that noise does not decide. */
const CLEARLY = 0.98;

/** Options: choices without timing, for a plan whose memory is only estimated, or limits of timing. */
export interface TuningLimits {
  /** Chooses instead of timing. */
  readonly pick?: (candidates: readonly Candidate[]) => Candidate | undefined;
  /** Bytes that timing may use. Candidates that need more are not timed. */
  readonly memory?: () => number;
  /** Milliseconds for all timing. Candidates beyond that are not timed. Default: no limit. */
  readonly milliseconds?: number;
  /** Called with the time spent so far, in milliseconds. */
  readonly onProgress?: (spent: number) => void;
}

export class Tuner {
  readonly blockedLayout: "nChw8c" | "nChw16c";
  readonly #library: OneDnn;
  readonly #known: Known;
  readonly #limits: TuningLimits;
  readonly #stopwatch: Stopwatch;
  readonly #choices: Record<string, string> = {};
  readonly #milliseconds: Record<string, number> = {};
  readonly #untimed = new Set<string>();
  readonly #firstRounds = new Map<string, FirstRound>();
  readonly #reorders = new Map<MemoryDescriptor, Map<MemoryDescriptor, number>>();
  readonly #passedOver = new Map<string, readonly PassedOver[]>();
  readonly #decisions = new WeakMap<PrimitiveDescriptor, Decision>();

  /** `known`: earlier choices, which are repeated if their key occurs and this machine offers the implementation. */
  constructor(library: OneDnn, known: Known, limits: TuningLimits = {}) {
    this.#limits = limits;
    this.#library = library;
    this.#known = known;
    this.#stopwatch = new Stopwatch(limits.milliseconds, limits.onProgress);
    const hasWideVectors = (library.instructionSet & isaAvx512Core) === isaAvx512Core;
    this.blockedLayout = hasWideVectors ? "nChw16c" : "nChw8c";
  }

  /** The choices for all keys that occurred. */
  get choices(): KernelChoices {
    return this.#choices;
  }

  /** New choices to store: those that were timed, or had only one candidate. */
  get lasting(): Known {
    const { choices, milliseconds } = this.#known;
    return {
      choices: entriesOf(this.#choices, (key) => !this.#untimed.has(key) && !(key in choices)),
      milliseconds: entriesOf(this.#milliseconds, (key) => !(key in milliseconds)),
    };
  }

  /** The choices that were made without timing, because there was no time left. */
  get provisional(): Known {
    return { choices: entriesOf(this.#choices, (key) => this.#untimed.has(key)), milliseconds: {} };
  }

  /** Whether other work on the machine disturbed the timing. */
  get wasBusy(): boolean {
    return this.#stopwatch.wasDisturbed;
  }

  /** Number of keys for which there was no time left. */
  get untimed(): number {
    return this.#untimed.size;
  }

  /** Whether timing is still allowed. If not, the usual choice is taken. */
  get mayTime(): boolean {
    return this.#limits.pick === undefined && !this.#stopwatch.isOver;
  }

  /** The decision for `key`: an earlier one if it `isPossible` here, or else that of `make`. */
  decide(key: string, isPossible: (made: string) => boolean, make: () => string | undefined): string | undefined {
    const earlier = this.#choices[key] ?? this.#known.choices[key];
    const made = earlier !== undefined && isPossible(earlier) ? earlier : make();
    if (made !== undefined) this.#choices[key] = made;
    return made;
  }

  /** Known milliseconds, or else those that `measure` returns; undefined if there is no time left. */
  time(key: string, measure: (stopwatch: Stopwatch) => number): number | undefined {
    const known = this.#milliseconds[key] ?? this.#known.milliseconds[key];
    if (known === undefined && !this.mayTime) return undefined;
    const milliseconds = known ?? measure(this.#stopwatch);
    if (Number.isFinite(milliseconds)) this.#milliseconds[key] = milliseconds;
    return milliseconds;
  }

  /**
   * Milliseconds of the fastest of `candidates` with its reorders, after a first measurement. `rival`: that of the
   * fastest in another layout; much slower candidates are not measured further.
   */
  firstRound(key: string, candidates: readonly Candidate[], rival: number = Number.POSITIVE_INFINITY): number {
    const { timed } = this.#firstRound(key, candidates, rival);
    return Math.min(...timed.map(({ candidate, milliseconds }) => milliseconds + this.#around(candidate)));
  }

  /** Whether the choice for `key` is among `candidates`; before a choice, whether all measured candidates are. */
  canDecide(key: string, candidates: readonly Candidate[]): boolean {
    const wanted = this.#choices[key] ?? this.#known.choices[key];
    if (wanted !== undefined) return candidates.some(({ name }) => name === wanted);
    const first = this.#firstRounds.get(key);
    return (
      first === undefined || first.timed.every((one) => candidates.some(({ name }) => name === one.candidate.name))
    );
  }

  /** Runs `work` and discards its choices: steps that are only measured are not part of the plan. */
  apart<T>(work: () => T): T {
    const before = new Set(Object.keys(this.#choices));
    try {
      return work();
    } finally {
      for (const key of Object.keys(this.#choices)) if (!before.has(key)) delete this.#choices[key];
    }
  }

  /** Whether this plan or an earlier one has a choice for `key`. */
  hasChosen(key: string): boolean {
    return key in this.#choices || key in this.#known.choices;
  }

  /** The candidate to use for `key`. The first must be known to be accurate. The caller still owns the others. */
  choose(key: string, candidates: readonly Candidate[]): Candidate {
    const wanted = this.#choices[key] ?? this.#known.choices[key];
    const remembered = candidates.find(({ name }) => name === wanted);
    const chosen = remembered ?? (this.#limits.pick ?? ((all) => this.#fastest(key, all)))(candidates);
    if (chosen === undefined) throw new Refusal(`run ${key}`, "no implementation gives correct results");
    this.#choices[key] = chosen.name;
    const passedOver = this.#passedOver.get(key) ?? [];
    for (const primitive of primitivesOf(chosen)) {
      this.#decisions.set(primitive, { candidates: candidates.length, passedOver });
    }
    return chosen;
  }

  /** How `primitive` was chosen; undefined if there was no choice. */
  decision(primitive: PrimitiveDescriptor): Decision | undefined {
    return this.#decisions.get(primitive);
  }

  /** Milliseconds of a reorder from one layout to another; infinite if the library has none. */
  reorder(from: MemoryDescriptor, to: MemoryDescriptor): number {
    const known = this.#reorders.get(from) ?? new Map<MemoryDescriptor, number>();
    this.#reorders.set(from, known);
    const milliseconds = known.get(to) ?? (this.mayTime ? this.#timeReorder(from, to) : 0);
    known.set(to, milliseconds);
    return milliseconds;
  }

  #around({ reorders }: Candidate): number {
    return reorders.reduce((sum, [from, to]) => sum + this.reorder(from, to), 0);
  }

  #fastest(key: string, candidates: readonly Candidate[]): Candidate | undefined {
    if (candidates.length <= 1) return candidates[0];
    if (!this.mayTime && !this.#firstRounds.has(key)) {
      this.#untimed.add(key);
      return candidates.find(({ isLikely }) => isLikely === true) ?? candidates[0];
    }
    const { timed, others, hasReference } = this.#firstRound(key, candidates);
    // The reorders of a candidate depend on the layouts that earlier steps have defined by now.
    const whole = timed.flatMap((one): readonly Timed[] => {
      const candidate = candidates.find(({ name }) => name === one.candidate.name);
      return candidate === undefined ? [] : [{ ...one, candidate, around: this.#around(candidate) }];
    });
    const finished = this.#final(whole);
    const best = firstOfFastest(finished);
    this.#passedOver.set(key, [
      ...finished
        .filter((one) => one !== best)
        .map((one) => ({
          implementation: one.candidate.name,
          reason:
            `took ${wholeOf(one).toFixed(3)} ms, the chosen one ` +
            `${best === undefined ? "" : wholeOf(best).toFixed(3)} ms`,
        })),
      ...others,
    ]);
    if (hasReference) return best?.candidate;
    // No candidate could be timed: take the first, the library's own choice.
    this.#untimed.add(key);
    return candidates[0];
  }

  #firstRound(key: string, candidates: readonly Candidate[], rival: number = Number.POSITIVE_INFINITY): FirstRound {
    const known = this.#firstRounds.get(key);
    if (known !== undefined) return known;
    const others: PassedOver[] = [];
    const timed: Timed[] = [];
    let expected: Float32Array | undefined;
    const tolerance = toleranceOf(candidates);
    const memory = this.#limits.memory?.() ?? Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      const bytes = timingBytes(candidate);
      if (bytes > memory) {
        others.push({ implementation: candidate.name, reason: `not timed: that takes ${bytes} bytes of memory` });
        // Without the result of the first candidate, those of the others cannot be checked.
        if (expected === undefined) break;
        continue;
      }
      const best = Math.min(rival, ...timed.map((one) => one.milliseconds));
      const { milliseconds, result } = this.#tryOut(candidate, best, expected === undefined);
      if (result === undefined) {
        others.push({ implementation: candidate.name, reason: `took ${milliseconds.toFixed(3)} ms in a first run` });
        continue;
      }
      expected ??= result;
      const error = relativeError(result, expected);
      // NaN is never within the tolerance.
      if (error <= tolerance) timed.push({ candidate, bytes, milliseconds, around: 0 });
      else others.push({ implementation: candidate.name, reason: inaccuracy(error, tolerance) });
    }
    const round = { timed, others, hasReference: expected !== undefined };
    this.#firstRounds.set(key, round);
    return round;
  }

  /**
   * A first measurement of a candidate. Its result is included if the candidate is not much slower than `best`, in
   * milliseconds, or if others are compared with it.
   */
  #tryOut(
    candidate: Candidate,
    best: number,
    isReference: boolean,
  ): { readonly milliseconds: number; readonly result: Float32Array | undefined } {
    return this.#stopwatch.during(() => {
      const timing = new KernelTiming(this.#library, candidate);
      try {
        const first = timing.run();
        // One run is enough to see that a candidate is several times as slow.
        const isHopeless = first > COLD * HOPELESS * best;
        const roughly = isHopeless ? first / COLD : timing.warmUp();
        const milliseconds = roughly > HOPELESS * best ? roughly : typicalRun(timing, QUICK_RUNS);
        return { milliseconds, result: isHopeless && !isReference ? undefined : timing.result() };
      } finally {
        timing.free();
      }
    });
  }

  /** Times the candidates again, in turns, that came close to the fastest of `timed`. */
  #final(timed: readonly Timed[]): readonly Timed[] {
    const memory = this.#limits.memory?.() ?? Number.POSITIVE_INFINITY;
    const best = Math.min(...timed.map(wholeOf));
    const finalists: Timed[] = [];
    let bytes = 0;
    for (const one of timed.toSorted((a, b) => wholeOf(a) - wholeOf(b))) {
      const hasPlace = finalists.length < MOST_FINALISTS && bytes + one.bytes <= memory;
      if (!hasPlace || wholeOf(one) > CLOSE * best) break;
      bytes += one.bytes;
      finalists.push(one);
    }
    if (finalists.length <= 1 || !this.mayTime) return timed;
    return this.#stopwatch.during(() => {
      const timings = finalists.map(({ candidate }) => new KernelTiming(this.#library, candidate));
      try {
        for (const timing of timings) timing.warmUp();
        const round = finalists.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
        const count = Math.max(FEWEST_FINAL_RUNS, Math.min(FINAL_RUNS, Math.round(FINAL_MILLISECONDS / round)));
        const runs = Array.from({ length: count }, () => timings.map((timing) => timing.run()));
        return timed.map((one) => {
          const place = finalists.indexOf(one);
          if (place < 0) return one;
          const own = runs.map((round) => round[place] ?? 0);
          this.#stopwatch.note(own);
          return { ...one, milliseconds: typical(own) };
        });
      } finally {
        for (const timing of timings) timing.free();
      }
    });
  }

  #timeReorder(from: MemoryDescriptor, to: MemoryDescriptor): number {
    const primitive = reorderDescriptor(this.#library, from, to);
    if (primitive === undefined) return Number.POSITIVE_INFINITY;
    return this.#stopwatch.during(() => {
      const timing = new KernelTiming(this.#library, {
        name: "reorder",
        parts: [
          {
            primitive,
            arguments: [
              { index: argument.src, role: "from" },
              { index: argument.dst, role: "to" },
            ],
          },
        ],
        operands: { from: { descriptor: from }, to: { descriptor: to } },
        inputs: [],
        output: "to",
        reorders: [],
      });
      try {
        timing.warmUp();
        return typicalRun(timing, QUICK_RUNS);
      } finally {
        timing.free();
        primitive.destroy();
      }
    });
  }
}

interface Timed {
  readonly candidate: Candidate;
  /** Bytes that timing it needs. */
  readonly bytes: number;
  /** Milliseconds of its reorders. */
  readonly around: number;
  /** Milliseconds of one run. */
  readonly milliseconds: number;
}

interface FirstRound {
  readonly timed: readonly Timed[];
  readonly others: readonly PassedOver[];
  /** Whether the first candidate, which the others are compared with, could be run. */
  readonly hasReference: boolean;
}

function entriesOf<T>(record: Readonly<Record<string, T>>, isWanted: (key: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => isWanted(key)));
}

function wholeOf({ milliseconds, around }: Timed): number {
  return milliseconds + around;
}

/** The first candidate that no later one beats clearly. */
function firstOfFastest(timed: readonly Timed[]): Timed | undefined {
  return timed.reduce<Timed | undefined>(
    (best, one) => (best === undefined || wholeOf(one) < CLEARLY * wholeOf(best) ? one : best),
    undefined,
  );
}

function typicalRun(timing: KernelTiming, runs: number): number {
  return typical(Array.from({ length: runs }, () => timing.run()));
}

/** The lower quartile, because disturbances only make runs longer. */
export function typical(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 2] ?? Number.POSITIVE_INFINITY;
}
