/** What the two sides of an engine in a worker thread say to each other, and tensors ready to be sent. */
import type { Labels, Tensor } from "../core/tensor.ts";
import type { CommunicationTimes } from "../distributed/collectives.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import type { EngineSpec } from "./create.ts";
import type { Engine, Feeds, Plan, PlanStep, PlanTimes, PrepareOptions, Results } from "./engine.ts";

/** The calls: what is asked and what is answered. A plan is known by its number. */
export interface Calls {
  start: {
    request: EngineSpec;
    response: Pick<Engine, "name" | "description" | "precisions" | "vectorWidth">;
  };
  prepare: {
    request: { readonly graph: Graph; readonly options: PrepareOptions };
    response: { readonly plan: number } & Pick<Plan, "choices" | "notices" | "bytes" | "precision">;
  };
  run: { request: { readonly plan: number; readonly feeds: Feeds }; response: Results };
  write: { request: { readonly plan: number; readonly values: Weights }; response: undefined };
  read: { request: { readonly plan: number; readonly names: readonly string[] }; response: Weights };
  explain: {
    request: { readonly plan: number; readonly feeds: Feeds; readonly runs: number };
    response: readonly PlanStep[];
  };
  times: {
    request: { readonly plan: number; readonly feeds: Feeds; readonly runs: number };
    response: PlanTimes;
  };
  dispose: { request: { readonly plan: number }; response: undefined };
  /** What sums over ranks took since the last call. */
  takeCommunicationTimes: { request: undefined; response: CommunicationTimes };
  /** Disposes every plan and ends the thread. */
  stop: { request: undefined; response: undefined };
}

/**
 * `value` ready to be posted: its array owns its memory, or shares it with the other thread. A view of a larger array
 * is copied, for posting it would copy all of that array.
 */
export function portable<T extends Tensor | Labels>(value: T): T {
  const { data } = value;
  const isWhole = data.byteLength === data.buffer.byteLength;
  return isWhole || data.buffer instanceof SharedArrayBuffer ? value : { ...value, data: data.slice() };
}

export function portableFeeds(feeds: Feeds): Feeds {
  return Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, portable(value)]));
}

export function portableWeights(weights: Weights): Weights {
  return new Map([...weights].map(([name, value]) => [name, portable(value)]));
}
