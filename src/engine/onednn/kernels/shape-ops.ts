/**
 * Concatenation, padding and slicing: copies between parts of memories. A part that starts inside a block of channels has
 * no descriptor in a blocked layout, so such copies go by the plain one.
 */
import { required } from "../../../core/errors.ts";
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import { describePart, type MemoryDescriptor } from "../ffi/memory.ts";
import { concatDescriptor } from "../ffi/primitive.ts";
import type { Program, View } from "../planner/program.ts";

export function lowerConcatenation(node: Node<"concatenation">, program: Program): void {
  const [dst = ""] = node.outputs;
  const sources = node.inputs.map((value) => program.use(value, program.preferred(program.shape(value))));
  const result = program.define(dst, program.preferred(program.shape(dst)));
  const primitive = concatDescriptor(
    program.library,
    result.descriptor,
    sources.map(({ descriptor }) => descriptor),
  );
  program.emitPrimitive(node, primitive, [
    ...sources.map((view, index) => [argument.multipleSrc + index, view] as const),
    [argument.dst, result],
  ]);
}

/** Where a part lies in a whole: the first element and the step on each axis. */
interface Region {
  readonly offsets: readonly number[];
  readonly steps: readonly number[];
}

export function lowerSlice(node: Node<"slice">, program: Program): void {
  const { starts, steps } = node.attributes;
  extract(node, program, { offsets: starts, steps });
}

export function lowerPad(node: Node<"pad">, program: Program): void {
  const { before } = node.attributes;
  embed(node, program, { offsets: before, steps: before.map(() => 1) });
}

export function lowerSliceBackward(node: Node<"slice_backward">, program: Program): void {
  const { starts, steps } = node.attributes;
  embed(node, program, { offsets: starts, steps });
}

/** dst = the region of src. */
function extract(node: Node, program: Program, region: Region): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const shape = program.shape(dst);
  const { whole, part } = partOf(program, program.shape(src), shape, region);
  const source = program.use(src, whole);
  program.reorder(node.name, { slot: source.slot, descriptor: part }, program.define(dst, likeWhole(program, whole, dst)));
}

/** The region of dst = src, and zero elsewhere: the memory is the value's own, so its zeros need writing only once. */
function embed(node: Node, program: Program, region: Region): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const { whole, part } = partOf(program, program.shape(dst), program.shape(src), region);
  const target = program.define(dst, whole, true);
  const source: View = program.use(src, likeWhole(program, whole, src));
  program.reorder(node.name, source, { slot: target.slot, descriptor: part });
}

function likeWhole(program: Program, whole: MemoryDescriptor, value: string): MemoryDescriptor {
  const preferred = program.preferred(whole.shape);
  const isPreferred = Buffer.compare(preferred.struct, whole.struct) === 0;
  return isPreferred ? program.preferred(program.shape(value)) : program.plain(value);
}

/** The whole in the first layout that has the region as a part. */
function partOf(
  program: Program,
  wholeShape: readonly number[],
  shape: readonly number[],
  { offsets, steps }: Region,
): { whole: MemoryDescriptor; part: MemoryDescriptor } {
  const preferred = program.preferred(wholeShape);
  const blocked =
    steps[1] === 1 ? describePart(program.library, preferred, shape, offsets, steps) : undefined;
  if (blocked !== undefined) return { whole: preferred, part: blocked };
  const plain = program.plainOf(wholeShape);
  return {
    whole: plain,
    part: required(describePart(program.library, plain, shape, offsets, steps), "part of a plain memory"),
  };
}

