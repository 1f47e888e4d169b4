/** The answering side of `host.ts`: the engine, its plans, and one handler a call. Runs in a worker thread. */
import { parentPort } from "node:worker_threads";
import { required } from "../core/errors.ts";
import { answerRequests } from "../core/requests.ts";
import { allInSharedMemory } from "../core/shared-memory.ts";
import { collectives } from "../distributed/collectives.ts";
import { useAfterDispose } from "./checks.ts";
import { createEngine } from "./create.ts";
import type { Engine, Plan } from "./engine.ts";
import { type Calls, portable } from "./protocol.ts";

const plans = new Map<number, Plan>();
let engine: Engine | undefined;
let prepared = 0;

function planOf(number: number): Plan {
  const plan = plans.get(number);
  if (plan === undefined) throw useAfterDispose("a plan");
  return plan;
}

answerRequests<Calls>(required(parentPort, "the port of a worker thread"), {
  start: (spec) => {
    engine = createEngine(spec);
    const { name, description, precisions, vectorWidth } = engine;
    return { name, description, precisions, vectorWidth };
  },
  prepare: ({ graph, options }) => {
    const plan = required(engine, "a started engine").prepare(graph, options);
    const number = prepared++;
    plans.set(number, plan);
    const { choices, notices, bytes, precision } = plan;
    return { plan: number, choices, notices, bytes, precision };
  },
  run: ({ plan, feeds }) =>
    Object.fromEntries(Object.entries(planOf(plan).run(feeds)).map(([name, value]) => [name, portable(value)])),
  write: ({ plan, values }) => {
    planOf(plan).write(values);
    return undefined;
  },
  read: ({ plan, names }) => allInSharedMemory(planOf(plan).read(names)),
  explain: ({ plan, feeds, runs }) => planOf(plan).explain(feeds, runs),
  times: ({ plan, feeds, runs }) => planOf(plan).times(feeds, runs),
  dispose: ({ plan }) => {
    planOf(plan).dispose();
    plans.delete(plan);
    return undefined;
  },
  takeCommunicationTimes: () => collectives().takeTimes(),
  stop: () => {
    for (const plan of plans.values()) plan.dispose();
    plans.clear();
    return undefined;
  },
});
