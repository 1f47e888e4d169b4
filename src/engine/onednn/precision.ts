/** Finds the faster precision of a step: prepares both plans and runs them in turns, once per network and machine. */
import { createHash } from "node:crypto";
import type { Graph } from "../../graph/graph.ts";
import { type Precision, precisions } from "../engine.ts";
import type { OneDnnPlan } from "./plan.ts";
import type { Known } from "./planner/tuning.ts";

/**
 * Number of timed steps of each plan, after one that is not timed. The shortest counts, because disturbances only make
 * steps longer.
 */
const RUNS = 5;

interface Request {
  readonly graph: Graph;
  readonly batch: number;
  /** The choices and times of earlier plans. */
  readonly known: Known;
  /** Prepares a plan, with a share of the time for tuning. */
  readonly planIn: (precision: Precision, share?: number) => OneDnnPlan;
  /** Stores the measured times. */
  readonly keep: (found: Known) => void;
}

/** Returns the plan with the shorter steps. Its choices contain the decision, and a notice has both times. */
export function planOfFasterPrecision({ graph, batch, known, planIn, keep }: Request): OneDnnPlan {
  const key = keyOf(graph, batch);
  const timeKey = (precision: Precision): string => `step in ${precision} of ${key}`;
  const earlier = precisions.find((precision) => precision === known.choices[key]);
  if (earlier !== undefined) {
    const [f32, bf16] = precisions.map((precision) => known.milliseconds[timeKey(precision)]);
    const isSaid = f32 !== undefined && bf16 !== undefined;
    return planIn(earlier).with({ [key]: earlier }, isSaid ? [notice(earlier, { f32, bf16 })] : []);
  }
  const { precision, plan, milliseconds } = timeBoth(planIn);
  const decided = { [key]: precision };
  const times = Object.fromEntries(precisions.map((each) => [timeKey(each), milliseconds[each]]));
  keep({ choices: decided, milliseconds: times });
  return plan.with(decided, [notice(precision, milliseconds)]);
}

type Times = Readonly<Record<Precision, number>>;

function notice(chosen: Precision, times: Times): string {
  const other = chosen === "f32" ? "bf16" : "f32";
  return (
    `steps are computed in ${chosen}: ${times[chosen].toFixed(1)} ms each, in ${other} ` +
    `${times[other].toFixed(1)} ms`
  );
}

/** Runs both plans in turns and disposes of the slower one. */
function timeBoth(planIn: Request["planIn"]): {
  readonly precision: Precision;
  readonly plan: OneDnnPlan;
  readonly milliseconds: Times;
} {
  const plans: { readonly precision: Precision; readonly plan: OneDnnPlan; readonly times: number[] }[] = [];
  try {
    for (const precision of precisions) plans.push({ precision, plan: planIn(precision, 0.5), times: [] });
    for (const { plan } of plans) plan.timeWithoutFeeds();
    for (let run = 0; run < RUNS; run++) for (const { plan, times } of plans) times.push(plan.timeWithoutFeeds());
  } catch (error) {
    for (const { plan } of plans) plan.dispose();
    throw error;
  }
  const [f32, bf16] = plans.map(({ times }) => Math.min(...times)) as [number, number];
  const precision = bf16 < f32 ? "bf16" : "f32";
  const [kept, other] = precision === "f32" ? plans : plans.toReversed();
  other?.plan.dispose();
  const plan = (kept as (typeof plans)[number]).plan;
  plan.reset();
  return { precision, plan, milliseconds: { f32, bf16 } };
}

/** A key that is equal for equal graphs. */
function keyOf({ nodes }: Graph, batch: number): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([nodes, batch]))
    .digest("hex");
  return `precision of ${hash.slice(0, 16)}`;
}
