/** From a graph to a program whose memory is laid out: fusions, lowering node by node, updates of parameters. Allocates nothing. */
import { elementCount } from "../../core/tensor.ts";
import type { Graph } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import type { KernelChoices, Precision } from "../engine.ts";
import type { OneDnn } from "./ffi/library.ts";
import { lower } from "./kernels/kernels.ts";
import { type Candidate, scratchpadBytes } from "./planner/candidate.ts";
import { findFusions } from "./planner/fusion.ts";
import { gatherVectors } from "./planner/order.ts";
import { type PlacedProgram, placeProgram } from "./planner/placed.ts";
import { Program } from "./planner/program.ts";
import { Tuner } from "./planner/tuning.ts";

export interface BuildRequest {
  readonly library: OneDnn;
  readonly graph: Graph;
  readonly batch: number;
  readonly precision: Precision;
}

/** Throws `UserError("engine-refused")`, naming the node, where a node can be computed nowhere. */
export function buildProgram(request: BuildRequest, tuner: Tuner): PlacedProgram {
  const { library, batch, precision } = request;
  const shapes = inferShapes(request.graph, batch);
  const graph = gatherVectors(request.graph, shapes);
  const fusions = findFusions(graph);
  const program = new Program(library, graph, shapes, precision, fusions, tuner);
  try {
    for (const node of graph.nodes) if (!fusions.absorbed.has(node)) lower(node, program);
    for (const { parameter, value } of graph.updates) {
      const home = program.home(parameter);
      const view = program.use(value, home.descriptor);
      if (view.slot !== home.slot) program.reorder(parameter, view, home);
    }
    return placeProgram(program);
  } catch (error) {
    program.destroyPrimitives();
    throw error;
  }
}

/**
 * Bytes that a plan needs, with kernels that need little or much where no choice is `given`: nothing is timed, so it takes a
 * tenth of a second where preparing takes many.
 */
export function bytesNeeded(request: BuildRequest, given: KernelChoices, kernels: "least" | "most"): number {
  const sign = kernels === "least" ? 1 : -1;
  const pick = (candidates: readonly Candidate[]): Candidate | undefined =>
    candidates.toSorted((a, b) => sign * (extraBytes(a) - extraBytes(b)))[0];
  const { program, bytes } = buildProgram(request, new Tuner(request.library, given, { pick }));
  program.destroyPrimitives();
  return bytes;
}

/** What choosing a candidate costs beside the tensors that any candidate reads and writes. */
function extraBytes(candidate: Candidate): number {
  return candidate.reorders.reduce((sum, [, to]) => sum + to.bytes, scratchpadBytes(candidate));
}

/** Widest block of channels that images are padded to. */
const BLOCK = 16;

/** More than a plan needs, from shapes alone: every value in memory of its own, twice for reordered copies. */
export function roughBytes(graph: Graph, batch: number): number {
  let elements = 0;
  for (const shape of inferShapes(graph, batch).values()) {
    const [, channels = 1] = shape;
    const padding = shape.length === 4 ? (Math.ceil(channels / BLOCK) * BLOCK) / channels : 1;
    elements += elementCount(shape) * padding;
  }
  return 2 * elements * Float32Array.BYTES_PER_ELEMENT;
}
