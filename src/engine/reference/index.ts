/**
 * The reference engine: every node in order, each value in an array of its own, plain loops. Slow and obviously right;
 * what the other engines are compared with, and the one that always works.
 */
import { performance } from "node:perf_hooks";
import { invariant, required, UserError } from "../../core/errors.ts";
import { elementCount, type Tensor, tensor } from "../../core/tensor.ts";
import type { Graph, Node, Weights } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import { checkBatch, checkFeeds, checkReads, checkWrites, requirePlanArguments, useAfterDispose } from "../checks.ts";
import type {
  Engine,
  Feeds,
  KernelChoices,
  Plan,
  PlanOperand,
  PlanStep,
  PlanTimes,
  PrepareOptions,
  Results,
} from "../engine.ts";
import { floatingPointOperations } from "../flops.ts";
import { MemoryBudget } from "../memory-budget.ts";
import { outOfMemory } from "../memory-check.ts";
import { median, planTimes } from "../run-times.ts";
import type { TypedTensor } from "./kernel.ts";
import { runReferenceKernel } from "./kernels.ts";

export interface ReferenceOptions {
  /** Bytes that all plans may hold together; default: what the machine, or the control group, has left. */
  readonly memoryLimit?: number;
  /** What users of every plan should know; default: nothing. */
  readonly notices?: readonly string[];
}

/** An engine of plain loops over typed arrays, on the calling thread. */
export function createReferenceEngine({ memoryLimit, notices = [] }: ReferenceOptions = {}): Engine {
  const budget = new MemoryBudget(memoryLimit);
  return {
    name: "reference",
    precisions: ["f32"],
    vectorWidth: 1,
    description: { engine: "reference", arithmetic: "sums in 64 bits, storage in 32 bits" },
    prepare: (graph, options) => {
      if (options.precision === "bf16") {
        throw new UserError("engine-refused", "the reference engine has no bf16", {
          about: graph.name,
          hint: "Choose the precision f32, or the engine onednn",
        });
      }
      checkBatch(options.batch);
      const needAt = (batch: number): number => bytesOfValues(graph, batch);
      const [needed, available] = [needAt(options.batch), budget.available()];
      if (needed > available) {
        throw outOfMemory({ plan: graph.name, batch: options.batch, needed, available, needAt });
      }
      return new ReferencePlan(graph, options, notices, budget.hold(needed));
    },
  };
}

/** Layouts by rank, in oneDNN's words. */
const ROW_MAJOR = ["x", "x", "nc", "ncw", "nchw"] as const;

class ReferencePlan implements Plan {
  readonly precision = "f32";
  readonly choices: KernelChoices = {};
  readonly notices: readonly string[];
  readonly bytes: number;
  readonly #graph: Graph;
  readonly #batch: number;
  readonly #inputs: ReadonlySet<string>;
  /** Every value but the inputs, which stay the caller's. Empty once disposed. */
  readonly #values = new Map<string, TypedTensor>();
  readonly #onDispose: () => void;
  #disposed = false;

  constructor(graph: Graph, { batch }: PrepareOptions, notices: readonly string[], onDispose: () => void) {
    this.notices = notices;
    this.#onDispose = onDispose;
    this.#graph = graph;
    this.#batch = batch;
    this.#inputs = new Set(graph.inputs.map(({ name }) => name));
    for (const [name, shape] of inferShapes(graph, batch)) {
      if (this.#inputs.has(name)) continue;
      this.#values.set(name, tensor(shape));
    }
    this.bytes = bytesOfValues(graph, batch);
  }

  run(feeds: Feeds): Results {
    requirePlanArguments("plan.run", { feeds });
    this.#accept(feeds);
    for (const node of this.#graph.nodes) this.#execute(node, feeds);
    this.#update();
    return Object.fromEntries(this.#graph.outputs.map((name) => [name, this.#copy(name, feeds)]));
  }

  write(values: Weights): void {
    requirePlanArguments("plan.write", { values });
    this.#checkAlive();
    checkWrites(this.#graph, values);
    for (const [name, { data }] of values) this.#value(name).data.set(data);
  }

  read(names: readonly string[]): Weights {
    requirePlanArguments("plan.read", { names });
    this.#checkAlive();
    checkReads(this.#graph, names);
    return new Map(names.map((name) => [name, this.#copy(name)]));
  }

  explain(feeds: Feeds, runs: number): readonly PlanStep[] {
    requirePlanArguments("plan.explain", { feeds, runs });
    this.#accept(feeds);
    const shapes = inferShapes(this.#graph, this.#batch);
    const times = this.#graph.nodes.map((): number[] => []);
    for (let run = 0; run < runs; run++) {
      this.#graph.nodes.forEach((node, step) => {
        const start = performance.now();
        this.#execute(node, feeds);
        times[step]?.push(performance.now() - start);
      });
      this.#update();
    }
    const operand =
      (role: string, access: PlanOperand["access"]) =>
      (name: string): PlanOperand => {
        const { shape, dtype, data } = this.#value(name, feeds);
        return {
          role,
          access,
          shape,
          layout: ROW_MAJOR[shape.length] ?? "row-major",
          type: dtype,
          bytes: data.byteLength,
        };
      };
    return this.#graph.nodes.map((node, step) => {
      const milliseconds = median(times[step] ?? []);
      const operands = [...node.inputs.map(operand("src", "read")), ...node.outputs.map(operand("dst", "write"))];
      const bytes = operands.reduce((sum, { bytes: own }) => sum + own, 0);
      const perSecond = (amount: number): number => (milliseconds > 0 ? amount / (milliseconds * 1e6) : 0);
      return {
        node: node.name,
        op: node.op,
        implementation: "reference: plain loops",
        precision: "f32",
        operands,
        bytes,
        candidates: 1,
        passedOver: [],
        milliseconds,
        gigaflops: perSecond(floatingPointOperations(node, shapes)),
        gigabytesPerSecond: perSecond(bytes),
      };
    });
  }

  times(feeds: Feeds, runs: number): PlanTimes {
    requirePlanArguments("plan.times", { feeds, runs });
    const timed = Array.from({ length: runs }, () => {
      const start = performance.now();
      this.run(feeds);
      const whole = performance.now() - start;
      return { whole, primitives: 0, host: whole, copies: 0 };
    });
    return planTimes(timed);
  }

  dispose(): void {
    this.#checkAlive();
    this.#disposed = true;
    this.#values.clear();
    this.#onDispose();
  }

  #checkAlive(): void {
    if (this.#disposed) throw useAfterDispose(`the plan of ${this.#graph.name}`);
  }

  #accept(feeds: Feeds): void {
    this.#checkAlive();
    checkFeeds(this.#graph, this.#batch, feeds);
  }

  #execute(node: Node, feeds: Feeds): void {
    const inputs = node.inputs.map((name) => this.#value(name, feeds));
    const outputs = node.outputs.map((name) => {
      const value = this.#value(name);
      invariant(value.dtype === "f32", `"${name}" is written, so it is a float tensor`);
      return value;
    });
    runReferenceKernel(node, inputs, outputs);
  }

  /** Parameters take their new values once every node has read the old ones. */
  #update(): void {
    for (const { parameter, value } of this.#graph.updates) this.#value(parameter).data.set(this.#value(value).data);
  }

  #value(name: string, feeds: Feeds = {}): TypedTensor {
    return required(this.#inputs.has(name) ? feeds[name] : this.#values.get(name), `value "${name}"`);
  }

  #copy(name: string, feeds: Feeds = {}): Tensor {
    const { shape, data } = this.#value(name, feeds);
    return tensor(shape, Float32Array.from(data));
  }
}

/** Every value but the inputs has an array of its own. */
function bytesOfValues(graph: Graph, batch: number): number {
  const shapes = new Map(inferShapes(graph, batch));
  for (const { name } of graph.inputs) shapes.delete(name);
  return [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape) * Float32Array.BYTES_PER_ELEMENT, 0);
}
