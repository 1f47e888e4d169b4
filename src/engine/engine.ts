/**
 * The engine interface. Two phases, after oneDNN: `prepare` a graph once into a plan, run the plan many times. A plan
 * owns its memory and the values of the graph's parameters; after a run, the parameters named in `graph.updates` hold
 * their new values.
 *
 * Engines are synchronous: a plan's `run` blocks until it is done. `host.ts` runs any engine in a worker thread behind
 * the same interface made of promises, so that the caller's event loop stays free.
 */
import type { Labels, Shape, Tensor } from "../core/tensor.ts";
import type { Graph, Weights } from "../graph/graph.ts";

/**
 * What images and their gradients are computed in. `bf16`: activations, their gradients and the weights of convolutions
 * in bfloat16, accumulated in f32; parameters, statistics, factors and optimizer state stay f32.
 */
export const precisions = ["f32", "bf16"] as const;
export type Precision = (typeof precisions)[number];

export interface PrepareOptions {
  /** Batch size bound to "N". */
  readonly batch: number;
  /**
   * Default "f32". "auto" takes the faster one: the engine times steps in both, unless `choices.precision` says which
   * it was. Throws `UserError("engine-refused")` where the engine or the processor has no bf16.
   */
  readonly precision?: Precision | "auto";
  /** Seconds that choosing kernels by timing may take; what is left takes the usual ones. Default: the engine's. */
  readonly tuningSeconds?: number;
  /** Kernel choices of an earlier plan of the same graph, repeated so that a resumed run continues bit for bit. */
  readonly choices?: KernelChoices;
}

/**
 * What a plan decided by timing: key of the decision → implementation. Plain JSON; engines without decisions leave it
 * empty.
 */
export type KernelChoices = Readonly<Record<string, string>>;

/** Values of the graph's inputs, by name. */
export type Feeds = Readonly<Record<string, Tensor | Labels>>;
/** Values of the graph's outputs, by name; copies, the caller's to keep. */
export type Results = Readonly<Record<string, Tensor>>;

/** Something a step reads or writes. */
export interface PlanOperand {
  /** What it is to the step, in oneDNN's words: src, weights, diff_dst, workspace, … */
  readonly role: string;
  readonly access: "read" | "write";
  readonly shape: Shape;
  /**
   * As oneDNN's format tags: `nchw`, `nChw16c`, `OIhw16i16o`, `x` for a vector; "opaque" where only the library knows.
   */
  readonly layout: string;
  readonly type: string;
  /** That the step moves: padding of blocked layouts is in it. */
  readonly bytes: number;
}

/** What became of an implementation that was looked at for a step and not taken. */
export interface PassedOver {
  readonly implementation: string;
  /** As a sentence without a full stop: the library's status, an inaccuracy, or the time it took. */
  readonly reason: string;
}

/** One executed step of a plan, for `explain`. */
export interface PlanStep {
  readonly node: string;
  readonly op: string;
  /** Implementation as the library names it, with what was fused into it. */
  readonly implementation: string;
  /** What the step computes in: "bf16" if one of its operands is. */
  readonly precision: Precision;
  readonly operands: readonly PlanOperand[];
  /** Bytes of all operands: read and written in one execution. */
  readonly bytes: number;
  /** Implementations there were to choose from; 1 where there was no choice. */
  readonly candidates: number;
  /** Those that were not taken, and why; empty where a choice made earlier was repeated. */
  readonly passedOver: readonly PassedOver[];
  /** Median time of the step in milliseconds, over `runs` runs. */
  readonly milliseconds: number;
  /** Multiply-accumulates times two, per second, in 10⁹; 0 where not counted. */
  readonly gigaflops: number;
  /** `bytes` per second, in 10⁹; 0 where no time was measured. */
  readonly gigabytesPerSecond: number;
}

/** Where the time of whole runs goes: medians over them, in milliseconds. */
export interface PlanTimes {
  /** From the feeds to the results. */
  readonly whole: number;
  /** Inside calls of the library's primitives; 0 for an engine without a library. */
  readonly primitives: number;
  /** Steps that run in plain loops, beside the library. */
  readonly host: number;
  /** Copying the feeds in and the results out. */
  readonly copies: number;
  /** Share of a run that is not inside primitives, 0 … 1: each run's own, and of those the median. */
  readonly outsidePrimitives: number;
}

export interface Plan {
  /** What images are computed in. */
  readonly precision: Precision;
  readonly choices: KernelChoices;
  /**
   * What whoever asked for the plan should know: stored choices that were not used, nodes that run slowly. Sentences.
   */
  readonly notices: readonly string[];
  /** Bytes of native or typed-array memory the plan holds. */
  readonly bytes: number;
  /** Runs the graph once. Feeds must have the prepared shapes; throws `UserError` otherwise. */
  run(feeds: Feeds): Results;
  /** Sets parameters by name; shapes must match. Parameters never written are zero. */
  write(values: Weights): void;
  /** Copies of the named parameters. */
  read(names: readonly string[]): Weights;
  /** Runs `runs` times with the last feeds, each step timed on its own. Parameters move as in `run`. */
  explain(feeds: Feeds, runs: number): readonly PlanStep[];
  /** Runs `runs` times as `run` does, with a look at the clock around each part. Parameters move as in `run`. */
  times(feeds: Feeds, runs: number): PlanTimes;
  /** Frees the memory; every later call throws `UserError("use-after-dispose")`. */
  dispose(): void;
}

export interface Engine {
  readonly name: string;
  /** Version and settings, as stored with a run: library version, threads, instruction set. */
  readonly description: Readonly<Record<string, string>>;
  /** What plans can be prepared in; never empty. */
  readonly precisions: readonly Precision[];
  /** Channels that are computed at once: a layer is as fast with any width up to the next multiple of it, or slower. */
  readonly vectorWidth: number;
  prepare(graph: Graph, options: PrepareOptions): Plan;
}
