/** What a visitor's browser times to measure the device, and the latency table that follows from the times. */
import { z } from "zod";
import { timingPlan } from "../evaluation/timing-plan.ts";
import type { Graph } from "../graph/graph.ts";
import { predictLatency } from "../latency/predict.ts";
import { formatLatencyTable, parseLatencyTable } from "../latency/table.ts";
import { type PlanTimes, type TimingPlan, tableOfPlan } from "../latency/timing-plan.ts";
import { model, modelNames } from "../models/zoo.ts";
import { bake } from "../selection/fold.ts";
import { RequestError } from "./body.ts";
import { wholeNetwork } from "./network.ts";
import type { DeviceTable } from "./protocol.ts";

/** A plan with the graph that it is for. */
interface KeptPlan {
  readonly graph: Graph;
  readonly plan: TimingPlan;
}

/** Plans that are kept: a visitor asks for one, and sends the times of it minutes later. */
const MOST_KEPT = 4;

/** Makes each plan once, because that takes seconds. */
export class TimingPlans {
  readonly #kept = new Map<string, Promise<KeptPlan | undefined>>();

  /** Undefined if the zoo has no model `name`. */
  ofModel(name: string): Promise<KeptPlan | undefined> {
    return modelNames.includes(name)
      ? this.#read(`model ${name}`, async () => model(name))
      : Promise.resolve(undefined);
  }

  /** Undefined if the run in `folder` has not written a network yet. */
  ofRun(folder: string): Promise<KeptPlan | undefined> {
    return this.#read(`run ${folder}`, async () => {
      const network = await wholeNetwork(folder);
      return network === undefined ? undefined : bake(network).graph;
    });
  }

  #read(key: string, open: () => Promise<Graph | undefined>): Promise<KeptPlan | undefined> {
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = open().then(async (graph) =>
      graph === undefined ? undefined : { graph, plan: await timingPlan(graph) },
    );
    this.#kept.set(key, made);
    made.then(
      (plan) => plan ?? this.#kept.delete(key),
      () => this.#kept.delete(key),
    );
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return made;
  }
}

const time = z.number().nonnegative().max(600_000);

/** As a latency table takes them. */
const words = z
  .string()
  .trim()
  .min(1)
  .regex(/^\P{Cc}*$/u);

const timesSchema: z.ZodType<PlanTimes> = z.strictObject({
  device: words.max(200),
  runtimeVersion: words.max(40),
  provider: z.enum(["wasm", "webgpu"]),
  threads: z.int().positive().max(1024),
  milliseconds: z.array(time),
  ...{ whole: time.positive(), empty: time, spread: time },
});

/** The table of the times in a request, as a file. Throws `RequestError` if they are not times of the plan. */
export function tableFrom({ graph, plan }: KeptPlan, form: unknown): DeviceTable {
  const times = timesSchema.safeParse(form);
  if (!times.success || times.data.milliseconds.length !== plan.layers.length) {
    const hint = "Open the page again, and measure again";
    throw new RequestError(400, "these are not the times of this network's layers", hint, times.error);
  }
  const { table, inNetwork } = tableOfPlan(plan, times.data);
  const json = formatLatencyTable(table);
  return { json, milliseconds: predictLatency(graph, parseLatencyTable(json, "the table")), inNetwork };
}
