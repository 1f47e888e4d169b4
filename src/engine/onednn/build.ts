/**
 * Compiles a graph into a program: fuses nodes, lowers them one by one, and lays out the memory. It allocates nothing.
 */
import { elementCount } from "../../core/tensor.ts";
import type { Graph } from "../../graph/graph.ts";
import { inferShapes } from "../../graph/shapes.ts";
import type { Precision } from "../engine.ts";
import type { OneDnn } from "./ffi/library.ts";
import { withdrawOffers } from "./kernels/convolution.ts";
import { lower } from "./kernels/kernels.ts";
import { chooseLayouts } from "./layouts.ts";
import { type Candidate, scratchpadBytes } from "./planner/candidate.ts";
import { findFusions } from "./planner/fusion.ts";
import { gatherVectors } from "./planner/order.ts";
import { type PlacedProgram, placeProgram } from "./planner/placed.ts";
import { Program } from "./planner/program.ts";
import { type Known, Tuner } from "./planner/tuning.ts";
import { hasVolumes, isImageShape } from "./planner/volumes.ts";

export interface BuildRequest {
  readonly library: OneDnn;
  readonly graph: Graph;
  readonly batch: number;
  readonly precision: Precision;
}

/** Throws `UserError("engine-refused")`, with the node's name, if neither oneDNN nor the host can compute a node. */
export function buildProgram(request: BuildRequest, tuner: Tuner): PlacedProgram {
  const { library, batch, precision } = request;
  const shapes = inferShapes(request.graph, batch);
  const graph = gatherVectors(request.graph, shapes);
  const fusions = findFusions(graph);
  const images = imagesOf(graph, batch);
  const parts = { library, graph, shapes, images, precision, fusions, tuner };
  const { layoutOf, scratch } = chooseLayouts(parts);
  const program = new Program({ ...parts, layoutOf });
  for (const other of scratch) program.takeOver(other);
  try {
    for (const node of graph.nodes) if (!fusions.absorbed.has(node)) lower(node, program);
    for (const { parameter, value } of graph.updates) {
      const home = program.home(parameter);
      const view = program.use(value, home.descriptor);
      if (view.slot !== home.slot) program.reorder(parameter, view, home);
    }
    const placed = placeProgram(program);
    withdrawOffers(program);
    return placed;
  } catch (error) {
    withdrawOffers(program);
    program.destroyPrimitives();
    throw error;
  }
}

/** The values that are images: their first extent depends on the batch, which excludes weights' gradients. */
function imagesOf(graph: Graph, batch: number): ReadonlySet<string> {
  const more = inferShapes(graph, batch + 1);
  const shapes = inferShapes(graph, batch);
  const volumes = hasVolumes(graph, shapes);
  return new Set(
    [...shapes].flatMap(([value, shape]) =>
      isImageShape(shape, volumes) && shape[0] !== more.get(value)?.[0] ? [value] : [],
    ),
  );
}

/**
 * Bytes that a plan needs. Where no choice is `given`, it assumes kernels that need little or much memory. It times
 * nothing, so it takes a tenth of a second, while preparing a plan takes several seconds.
 */
export function bytesNeeded(request: BuildRequest, known: Known, kernels: "least" | "most"): number {
  const sign = kernels === "least" ? 1 : -1;
  const pick = (candidates: readonly Candidate[]): Candidate | undefined =>
    candidates.toSorted((a, b) => sign * (extraBytes(a) - extraBytes(b)))[0];
  const { program, bytes } = buildProgram(request, new Tuner(request.library, known, { pick }));
  program.destroyPrimitives();
  return bytes;
}

/** Memory that a candidate needs in addition to the tensors that every candidate reads and writes. */
function extraBytes(candidate: Candidate): number {
  const { reorders, ownBytes = 0 } = candidate;
  return reorders.reduce((sum, [, to]) => sum + to.bytes, scratchpadBytes(candidate) + ownBytes);
}

/** The largest block of channels to which images are padded. */
const BLOCK = 16;

/** An upper bound of a plan's memory from shapes alone: all values separately, twice because of reordered copies. */
export function roughBytes(graph: Graph, batch: number): number {
  let elements = 0;
  const shapes = inferShapes(graph, batch);
  const volumes = hasVolumes(graph, shapes);
  for (const shape of shapes.values()) {
    const [, channels = 1] = shape;
    const padding = isImageShape(shape, volumes) ? (Math.ceil(channels / BLOCK) * BLOCK) / channels : 1;
    elements += elementCount(shape) * padding;
  }
  return 2 * elements * Float32Array.BYTES_PER_ELEMENT;
}
