/**
 * Chooses among implementations by timing them once on the shapes at hand, because no rule predicts which is fastest (see
 * docs/engine.md). A choice is remembered under a key, so that equal layers are timed once, and a resumed run is given
 * the choices of its first part: other kernels would round differently.
 */
import type { KernelChoices, PassedOver } from "../../engine.ts";
import { argument, isaAvx512Core } from "../ffi/constants.ts";
import type { OneDnn } from "../ffi/library.ts";
import type { DataType, LayoutName, MemoryDescriptor } from "../ffi/memory.ts";
import { type PrimitiveDescriptor, reorderDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import { type Candidate, primitivesOf } from "./candidate.ts";
import { Trial, trialBytes } from "./trial.ts";

/** How a primitive came to be chosen. */
export interface Decision {
  readonly candidates: number;
  readonly passedOver: readonly PassedOver[];
}

/** Runs of each candidate in the first round, which finds those worth a second look. */
const QUICK_RUNS = 3;
/** One that took so many times as long as the fastest is not even run as often. */
const HOPELESS = 3;
/** Runs of each of those worth a second look, in turns, for the machine's speed drifts; their lower quartiles count. */
const FINAL_RUNS = 11;
/** Those that took at most so many times as long as the fastest come into the final, and at most so many. */
const CLOSE = 1.3;
const MOST_FINALISTS = 4;
/** A later candidate wins only if it takes less than this share of the time: equals are not told apart by noise. */
const CLEARLY = 0.98;
/** A candidate whose outputs differ more from the first one's, relative to the largest, may not win. */
const tolerances = { f32: 1e-4, bf16: 1e-2, i32: 0 } as const satisfies Record<DataType, number>;

/** Chooses without timing, for a plan that is only measured; or says what may be timed. */
export interface TuningLimits {
  /** Takes the place of timing. */
  readonly pick?: (candidates: readonly Candidate[]) => Candidate | undefined;
  /** Bytes that timing may take at a time; candidates that need more are not timed. */
  readonly memory?: () => number;
}

export class Tuner {
  readonly blockedLayout: LayoutName;
  readonly #library: OneDnn;
  readonly #given: KernelChoices;
  readonly #limits: TuningLimits;
  readonly #choices: Record<string, string> = {};
  readonly #untimed = new Set<string>();
  readonly #passedOver = new Map<string, readonly PassedOver[]>();
  readonly #decisions = new WeakMap<PrimitiveDescriptor, Decision>();

  /** `given`: choices to repeat, for the keys that come up again and if this machine offers them. */
  constructor(library: OneDnn, given: KernelChoices, limits: TuningLimits = {}) {
    this.#limits = limits;
    this.#library = library;
    this.#given = given;
    const hasWideVectors = (library.instructionSet & isaAvx512Core) === isaAvx512Core;
    this.blockedLayout = hasWideVectors ? "nChw16c" : "nChw8c";
  }

  /** What was chosen, for the keys that came up. */
  get choices(): KernelChoices {
    return this.#choices;
  }

  /** Those that are worth keeping: timed, or the only one. */
  get lastingChoices(): KernelChoices {
    return Object.fromEntries(Object.entries(this.#choices).filter(([key]) => !this.#untimed.has(key)));
  }

  /** The candidate to use for `key`; the others are destroyed. The first must be one that is known to be accurate. */
  choose(key: string, candidates: readonly Candidate[]): Candidate {
    const wanted = this.#choices[key] ?? this.#given[key];
    const remembered = candidates.find(({ name }) => name === wanted);
    const chosen = remembered ?? (this.#limits.pick ?? ((all) => this.#fastest(key, all)))(candidates);
    if (chosen === undefined) throw new Refusal(`run ${key}`, "no implementation that is right");
    this.#choices[key] = chosen.name;
    const passedOver = this.#passedOver.get(key) ?? [];
    for (const primitive of primitivesOf(chosen)) {
      this.#decisions.set(primitive, { candidates: candidates.length, passedOver });
    }
    for (const candidate of candidates) {
      if (candidate !== chosen) for (const primitive of primitivesOf(candidate)) primitive.destroy();
    }
    return chosen;
  }

  /** How `primitive` was chosen; undefined if there was nothing to choose. */
  decision(primitive: PrimitiveDescriptor): Decision | undefined {
    return this.#decisions.get(primitive);
  }

  #fastest(key: string, candidates: readonly Candidate[]): Candidate | undefined {
    if (candidates.length <= 1) return candidates[0];
    const others: PassedOver[] = [];
    const timed: Timed[] = [];
    let expected: Float32Array | undefined;
    const tolerance = toleranceOf(candidates);
    const memory = this.#limits.memory?.() ?? Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      const bytes = trialBytes(candidate);
      if (bytes > memory) {
        others.push({ implementation: candidate.name, reason: `not timed: that takes ${bytes} bytes of memory` });
        // Without the first one's numbers nothing tells whether the others' are right.
        if (expected === undefined) break;
        continue;
      }
      const { milliseconds, result } = this.#tryOut(candidate, Math.min(...timed.map((one) => one.milliseconds)));
      expected ??= result;
      const error = relativeError(result, expected);
      // A result that is no number is never within.
      if (!(error <= tolerance)) {
        others.push({ implementation: candidate.name, reason: inaccuracy(error, tolerance) });
        continue;
      }
      const around = candidate.reorders.reduce((sum, [from, to]) => sum + this.#timeReorder(from, to), 0);
      timed.push({ candidate, bytes, around, milliseconds: milliseconds + around });
    }
    const finished = this.#final(timed, memory);
    const best = firstOfFastest(finished);
    this.#passedOver.set(key, [
      ...finished
        .filter((one) => one !== best)
        .map(({ candidate, milliseconds }) => ({
          implementation: candidate.name,
          reason: `took ${milliseconds.toFixed(3)} ms, the chosen one ${best?.milliseconds.toFixed(3)} ms`,
        })),
      ...others,
    ]);
    if (expected !== undefined) return best?.candidate;
    // None could be timed: the first is the library's own choice.
    this.#untimed.add(key);
    return candidates[0];
  }

  /** The result of a candidate, and how long it takes at a first look; `best`: milliseconds of the fastest so far. */
  #tryOut(candidate: Candidate, best: number): { readonly milliseconds: number; readonly result: Float32Array } {
    const trial = new Trial(this.#library, candidate);
    try {
      const roughly = trial.warmUp();
      const milliseconds = roughly > HOPELESS * best ? roughly : typicalRun(trial, QUICK_RUNS);
      return { milliseconds, result: trial.result() };
    } finally {
      trial.free();
    }
  }

  /** `timed` with those that came close to the fastest timed again, in turns. */
  #final(timed: readonly Timed[], memory: number): readonly Timed[] {
    const best = Math.min(...timed.map(({ milliseconds }) => milliseconds));
    const finalists: Timed[] = [];
    let bytes = 0;
    for (const one of timed.toSorted((a, b) => a.milliseconds - b.milliseconds)) {
      const hasPlace = finalists.length < MOST_FINALISTS && bytes + one.bytes <= memory;
      if (!hasPlace || one.milliseconds > CLOSE * best) break;
      bytes += one.bytes;
      finalists.push(one);
    }
    if (finalists.length <= 1) return timed;
    const trials = finalists.map(({ candidate }) => new Trial(this.#library, candidate));
    try {
      for (const trial of trials) trial.warmUp();
      const runs = Array.from({ length: FINAL_RUNS }, () => trials.map((trial) => trial.run()));
      return timed.map((one) => {
        const place = finalists.indexOf(one);
        if (place < 0) return one;
        return { ...one, milliseconds: typical(runs.map((round) => round[place] ?? 0)) + one.around };
      });
    } finally {
      for (const trial of trials) trial.free();
    }
  }

  #timeReorder(from: MemoryDescriptor, to: MemoryDescriptor): number {
    const primitive = reorderDescriptor(this.#library, from, to);
    if (primitive === undefined) return Number.POSITIVE_INFINITY;
    const trial = new Trial(this.#library, {
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
      trial.warmUp();
      return typicalRun(trial, QUICK_RUNS);
    } finally {
      trial.free();
      primitive.destroy();
    }
  }
}

interface Timed {
  readonly candidate: Candidate;
  /** That timing it takes. */
  readonly bytes: number;
  /** Milliseconds of the reorders that it costs. */
  readonly around: number;
  /** Of one run, and of what is around it. */
  readonly milliseconds: number;
}

/** The first that no later one beats clearly. */
function firstOfFastest(timed: readonly Timed[]): Timed | undefined {
  return timed.reduce<Timed | undefined>(
    (best, one) => (best === undefined || one.milliseconds < CLEARLY * best.milliseconds ? one : best),
    undefined,
  );
}

function typicalRun(trial: Trial, runs: number): number {
  return typical(Array.from({ length: runs }, () => trial.run()));
}

/** The lower quartile: what disturbs a run only ever makes it longer. */
function typical(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 2] ?? Number.POSITIVE_INFINITY;
}

/** That of the coarsest number any candidate reads or writes: beside bf16 even f32 differs by what bf16 rounds. */
function toleranceOf(candidates: readonly Candidate[]): number {
  const operands = candidates.flatMap((candidate) => Object.values(candidate.operands));
  return Math.max(...operands.map(({ descriptor }) => tolerances[descriptor.type]));
}

function inaccuracy(error: number, tolerance: number): string {
  return `off by ${error.toExponential(1)} of the largest value, where ${tolerance} is allowed`;
}

function relativeError(values: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let largest = 0;
  for (let index = 0; index < expected.length; index++) {
    const reference = expected[index] ?? 0;
    difference = Math.max(difference, Math.abs((values[index] ?? Number.NaN) - reference));
    largest = Math.max(largest, Math.abs(reference));
  }
  return difference === 0 ? 0 : difference / largest;
}
