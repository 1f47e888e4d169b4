/** The answering side of `host.ts`: the engine, its plans, and one handler a call. Runs in a worker thread. */
import { parentPort } from "node:worker_threads";
import { required } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { useAfterDispose } from "./checks.ts";
import { createEngine } from "./create.ts";
import type { Engine, Plan } from "./engine.ts";
import { type Calls, type Method, portable, type Reply, type Request, toPortable } from "./protocol.ts";

const port = required(parentPort, "the port of a worker thread");
const plans = new Map<number, Plan>();
let engine: Engine | undefined;
let prepared = 0;

function planOf(number: number): Plan {
  const plan = plans.get(number);
  if (plan === undefined) throw useAfterDispose("a plan");
  return plan;
}

interface Answer<M extends Method> {
  readonly response: Calls[M]["response"];
  /** Arrays that the asking side gets without a copy: they are ours to give away. */
  readonly handedOver?: readonly Tensor[];
}

const handlers: { readonly [M in Method]: (argument: Calls[M]["request"]) => Answer<M> } = {
  start: (spec) => {
    engine = createEngine(spec);
    const { name, description, precisions } = engine;
    return { response: { name, description, precisions } };
  },
  prepare: ({ graph, options }) => {
    const plan = required(engine, "a started engine").prepare(graph, options);
    const number = prepared++;
    plans.set(number, plan);
    const { choices, notices, bytes } = plan;
    return { response: { plan: number, choices, notices, bytes } };
  },
  run: ({ plan, feeds }) => {
    const entries = Object.entries(planOf(plan).run(feeds)).map(([name, value]) => [name, portable(value)] as const);
    return { response: Object.fromEntries(entries), handedOver: entries.map(([, value]) => value) };
  },
  write: ({ plan, values }) => {
    planOf(plan).write(values);
    return { response: undefined };
  },
  read: ({ plan, names }) => {
    const response = new Map([...planOf(plan).read(names)].map(([name, value]) => [name, portable(value)]));
    return { response, handedOver: [...response.values()] };
  },
  explain: ({ plan, feeds, runs }) => ({ response: planOf(plan).explain(feeds, runs) }),
  dispose: ({ plan }) => {
    planOf(plan).dispose();
    plans.delete(plan);
    return { response: undefined };
  },
  stop: () => {
    for (const plan of plans.values()) plan.dispose();
    plans.clear();
    return { response: undefined };
  },
};

function answer(request: Request): void {
  // The table is keyed by the request's own method; TypeScript cannot follow the correlation through the union.
  const handler = handlers[request.method] as (argument: Request["argument"]) => Answer<Method>;
  const { response, handedOver = [] } = handler(request.argument);
  const buffers = handedOver.map(({ data }) => data.buffer).filter((buffer) => buffer instanceof ArrayBuffer);
  port.postMessage({ id: request.id, response } satisfies Reply, [...new Set(buffers)]);
}

port.on("message", (request: Request) => {
  try {
    answer(request);
  } catch (error) {
    port.postMessage({ id: request.id, error: toPortable(error) } satisfies Reply);
  }
  // With its port closed, nothing keeps the thread alive.
  if (request.method === "stop") port.close();
});
