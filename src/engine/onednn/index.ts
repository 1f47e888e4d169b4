/**
 * The engine for training: oneDNN's kernels, planned over the whole graph. Layouts stay blocked from end to end, ReLUs
 * are fused into batch norms, each convolution uses the implementation that is fastest on this machine, and all values
 * share one arena. Start reading at `build.ts`.
 */
import { availableParallelism, loadavg } from "node:os";
import { UserError } from "../../core/errors.ts";
import { requireThreads } from "../../core/threads.ts";
import type { Graph } from "../../graph/graph.ts";
import { checkBatch } from "../checks.ts";
import { type Engine, type Plan, type Precision, type PrepareOptions, precisions } from "../engine.ts";
import { MemoryBudget } from "../memory-budget.ts";
import { outOfMemory } from "../memory-check.ts";
import type { TuningClock } from "../tuning-clock.ts";
import { buildProgram, bytesNeeded, roughBytes } from "./build.ts";
import { isaAvx512Core, isaAvx512CoreBf16 } from "./ffi/constants.ts";
import { type OneDnn, oneDnn } from "./ffi/library.ts";
import { OneDnnPlan } from "./plan.ts";
import { ChoiceCache } from "./planner/choice-cache.ts";
import type { Fallback } from "./planner/program.ts";
import { nothingKnown, Tuner } from "./planner/tuning.ts";
import { planOfFasterPrecision } from "./precision.ts";

export interface OneDnnOptions {
  /** Number of threads; default: all processors. */
  readonly threads?: number;
  /** Folder that stores kernel choices for later processes; default: they are not stored. */
  readonly cacheFolder?: string;
  /** Bytes that all plans together may use; default: the available memory of the machine or control group. */
  readonly memoryLimit?: number;
  /** Seconds for timing kernels, for each plan. Kernels beyond that are not timed. */
  readonly tuningSeconds?: number;
  /** Receives the progress of timing kernels; default: none. */
  readonly tuningClock?: TuningClock;
  /** Default: the loaded library. Tests may pass one that refuses more. */
  readonly library?: OneDnn;
}

/** Chosen so that the first step of a large network starts within 20 seconds. */
const TUNING_SECONDS = 12;

/** Throws `UserError("engine-missing")` if oneDNN is not installed or too old. */
export function createOneDnnEngine({
  threads = availableParallelism(),
  cacheFolder,
  memoryLimit,
  tuningSeconds: usualSeconds = TUNING_SECONDS,
  tuningClock,
  library = oneDnn(),
}: OneDnnOptions = {}): Engine {
  requireThreads(threads);
  const identity = {
    library: `oneDNN ${library.version}`,
    instructionSet: `0x${library.instructionSet.toString(16)}`,
    threads,
  };
  // Without bf16 instructions oneDNN would emulate them, which is several times slower than f32.
  const hasBf16 = (library.instructionSet & isaAvx512CoreBf16) === isaAvx512CoreBf16;
  const budget = new MemoryBudget(memoryLimit);
  let notices = new Set<string>();
  const note = (message: string): void => void notices.add(message);
  const cache = cacheFolder === undefined ? undefined : new ChoiceCache(cacheFolder, identity, note);
  return {
    name: "onednn",
    description: { ...identity, threads: `${threads}` },
    precisions: hasBf16 ? ["f32", "bf16"] : ["f32"],
    vectorWidth: (library.instructionSet & isaAvx512Core) === isaAvx512Core ? 16 : 8,
    prepare: (graph: Graph, options: PrepareOptions): Plan => {
      const { batch, choices, precision = "f32", tuningSeconds = usualSeconds } = options;
      checkBatch(batch);
      if (precision === "bf16" && !hasBf16) throw bf16Missing();
      notices = new Set();
      library.calls.setThreads(threads);
      const kept = cache?.read(isBusy()) ?? nothingKnown;
      const known = { ...kept, choices: { ...kept.choices, ...choices } };
      const limits = { memory: () => budget.available(), milliseconds: tuningSeconds * 1000 };
      /** `share`: the share of the time for tuning that this plan may take. */
      const planIn = (own: Precision, share = 1): OneDnnPlan => {
        const request = { library, graph, precision: own };
        const available = budget.available();
        const refuseLargePlans = (needed: number, isLeast: boolean): void => {
          if (needed <= available) return;
          const needAt = (other: number): number => bytesNeeded({ ...request, batch: other }, known, "most");
          throw outOfMemory({ plan: graph.name, batch, needed, isLeast, available, needAt });
        };
        // Check the memory before timing takes seconds for a plan that cannot run.
        if (roughBytes(graph, batch) > available) {
          refuseLargePlans(bytesNeeded({ ...request, batch }, known, "least"), true);
        }
        const milliseconds = limits.milliseconds * share;
        const onProgress = (spent: number): void => tuningClock?.set(spent, milliseconds);
        const tuner = new Tuner(library, known, { ...limits, milliseconds, onProgress });
        const placed = buildProgram({ ...request, batch }, tuner);
        cache?.add(tuner.lasting, tuner.wasBusy);
        cache?.add(tuner.provisional, true);
        if (tuner.wasBusy) note(BUSY);
        else if (tuner.untimed > 0) note(untimedNotice(tuner.untimed, tuningSeconds));
        const { program, bytes } = placed;
        try {
          refuseLargePlans(bytes, false);
        } catch (error) {
          program.destroyPrimitives();
          throw error;
        }
        for (const fallback of program.fallenBack) note(fallbackNotice(fallback));
        const onDispose = budget.hold(bytes);
        return new OneDnnPlan(placed, { batch, threads, choices: tuner.choices, notices: [...notices], onDispose });
      };
      if (precision !== "auto") return planIn(precision);
      if (!hasBf16) return planIn("f32");
      const decided = precisions.find((each) => each === choices?.["precision"]);
      if (decided !== undefined) return planIn(decided);
      return planOfFasterPrecision({ graph, batch, known, planIn, keep: (found) => cache?.add(found, isBusy()) });
    },
  };
}

/** Whether other programs compute, by the load average of the last minute. */
function isBusy(): boolean {
  const [load = 0] = loadavg();
  return load > availableParallelism();
}

const BUSY =
  "other programs were computing while kernels were timed, so slow kernels may have been chosen; they are timed " +
  "again once the machine is idle";

function untimedNotice(count: number, seconds: number): string {
  const kernels = count === 1 ? "1 kernel was" : `${count} kernels were`;
  return `${kernels} not timed within ${seconds} s and chosen by the library's rule; the next start continues timing`;
}

function fallbackNotice({ node, op, reason }: Fallback): string {
  return `${op.replaceAll("_", " ")} "${node}" runs on one thread in plain loops, which is slow: ${reason}`;
}

function bf16Missing(): UserError {
  return new UserError("engine-refused", "this processor has no bf16 arithmetic", {
    expected: "one with avx512_bf16 or amx",
    hint: "Use f32",
  });
}
