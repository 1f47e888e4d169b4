/**
 * Concatenation, padding and slicing: copies between parts of memories. In a blocked layout a part that starts inside a
 * block of channels has no single descriptor; it is copied in pieces that each lie inside one block on both sides.
 */
import { required } from "../../../core/errors.ts";
import type { Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import { describePart, describeStrided, type MemoryDescriptor } from "../ffi/memory.ts";
import { concatDescriptor } from "../ffi/primitive.ts";
import type { Program, View } from "../planner/program.ts";

export function lowerConcatenation(node: Node<"concatenation">, program: Program): void {
  const [dst = ""] = node.outputs;
  const shapes = node.inputs.map((value) => program.shape(value));
  const sources = node.inputs.map((value, index) => program.use(value, program.preferred(shapes[index] ?? [])));
  const block = program.channelBlock;
  const isAligned = shapes.slice(0, -1).every(([, channels = 0]) => channels % block === 0);
  const isImage = program.shape(dst).length === 4;
  const result = program.define(dst, program.preferred(program.shape(dst)), isImage && !isAligned);
  if (isAligned || !isImage) {
    const primitive = concatDescriptor(
      program.library,
      result.descriptor,
      sources.map(({ descriptor }) => descriptor),
    );
    program.emitPrimitive(node, primitive, [
      ...sources.map((view, index) => [argument.multipleSrc + index, view] as const),
      [argument.dst, result],
    ]);
    return;
  }
  let channel = 0;
  sources.forEach((source, index) => {
    const shape = shapes[index] ?? [];
    const region = { offsets: [0, channel, 0, 0], steps: [1, 1, 1, 1] };
    copyPieces(node, program, { whole: result, part: source, shape, region }, "embed");
    channel += shape[1] ?? 0;
  });
}

/** Where a part lies in a whole: the first element and the step on each axis. */
interface Region {
  readonly offsets: readonly number[];
  readonly steps: readonly number[];
}

export function lowerSlice(node: Node<"slice">, program: Program): void {
  const { starts, steps } = node.attributes;
  copyRegion(node, program, { offsets: starts, steps }, "extract");
}

export function lowerPad(node: Node<"pad">, program: Program): void {
  const { before } = node.attributes;
  copyRegion(node, program, { offsets: before, steps: before.map(() => 1) }, "embed");
}

export function lowerSliceBackward(node: Node<"slice_backward">, program: Program): void {
  const { starts, steps } = node.attributes;
  copyRegion(node, program, { offsets: starts, steps }, "embed");
}

/** Extract: dst = a region of src. Embed: a region of dst = src, and zero elsewhere. */
type Way = "extract" | "embed";

function copyRegion(node: Node, program: Program, region: Region, way: Way): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const [wholeValue, partValue] = way === "extract" ? [src, dst] : [dst, src];
  const shape = program.shape(partValue);
  const isImage = shape.length === 4 && region.steps[1] === 1;
  const layout = (value: string): MemoryDescriptor =>
    isImage ? program.preferred(program.shape(value)) : program.plain(value);
  const direct = describePart(program.library, layout(wholeValue), shape, region.offsets, region.steps);
  const source = program.use(src, layout(src));
  // The memory is the value's own where it is not written whole, so that its zeros need writing only once.
  const target = program.define(dst, layout(dst), way === "embed" || direct === undefined);
  const [whole, part] = way === "extract" ? [source, target] : [target, source];
  if (direct === undefined) {
    copyPieces(node, program, { whole, part, shape, region }, way);
  } else {
    copy(node, program, { slot: whole.slot, descriptor: direct }, part, way);
  }
}

function copy(node: Node, program: Program, whole: View, part: View, way: Way): void {
  if (way === "extract") program.reorder(node.name, whole, part);
  else program.reorder(node.name, part, whole);
}

interface PieceWork {
  readonly whole: View;
  readonly part: View;
  /** The part's. */
  readonly shape: Shape;
  readonly region: Region;
}

/** Copies images in the blocked layout, as many channels at a time as stay inside one block on both sides. */
function copyPieces(node: Node, program: Program, { whole, part, shape, region }: PieceWork, way: Way): void {
  const block = program.channelBlock;
  const channels = required(shape[1], "channels");
  const first = required(region.offsets[1], "first channel");
  const everything = { offsets: shape.map(() => 0), steps: shape.map(() => 1) };
  for (let channel = 0; channel < channels; ) {
    const count = Math.min(block - ((first + channel) % block), block - (channel % block), channels - channel);
    const pieceShape = shape.with(1, count);
    const piece = (view: View, within: Region, at: number): View => ({
      slot: view.slot,
      descriptor: describePiece(program, view.descriptor, pieceShape, within, at),
    });
    copy(node, program, piece(whole, region, first + channel), piece(part, everything, channel), way);
    channel += count;
  }
}

/** The channels from `channel` on, inside one block of an image in the blocked layout. */
function describePiece(
  program: Program,
  whole: MemoryDescriptor,
  shape: Shape,
  { offsets: [firstImage = 0, , top = 0, left = 0], steps: [, , rowStep = 1, columnStep = 1] }: Region,
  channel: number,
): MemoryDescriptor {
  const [, channels = 0, height = 0, width = 0] = whole.shape;
  const block = program.channelBlock;
  const image = Math.ceil(channels / block) * block * height * width;
  const start =
    firstImage * image +
    Math.floor(channel / block) * block * height * width +
    (top * width + left) * block +
    (channel % block);
  const strides = [image, 1, rowStep * width * block, columnStep * block];
  return describeStrided(program.library, whole, shape, strides, start);
}
