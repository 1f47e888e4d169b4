/**
 * Chooses the layout of images for each node of a graph. Convolutions, batch norms, additions and poolings are timed in
 * both layouts, and so are the reorders between them. The assignment with the smallest total time is a minimum cut.
 */
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors.ts";
import { elementCount, type Shape } from "../../core/tensor.ts";
import type { Node } from "../../graph/graph.ts";
import { floatingPointOperations } from "../flops.ts";
import { isaAmx } from "./ffi/constants.ts";
import { describeMemory, samePlaces } from "./ffi/memory.ts";
import { Refusal } from "./ffi/refusal.ts";
import { type ConvolutionNode, estimateConvolution } from "./kernels/convolution.ts";
import { lower } from "./kernels/kernels.ts";
import { layOut } from "./planner/arena.ts";
import { BoundProgram } from "./planner/bound.ts";
import { type LayoutGroup, type LayoutGroups, layoutGroups, type Passage } from "./planner/layout-groups.ts";
import { FlowNetwork } from "./planner/min-cut.ts";
import { type ImageLayout, Program, type ProgramParts } from "./planner/program.ts";
import { typical } from "./planner/tuning.ts";
import { vectorWidth } from "./planner/vector-width.ts";

type Parts = Omit<ProgramParts, "layoutOf">;

export interface LayoutChoice {
  readonly layoutOf: (node: Node) => ImageLayout;
  /** Owns the descriptors that are created on the way, until the plan is disposed. */
  readonly scratch: readonly Program[];
}

/** Letters of the layouts in a stored choice. */
const letters = { blocked: "b", nhwc: "l" } as const;

export function chooseLayouts(parts: Parts): LayoutChoice {
  const { graph, images, fusions, tuner } = parts;
  const blocked = tuner.blockedLayout;
  const found = layoutGroups(graph, images, fusions);
  const scratch: Program[] = [];
  const isPossible = (made: string): boolean => made.length === found.groups.length && /^[bl]*$/.test(made);
  const chosen = tuner.decide(keyOf(parts, found), isPossible, () => {
    if (!tuner.mayTime) return undefined;
    const [inBlocks, channelsLast] = ([blocked, "nhwc"] as const).map((layout) => {
      const program = new Program({ ...parts, layoutOf: () => layout });
      scratch.push(program);
      return program;
    }) as [Program, Program];
    return leastSum(parts, found, inBlocks, channelsLast);
  });
  const layouts = new Map<Node, ImageLayout>();
  for (const [index, group] of found.groups.entries()) {
    for (const node of group) layouts.set(node, chosen?.[index] === letters.nhwc ? "nhwc" : blocked);
  }
  return { layoutOf: (node) => layouts.get(node) ?? blocked, scratch };
}

/** A key that is equal for graphs with the same groups and the same images between them. */
function keyOf({ graph, shapes, precision }: Parts, { groups, passages }: LayoutGroups): string {
  const nodes = graph.nodes.map(({ op, attributes, inputs, outputs }) => [
    op,
    attributes,
    [...inputs, ...outputs].map((value) => shapes.get(value)),
  ]);
  const ways = passages.map(({ from, to }) => [groups.indexOf(from), to.map((group) => groups.indexOf(group))]);
  const hash = createHash("sha256")
    .update(JSON.stringify([precision, nodes, ways]))
    .digest("hex");
  return `layouts of ${hash.slice(0, 16)}`;
}

/** Capacities are whole numbers. */
const PER_MILLISECOND = 1e5;
/** Stands for an unknown cost. */
const UNKNOWN = 0;
/** Cost of a node that cannot be computed in a layout: more milliseconds than any plan takes. */
const IMPOSSIBLE = 1e7;

/** The letter of the layout of each group. */
function leastSum(parts: Parts, { groups, passages }: LayoutGroups, inBlocks: Program, channelsLast: Program): string {
  const network = new FlowNetwork();
  const capacity = (milliseconds: number | undefined): number =>
    Math.round(PER_MILLISECOND * Math.min(milliseconds ?? UNKNOWN, IMPOSSIBLE));
  const vertices = new Map(groups.map((group) => [group, network.vertex()] as const));
  const vertexOf = (group: LayoutGroup): number => vertices.get(group) ?? network.source;
  // Measure the largest groups first, because the time may be over before all are measured.
  for (const group of groups.toSorted((a, b) => sizeOf(parts, b) - sizeOf(parts, a))) {
    const last = possibleCostOf(parts, group, channelsLast);
    const [cost, other] = orGuessed(parts, group, possibleCostOf(parts, group, inBlocks, last), last);
    if (cost === undefined || other === undefined) {
      network.edge(network.source, vertexOf(group), capacity(guessed(parts, group)));
      continue;
    }
    // A vertex on the side of the source has its images in blocks.
    network.edge(vertexOf(group), network.sink, capacity(cost));
    network.edge(network.source, vertexOf(group), capacity(other));
  }
  for (const passage of passages) {
    const { away, back } = reordersOf(parts, passage);
    const from = vertexOf(passage.from);
    // One reorder serves all readers, so an extra vertex makes sure that its cost counts only once.
    const [before, behind] = [network.vertex(), network.vertex()];
    network.edge(from, before, capacity(away));
    network.edge(behind, from, capacity(back));
    for (const group of passage.to) {
      network.edge(before, vertexOf(group), Number.POSITIVE_INFINITY);
      network.edge(vertexOf(group), behind, Number.POSITIVE_INFINITY);
    }
  }
  const isBlocked = network.minimumCut();
  return groups.map((group) => (isBlocked[vertexOf(group)] === true ? letters.blocked : letters.nhwc)).join("");
}

/** Elements per millisecond of the library's generic kernels, which run if no faster kernel supports the width. */
const SLOW_ELEMENTS = 1e5;

/** Estimated additional milliseconds in channels-last for a group that was not timed. */
function guessed({ shapes, images }: Parts, group: LayoutGroup): number {
  const own = group.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]).filter((value) => images.has(value));
  const slow = own
    .map((value) => shapes.get(value) ?? [])
    .filter(([, channels = 0]) => vectorWidth(channels, "nhwc").hasRest);
  return slow.reduce((sum, shape) => sum + elementCount(shape) / SLOW_ELEMENTS, UNKNOWN);
}

/** Milliseconds of the reorders of an image from blocks to channels-last and back. */
function reordersOf({ tuner, library, precision, shapes }: Parts, { value }: Passage) {
  const shape = shapes.get(value) ?? [];
  const a = describeMemory(library, shape, tuner.blockedLayout, precision);
  const b = describeMemory(library, shape, "nhwc", precision);
  if (samePlaces(library, a, b)) return { away: 0, back: 0 };
  const name = `reorder ${sharedShape(shape, "nhwc")} ${a.type}`;
  return {
    away: tuner.time(`${name} to nhwc`, () => tuner.reorder(a, b)) ?? UNKNOWN,
    back: tuner.time(`${name} from nhwc`, () => tuner.reorder(b, a)) ?? UNKNOWN,
  };
}

/** A key that is equal for shapes that take the same time. */
export function sharedShape(shape: Shape, layout: ImageLayout): string {
  const [, channels] = shape;
  if (shape.length !== 4 || channels === undefined) return shape.join("x");
  const { padded, hasRest } = vectorWidth(channels, layout);
  return shape.with(1, padded).join("x") + (hasRest ? " and rest" : "");
}

const convolutions: ReadonlySet<Node["op"]> = new Set([
  "convolution",
  "convolution_backward_data",
  "convolution_backward_weights",
]);

function isConvolution(node: Node): node is ConvolutionNode {
  return convolutions.has(node.op);
}

/** Roughly the number of operations of a convolution that take as long as one element of another op. */
const OPERATIONS_AN_ELEMENT = 40;

/** A rough measure of the work of a group: elements of its images, or operations of its convolution. */
function sizeOf({ shapes }: Parts, group: LayoutGroup): number {
  const elements = (value: string): number =>
    (shapes.get(value) ?? []).reduce((product, extent) => product * extent, 1);
  return group.reduce((sum, node) => {
    const values = [...node.inputs, ...node.outputs].map(elements);
    return sum + Math.max(...values, floatingPointOperations(node, shapes) / OPERATIONS_AN_ELEMENT);
  }, 0);
}

/** Operations per millisecond of a bf16 convolution with AMX, which needs channels-last. */
const AMX_SPEED = 600e6;
/** How many times as long it takes in blocks. */
const WITHOUT_AMX = 4;

/** Milliseconds of a convolution in blocks and in channels-last. With AMX, unmeasured times are estimated. */
function orGuessed(
  parts: Parts,
  group: LayoutGroup,
  inBlocks: number | undefined,
  channelsLast: number | undefined,
): readonly [number | undefined, number | undefined] {
  const { library, precision, shapes } = parts;
  const [first] = group;
  const hasAmx = (library.instructionSet & isaAmx) === isaAmx;
  const usesAmx = hasAmx && precision === "bf16" && first !== undefined && isConvolution(first);
  if (!usesAmx || first.attributes.groups > 1 || guessed(parts, group) > 0) return [inBlocks, channelsLast];
  const fast = channelsLast ?? floatingPointOperations(first, shapes) / AMX_SPEED;
  return [inBlocks ?? WITHOUT_AMX * fast, fast];
}

/** Like `costOf`, but infinite if the library refuses the group in that layout. */
function possibleCostOf(parts: Parts, group: LayoutGroup, program: Program, rival?: number): number | undefined {
  try {
    return costOf(parts, group, program, rival);
  } catch (error) {
    const isRefused = error instanceof Refusal || (error instanceof UserError && error.code === "engine-refused");
    if (isRefused) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

/** Milliseconds of a group with images in the layout of `program`; undefined if there is no time left to measure. */
function costOf(parts: Parts, group: LayoutGroup, program: Program, rival?: number): number | undefined {
  const [first] = group;
  if (first === undefined) return 0;
  if (isConvolution(first)) return program.within(first, () => estimateConvolution(program, first, rival));
  const { shapes, fusions, precision, tuner } = parts;
  const layout = program.within(first, () => program.layout);
  const described = group.map((node) => [
    node.op,
    node.attributes,
    [...node.inputs, ...node.outputs].map((value) => sharedShape(shapes.get(value) ?? [], layout)),
    [fusions.reluAfter, fusions.reluBackwardBefore, fusions.reluBackwardAfter].map((fused) => fused.has(node)),
  ]);
  return tuner.time(`${layout} ${precision} ${JSON.stringify(described)}`, (stopwatch) =>
    stopwatch.during(() => tuner.apart(() => measure(parts, group, layout))),
  );
}

/** Bytes to time a group on, and the largest number of copies: in a real plan, most data is not in the caches. */
const COLD_BYTES = 32 * 2 ** 20;
const MOST_COPIES = 4;
const RUNS = 6;

/** Milliseconds of the steps of the nodes of `group`, with their inputs in `layout`. */
function measure(parts: Parts, group: LayoutGroup, layout: ImageLayout): number {
  const program = new Program({ ...parts, layoutOf: () => layout });
  const made = new Set(group.flatMap(({ outputs }) => outputs));
  for (const node of group) {
    const { reluBackwardBefore, reluBackwardAfter } = parts.fusions;
    const absorbed = [reluBackwardBefore.get(node), reluBackwardAfter.get(node)];
    for (const value of [...node.inputs, ...absorbed.flatMap((relu) => relu?.inputs ?? [])]) {
      if (made.has(value) || program.isGiven(value)) continue;
      const own = program.within(node, () => program.preferred(program.shape(value)));
      program.define(value, parts.images.has(value) ? own : program.plain(value), true);
    }
  }
  const bound: BoundProgram[] = [];
  try {
    for (const node of group) lower(node, program);
    const slots = program.steps.flatMap(({ reads, writes }) => [...reads, ...writes]);
    const arena = layOut(program.steps, [], new Set(slots), program.inside);
    const copies = Math.min(MOST_COPIES, Math.max(1, Math.round(COLD_BYTES / arena.bytes)));
    for (let copy = 0; copy < copies; copy++) bound.push(new BoundProgram(program, arena));
    const run = (one: BoundProgram): number => {
      const start = performance.now();
      for (const step of one.steps) step.run();
      return performance.now() - start;
    };
    for (const one of bound) run(one);
    return typical(Array.from({ length: RUNS }, (_, turn) => run(bound[turn % copies] as BoundProgram)));
  } finally {
    for (const one of bound) one.free();
    program.destroyPrimitives();
  }
}
