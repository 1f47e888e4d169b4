/**
 * The engine that trains: oneDNN's kernels, planned over the whole graph. Layouts stay blocked from end to end, ReLUs run
 * inside batch norms, each convolution uses the implementation that was fastest here, and all values share one arena.
 * Start reading at `planner/program.ts`.
 */
import { availableParallelism } from "node:os";
import type { Graph } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import { checkBatch } from "../checks.ts";
import type { Engine, Plan, PrepareOptions } from "../engine.ts";
import { oneDnn } from "./ffi/library.ts";
import { lower } from "./kernels/kernels.ts";
import { OneDnnPlan } from "./plan.ts";
import { findFusions } from "./planner/fusion.ts";
import { Program } from "./planner/program.ts";
import { Tuner } from "./planner/tuning.ts";

export interface OneDnnOptions {
  /** Threads to compute with; default: all processors. */
  readonly threads?: number;
}

/** Throws `UserError("engine-missing")` where oneDNN is not installed or too old. */
export function createOneDnnEngine({ threads = availableParallelism() }: OneDnnOptions = {}): Engine {
  const library = oneDnn();
  const { version, instructionSet } = library.calls;
  return {
    name: "onednn",
    description: {
      library: `oneDNN ${version}`,
      instructionSet: `0x${instructionSet.toString(16)}`,
      threads: `${threads}`,
    },
    prepare: (graph: Graph, { batch, choices }: PrepareOptions): Plan => {
      checkBatch(batch);
      library.calls.setThreads(threads);
      const fusions = findFusions(graph);
      const program = new Program(library, graph, inferShapes(graph, batch), fusions, new Tuner(library, choices));
      for (const node of graph.nodes) if (!fusions.absorbed.has(node)) lower(node, program);
      for (const { parameter, value } of graph.updates) {
        const home = program.home(parameter);
        const view = program.use(value, home.descriptor);
        if (view.slot !== home.slot) program.reorder(parameter, view, home);
      }
      return new OneDnnPlan(program, { batch, threads });
    },
  };
}
