/** A prepared graph: its memory is allocated and every step is bound to it. Running it is a loop over native calls. */
import { required } from "../../core/errors.ts";
import { elementCount, type Tensor, tensor } from "../../core/tensor.ts";
import { collectives } from "../../distributed/collectives.ts";
import type { Weights } from "../../graph/graph.ts";
import type { OpName } from "../../graph/ops.ts";
import { checkFeeds, checkReads, checkWrites, requirePlanArguments, useAfterDispose } from "../checks.ts";
import type { Feeds, KernelChoices, Plan, PlanStep, PlanTimes, Precision, Results } from "../engine.ts";
import { median, planTimes, type RunTimes } from "../run-times.ts";
import { copyMemory } from "./ffi/copy.ts";
import { describeMemory, NativeMemory } from "./ffi/memory.ts";
import { BoundProgram } from "./planner/bound.ts";
import { explainStep } from "./planner/explanation.ts";
import type { PlacedProgram } from "./planner/placed.ts";
import type { Program } from "./planner/program.ts";
import { floatsOf, integersOf, type View } from "./planner/steps.ts";

/** Steps that wait for other ranks. */
const overRanks: ReadonlySet<string> = new Set<OpName>(["all_reduce_begin", "all_reduce_end", "all_reduce_statistics"]);

interface PlanOptions {
  readonly batch: number;
  readonly threads: number;
  readonly choices: KernelChoices;
  readonly notices: readonly string[];
  readonly onDispose: () => void;
}

export class OneDnnPlan implements Plan {
  #choices: KernelChoices;
  #notices: readonly string[];
  readonly #program: Program;
  readonly #batch: number;
  readonly #threads: number;
  readonly #bound: BoundProgram;
  readonly #outputs: ReadonlyMap<string, View>;
  readonly #onDispose: () => void;
  readonly #sumsOverRanks: boolean;
  #isDisposed = false;

  constructor(
    { program, outputs, layout }: PlacedProgram,
    { batch, threads, choices, notices, onDispose }: PlanOptions,
  ) {
    this.#program = program;
    this.#batch = batch;
    this.#threads = threads;
    this.#notices = notices;
    this.#choices = choices;
    this.#outputs = outputs;
    this.#onDispose = onDispose;
    this.#sumsOverRanks = program.steps.some(({ op }) => op === "all_reduce_begin");
    this.#bound = new BoundProgram(program, layout);
  }

  get bytes(): number {
    return this.#bound.bytes;
  }

  get precision(): Precision {
    return this.#program.precision;
  }

  /** Adds decisions and notices to this plan, and returns it. */
  with(choices: KernelChoices, notices: readonly string[]): this {
    this.#choices = { ...this.#choices, ...choices };
    this.#notices = [...this.#notices, ...notices];
    return this;
  }

  get choices(): KernelChoices {
    return this.#choices;
  }

  get notices(): readonly string[] {
    return this.#notices;
  }

  /**
   * Milliseconds of the steps, run on the present content of the memory. All-reduces are omitted, because all ranks
   * would have to take part in them.
   */
  timeWithoutFeeds(): number {
    this.#program.library.calls.setThreads(this.#threads);
    const start = performance.now();
    for (const { step, run } of this.#bound.steps) if (!overRanks.has(step.op)) run();
    return performance.now() - start;
  }

  /** Resets the parameters and all other memory to their state before the first run. */
  reset(): void {
    this.#bound.reset();
  }

  run(feeds: Feeds): Results {
    requirePlanArguments("plan.run", { feeds });
    this.#feed(feeds);
    if (this.#sumsOverRanks) this.#runBesideSums();
    else for (const { run } of this.#bound.steps) run();
    return this.#results();
  }

  explain(feeds: Feeds, runs: number): readonly PlanStep[] {
    requirePlanArguments("plan.explain", { feeds, runs });
    this.#feed(feeds);
    const times = this.#bound.steps.map(() => [] as number[]);
    for (let run = 0; run < runs; run++) {
      for (const [index, { run: runStep }] of this.#bound.steps.entries()) {
        const start = performance.now();
        runStep();
        if (this.#sumsOverRanks) collectives().progress();
        times[index]?.push(performance.now() - start);
      }
    }
    return this.#bound.steps.map(({ step }, index) => explainStep(step, this.#program, median(times[index] ?? [])));
  }

  times(feeds: Feeds, runs: number): PlanTimes {
    requirePlanArguments("plan.times", { feeds, runs });
    return planTimes(Array.from({ length: runs }, () => this.#timedRun(feeds)));
  }

  write(values: Weights): void {
    requirePlanArguments("plan.write", { values });
    this.#checkAlive();
    checkWrites(this.#program.graph, values);
    for (const [name, value] of values) {
      const home = this.#program.homes.get(name);
      // A parameter that no step reads has no memory.
      if (home !== undefined) this.#transfer(home, value.data, "write");
    }
  }

  read(names: readonly string[]): Weights {
    requirePlanArguments("plan.read", { names });
    this.#checkAlive();
    checkReads(this.#program.graph, names);
    return new Map(names.map((name) => [name, this.#readParameter(name)]));
  }

  dispose(): void {
    this.#checkAlive();
    this.#isDisposed = true;
    this.#bound.free();
    this.#program.destroyPrimitives();
    this.#onDispose();
  }

  /** Calls MPI between steps, because all-reduces that were started progress only during calls of MPI. */
  #runBesideSums(): void {
    const sums = collectives();
    for (const { run } of this.#bound.steps) {
      run();
      sums.progress();
    }
  }

  #timedRun(feeds: Feeds): RunTimes {
    const spent = { primitive: 0, host: 0 };
    const start = performance.now();
    this.#feed(feeds);
    const fed = performance.now();
    for (const { step, run } of this.#bound.steps) {
      const begun = performance.now();
      run();
      if (this.#sumsOverRanks) collectives().progress();
      spent[step.kind] += performance.now() - begun;
    }
    const done = performance.now();
    this.#results();
    const end = performance.now();
    return {
      whole: end - start,
      primitives: spent.primitive,
      host: spent.host,
      copies: fed - start + (end - done),
    };
  }

  #checkAlive(): void {
    if (this.#isDisposed) throw useAfterDispose(`the plan of "${this.#program.graph.name}"`);
  }

  #feed(feeds: Feeds): void {
    this.#checkAlive();
    this.#program.library.calls.setThreads(this.#threads);
    checkFeeds(this.#program.graph, this.#batch, feeds);
    for (const { name } of this.#program.graph.inputs) {
      const value = required(feeds[name], `feed "${name}"`);
      const home = required(this.#program.homes.get(name), `memory of "${name}"`);
      if (value.dtype === "i32") integersOf(home, this.#bound.placement).set(value.data);
      else floatsOf(home, this.#bound.placement).set(value.data);
    }
  }

  #results(): Results {
    const results: Record<string, Tensor> = {};
    for (const [name, view] of this.#outputs) {
      const shape = this.#program.shape(name);
      results[name] = tensor(shape, floatsOf(view, this.#bound.placement).slice(0, elementCount(shape)));
    }
    return results;
  }

  #readParameter(name: string): Tensor {
    const result = tensor(this.#program.shape(name));
    const home = this.#program.homes.get(name);
    if (home !== undefined) this.#transfer(home, result.data, "read");
    return result;
  }

  /** Copies between row-major `data` and a parameter's memory in any layout. */
  #transfer(home: View, data: Float32Array, way: "read" | "write"): void {
    const { library } = this.#program;
    const plain = describeMemory(library, home.descriptor.shape, "plain");
    const staging = new NativeMemory(library, plain.bytes);
    const here = { descriptor: plain, memory: staging };
    const there = {
      descriptor: home.descriptor,
      memory: this.#bound.memory,
      offset: this.#bound.placement.offset(home.slot),
    };
    if (way === "write") {
      staging.floats(0, data.length).set(data);
      copyMemory(library, here, there);
    } else {
      copyMemory(library, there, here);
      data.set(staging.floats(0, data.length));
    }
    staging.free();
  }
}
