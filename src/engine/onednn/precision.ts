/** Finds the faster precision of a step: prepares both plans and runs them in turns, once per network and machine. */
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors.ts";
import type { Graph } from "../../graph/graph.ts";
import { type Precision, precisions } from "../engine.ts";
import type { OneDnnPlan } from "./plan.ts";
import type { Known } from "./planner/tuning.ts";

/**
 * Number of timed steps of each plan, after one that is not timed. The shortest counts, because disturbances only make
 * steps longer.
 */
const RUNS = 5;

/** bf16 is taken if its steps take at most this share of the time. A smaller gain is within the noise of the timing. */
const WORTH_ROUNDING = 0.95;

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

/** Returns the plan with the shorter steps, f32 if they are about equal. Its choices and a notice say which it is. */
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
  if (milliseconds === undefined) return plan.with(decided, [onlyOneFits(precision)]);
  const times = Object.fromEntries(precisions.map((each) => [timeKey(each), milliseconds[each]]));
  keep({ choices: decided, milliseconds: times });
  return plan.with(decided, [notice(precision, milliseconds)]);
}

type Times = Readonly<Record<Precision, number>>;

interface Decision {
  readonly precision: Precision;
  readonly plan: OneDnnPlan;
  /** Undefined if the memory suffices for one of the precisions only. */
  readonly milliseconds: Times | undefined;
}

function notice(chosen: Precision, times: Times): string {
  const other = otherThan(chosen);
  return (
    `steps are computed in ${chosen}: ${times[chosen].toFixed(1)} ms each, in ${other} ` +
    `${times[other].toFixed(1)} ms`
  );
}

function onlyOneFits(chosen: Precision): string {
  return `steps are computed in ${chosen}, because in ${otherThan(chosen)} they need more memory than is available`;
}

function otherThan(precision: Precision): Precision {
  return precision === "f32" ? "bf16" : "f32";
}

function timeBoth(planIn: Request["planIn"]): Decision {
  try {
    return timeInTurns(planIn);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    return timeOneByOne(planIn);
  }
}

/** Runs both plans in turns, so that disturbances meet both, and disposes of the slower one. */
function timeInTurns(planIn: Request["planIn"]): Decision {
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
  const precision = fasterOf({ f32, bf16 });
  const [kept, other] = precision === "f32" ? plans : plans.toReversed();
  other?.plan.dispose();
  const plan = (kept as (typeof plans)[number]).plan;
  plan.reset();
  return { precision, plan, milliseconds: { f32, bf16 } };
}

/** For plans that do not fit into the memory together: prepares one after the other, and then the faster one again. */
function timeOneByOne(planIn: Request["planIn"]): Decision {
  const [f32, bf16] = precisions.map((precision) => timeAlone(() => planIn(precision, 0.5))) as [Timed, Timed];
  if (typeof f32 === "number" && typeof bf16 === "number") {
    const milliseconds = { f32, bf16 };
    const precision = fasterOf(milliseconds);
    return { precision, plan: planIn(precision), milliseconds };
  }
  // If neither fits, planIn throws again.
  const precision = typeof f32 === "number" ? "f32" : "bf16";
  return { precision, plan: planIn(precision), milliseconds: undefined };
}

type Timed = number | "too large";

function timeAlone(prepare: () => OneDnnPlan): Timed {
  try {
    const plan = prepare();
    try {
      plan.timeWithoutFeeds();
      return Math.min(...Array.from({ length: RUNS }, () => plan.timeWithoutFeeds()));
    } finally {
      plan.dispose();
    }
  } catch (error) {
    if (isTooLarge(error)) return "too large";
    throw error;
  }
}

function fasterOf({ f32, bf16 }: Times): Precision {
  return bf16 <= WORTH_ROUNDING * f32 ? "bf16" : "f32";
}

function isTooLarge(error: unknown): boolean {
  return error instanceof UserError && error.code === "out-of-memory";
}

/** A key that is equal for equal graphs. */
function keyOf({ nodes }: Graph, batch: number): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([nodes, batch]))
    .digest("hex");
  return `precision of ${hash.slice(0, 16)}`;
}
