/**
 * The engine that trains: oneDNN's kernels, planned over the whole graph. Layouts stay blocked from end to end, ReLUs run
 * inside batch norms, each convolution uses the implementation that was fastest here, and all values share one arena.
 * Start reading at `planner/program.ts`.
 */
import { availableParallelism } from "node:os";
import { UserError } from "../../core/errors.ts";
import type { Graph } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import { checkBatch } from "../checks.ts";
import type { Engine, Plan, PrepareOptions } from "../engine.ts";
import { isaAvx512CoreBf16 } from "./ffi/constants.ts";
import { type OneDnn, oneDnn } from "./ffi/library.ts";
import { lower } from "./kernels/kernels.ts";
import { OneDnnPlan } from "./plan.ts";
import { ChoiceCache } from "./planner/choice-cache.ts";
import { findFusions } from "./planner/fusion.ts";
import { type Fallback, Program } from "./planner/program.ts";
import { Tuner } from "./planner/tuning.ts";

export interface OneDnnOptions {
  /** Threads to compute with; default: all processors. */
  readonly threads?: number;
  /** Folder in which kernel choices are kept from process to process; default: they are not kept. */
  readonly cacheFolder?: string;
  /** Default: the library as it is loaded; a test may hand in one that refuses more. */
  readonly library?: OneDnn;
}

/** Throws `UserError("engine-missing")` where oneDNN is not installed or too old. */
export function createOneDnnEngine({
  threads = availableParallelism(),
  cacheFolder,
  library = oneDnn(),
}: OneDnnOptions = {}): Engine {
  const identity = {
    library: `oneDNN ${library.calls.version}`,
    instructionSet: `0x${library.calls.instructionSet.toString(16)}`,
    threads,
  };
  // Without the instructions for it oneDNN would emulate bf16, several times slower than f32.
  const hasBf16 = (library.calls.instructionSet & isaAvx512CoreBf16) === isaAvx512CoreBf16;
  let notices = new Set<string>();
  const note = (message: string): void => void notices.add(message);
  const cache = cacheFolder === undefined ? undefined : new ChoiceCache(cacheFolder, identity, note);
  return {
    name: "onednn",
    description: { ...identity, threads: `${threads}` },
    precisions: hasBf16 ? ["f32", "bf16"] : ["f32"],
    prepare: (graph: Graph, { batch, choices, precision = "f32" }: PrepareOptions): Plan => {
      checkBatch(batch);
      if (precision === "bf16" && !hasBf16) throw bf16Missing();
      notices = new Set();
      library.calls.setThreads(threads);
      const fusions = findFusions(graph);
      const tuner = new Tuner(library, { ...cache?.read(), ...choices });
      const program = new Program(library, graph, inferShapes(graph, batch), precision, fusions, tuner);
      for (const node of graph.nodes) if (!fusions.absorbed.has(node)) lower(node, program);
      for (const { parameter, value } of graph.updates) {
        const home = program.home(parameter);
        const view = program.use(value, home.descriptor);
        if (view.slot !== home.slot) program.reorder(parameter, view, home);
      }
      cache?.add(tuner.choices);
      for (const fallback of program.fallenBack) note(fallbackNotice(fallback));
      return new OneDnnPlan(program, { batch, threads, notices: [...notices] });
    },
  };
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
