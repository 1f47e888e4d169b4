/** What the two sides of an engine in a worker thread say to each other: calls, replies, tensors and errors. */
import { type ErrorCode, type ErrorDetails, EspalierError, InternalError, UserError } from "../core/errors.ts";
import type { Labels, Tensor } from "../core/tensor.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import type { EngineSpec } from "./create.ts";
import type { Engine, Feeds, Plan, PlanStep, PrepareOptions, Results } from "./engine.ts";

/** The calls: what is asked and what is answered. A plan is known by its number. */
export interface Calls {
  start: {
    request: EngineSpec;
    response: Pick<Engine, "name" | "description" | "precisions">;
  };
  prepare: {
    request: { readonly graph: Graph; readonly options: PrepareOptions };
    response: { readonly plan: number } & Pick<Plan, "choices" | "notices" | "bytes">;
  };
  run: { request: { readonly plan: number; readonly feeds: Feeds }; response: Results };
  write: { request: { readonly plan: number; readonly values: Weights }; response: undefined };
  read: { request: { readonly plan: number; readonly names: readonly string[] }; response: Weights };
  explain: {
    request: { readonly plan: number; readonly feeds: Feeds; readonly runs: number };
    response: readonly PlanStep[];
  };
  dispose: { request: { readonly plan: number }; response: undefined };
  /** Disposes every plan and ends the thread. */
  stop: { request: undefined; response: undefined };
}

export type Method = keyof Calls;

interface RequestOf<M extends Method> {
  readonly id: number;
  readonly method: M;
  readonly argument: Calls[M]["request"];
}
/** A call under way, discriminated by `method`. */
export type Request<M extends Method = Method> = { [Name in M]: RequestOf<Name> }[M];

/** The answer to the request of the same `id`. */
export type Reply =
  | { readonly id: number; readonly response: unknown }
  | { readonly id: number; readonly error: PortableError };

/**
 * `value` ready to be posted: its array owns its memory, or shares it with the other thread. A view of a larger array is
 * copied, for posting it would copy all of that array.
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

/** An error as plain data; posting an error object would lose its class and code. */
export interface PortableError {
  readonly kind: "user" | "internal";
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
  readonly details: ErrorDetails;
}

/** Errors that are not Espalier's own are faults of ours: they arrive as an `InternalError` with the error as cause. */
export function toPortable(error: unknown): PortableError {
  const known = error instanceof EspalierError ? error : new InternalError(String(error), { cause: error });
  const { cause, ...details } = known.details;
  const portableCause = cause === undefined ? {} : { cause: cause instanceof Error ? cause : String(cause) };
  return {
    kind: known instanceof UserError ? "user" : "internal",
    code: known.code,
    message: known.message,
    stack: known.stack,
    details: { ...details, ...portableCause },
  };
}

export function fromPortable({ kind, code, message, stack, details }: PortableError): EspalierError {
  const error = kind === "user" ? new UserError(code, message, details) : new InternalError(message, details);
  // The message already tells the details; the constructor has added them a second time.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return error;
}
