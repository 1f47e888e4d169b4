/**
 * Any engine in a worker thread, behind the engine interface made of promises: a training step blocks that thread for
 * a tenth of a second and more, while the terminal, the page and the signal handlers of the caller go on.
 */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { Requests } from "../core/requests.ts";
import { spawnWorker } from "../core/worker.ts";
import type { CommunicationTimes } from "../distributed/collectives.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { requirePlanArguments, useAfterDispose } from "./checks.ts";
import type { EngineSpec } from "./create.ts";
import {
  type Feeds,
  type KernelChoices,
  type PlanStep,
  type PlanTimes,
  type Precision,
  type PrepareOptions,
  precisions,
  type Results,
} from "./engine.ts";
import { type Calls, portableFeeds, portableWeights } from "./protocol.ts";

/** A `Plan` in the engine's thread; see `Plan` for what the methods do and throw. */
export interface PlanHandle {
  readonly precision: Precision;
  readonly choices: KernelChoices;
  readonly notices: readonly string[];
  readonly bytes: number;
  /**
   * Feeds in shared memory are read where they are, so leave them alone until the promise settles; others are copied.
   */
  run(feeds: Feeds): Promise<Results>;
  write(values: Weights): Promise<void>;
  /** The values lie in shared memory. */
  read(names: readonly string[]): Promise<Weights>;
  explain(feeds: Feeds, runs: number): Promise<readonly PlanStep[]>;
  times(feeds: Feeds, runs: number): Promise<PlanTimes>;
  dispose(): Promise<void>;
}

/** An engine in its own thread. Calls may be made without waiting for earlier ones; they are executed in order. */
export class EngineHost {
  readonly spec: EngineSpec;
  readonly name: string;
  readonly description: Readonly<Record<string, string>>;
  /** What plans can be prepared in. */
  readonly precisions: readonly Precision[];
  readonly vectorWidth: number;
  readonly #requests: Requests<Calls>;
  #isDisposed = false;

  private constructor(
    spec: EngineSpec,
    requests: Requests<Calls>,
    {
      name,
      description,
      precisions,
      vectorWidth,
    }: Pick<EngineHost, "name" | "description" | "precisions" | "vectorWidth">,
  ) {
    this.spec = spec;
    this.name = name;
    this.description = description;
    this.precisions = precisions;
    this.vectorWidth = vectorWidth;
    this.#requests = requests;
  }

  /** Starts the thread and the engine in it. Rejects with what `createEngine` throws; then no thread remains. */
  static async start(spec: EngineSpec): Promise<EngineHost> {
    requireArguments("EngineHost.start", { spec: [spec, "object"] });
    requireArguments("EngineHost.start", {
      "spec.engine": [spec.engine, "text"],
      "spec.threads": [spec.threads, "whole number?"],
      "spec.cacheFolder": [spec.cacheFolder, "text?"],
      "spec.memoryLimit": [spec.memoryLimit, "whole number?"],
    });
    const requests = new Requests<Calls>(spawnWorker(import.meta.url, "host-worker"), "the engine's thread");
    try {
      return new EngineHost(spec, requests, await requests.call("start", spec));
    } catch (error) {
      await requests.stop();
      throw error;
    }
  }

  async prepare(graph: Graph, options: PrepareOptions): Promise<PlanHandle> {
    requireArguments("EngineHost.prepare", { graph: [graph, "graph"], options: [options, "object"] });
    requireArguments("EngineHost.prepare", {
      "options.batch": [options.batch, "positive whole number"],
      "options.choices": [options.choices, "texts by name?"],
      "options.tuningSeconds": [options.tuningSeconds, "number?"],
    });
    const { precision: wanted = "f32" } = options;
    requireOneOf("EngineHost.prepare", "options.precision", wanted, [...precisions, "auto"]);
    const requests = this.#alive();
    const { plan, choices, notices, bytes, precision } = await requests.call("prepare", { graph, options });
    return {
      choices,
      notices,
      bytes,
      precision,
      run: async (feeds) => {
        requirePlanArguments("plan.run", { feeds });
        return this.#alive().call("run", { plan, feeds: portableFeeds(feeds) });
      },
      write: async (values) => {
        requirePlanArguments("plan.write", { values });
        return this.#alive().call("write", { plan, values: portableWeights(values) });
      },
      read: async (names) => {
        requirePlanArguments("plan.read", { names });
        return this.#alive().call("read", { plan, names });
      },
      explain: async (feeds, runs) => {
        requirePlanArguments("plan.explain", { feeds, runs });
        return this.#alive().call("explain", { plan, feeds: portableFeeds(feeds), runs });
      },
      times: async (feeds, runs) => {
        requirePlanArguments("plan.times", { feeds, runs });
        return this.#alive().call("times", { plan, feeds: portableFeeds(feeds), runs });
      },
      dispose: async () => this.#alive().call("dispose", { plan }),
    };
  }

  /** What the sums over the ranks took since the last call; of an engine that joined a cluster. */
  async takeCommunicationTimes(): Promise<CommunicationTimes> {
    return this.#alive().call("takeCommunicationTimes", undefined);
  }

  /** Finishes the calls made so far, frees all plans and ends the thread. Every later call but this rejects. */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    await this.#requests.stop();
  }

  #alive(): Requests<Calls> {
    if (this.#isDisposed) throw useAfterDispose(`the ${this.name} engine`);
    return this.#requests;
  }
}
