/**
 * Lowers concatenation, padding and slicing to copies between parts of memories. In a blocked layout, a part that
 * starts inside a block of channels has no single descriptor. It is copied in pieces, each within one block on both
 * sides.
 */
import { required } from "../../../core/errors.ts";
import type { Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import {
  bytesOf,
  describeMemory,
  describePart,
  describeStrided,
  type MemoryDescriptor,
  type Part,
} from "../ffi/memory.ts";
import { concatDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";

export function lowerConcatenation(node: Node<"concatenation">, program: Program): void {
  const [dst = ""] = node.outputs;
  const shapes = node.inputs.map((value) => program.shape(value));
  const block = program.channelBlock;
  // In channels-last, parts need not start at a block.
  const isAligned = shapes.slice(0, -1).every(([, channels = 0]) => channels % block === 0);
  const isImage = program.shape(dst).length === 4;
  // Volumes have no pieces: those that are not aligned are joined in row-major order.
  const layoutOf = (shape: Shape): MemoryDescriptor =>
    isImage || isAligned ? program.preferred(shape) : describeMemory(program.library, shape, "plain");
  const sources = node.inputs.map((value, index) => program.use(value, layoutOf(shapes[index] ?? [])));
  const result = program.define(dst, layoutOf(program.shape(dst)), isImage && !isAligned);
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
    const box = { shape, from: [0, 0, 0, 0], region };
    copyPieces(node, program, { whole: result, part: source, box }, "embed");
    channel += shape[1] ?? 0;
  });
}

/** The position of a part in a whole: the first element and the step on each axis. */
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

/** Extract: dst is a region of src. Embed: a region of dst is src, and the rest is zero. */
type Way = "extract" | "embed";

function copyRegion(node: Node, program: Program, region: Region, way: Way): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const [wholeValue, partValue] = way === "extract" ? [src, dst] : [dst, src];
  const shape = program.shape(partValue);
  const isImage = shape.length === 4 && region.steps[1] === 1;
  const layout = (value: string): MemoryDescriptor =>
    isImage ? program.preferred(program.shape(value)) : program.plain(value);
  const boxes = boxesOf(shape, region, program.shape(wholeValue));
  const places = boxes.map((box) => ({
    box,
    direct: describePart(program.library, layout(wholeValue), box.shape, box.region.offsets, region.steps),
  }));
  const source = program.use(src, layout(src));
  // A value that is written in several pieces or only in part has its own memory, so that zeros are written only once.
  const isAtOnce = way === "extract" && boxes.length === 1 && places.every(({ direct }) => direct !== undefined);
  const target = program.define(dst, layout(dst), !isAtOnce);
  const [whole, part] = way === "extract" ? [source, target] : [target, source];
  for (const { box, direct } of places) {
    const inPart = boxes.length === 1 ? undefined : partOf(program, part, box);
    if (direct !== undefined && (boxes.length === 1 || inPart !== undefined)) {
      copy(node, program, { slot: whole.slot, ...direct }, inPart ?? part, way);
    } else {
      copyPieces(node, program, { whole, part, box }, way);
    }
  }
}

/** A box of the part, and its region in the whole. */
interface Box {
  readonly shape: Shape;
  /** First element in the part. */
  readonly from: readonly number[];
  readonly region: Region;
}

/**
 * Splits the part into boxes. The library accepts strides only if they do not reach into the next row, even after the
 * last element. For example, with every other row of five, the last row is a box of its own.
 */
function boxesOf(shape: Shape, { offsets, steps }: Region, whole: Shape): readonly Box[] {
  let boxes = [{ shape, from: shape.map(() => 0) }];
  for (const [axis, step] of steps.entries()) {
    const extent = shape[axis] ?? 1;
    if (step === 1 || extent === 1 || extent * step <= (whole[axis] ?? 1)) continue;
    boxes = boxes.flatMap((box) => [
      { ...box, shape: box.shape.with(axis, extent - 1) },
      { shape: box.shape.with(axis, 1), from: box.from.with(axis, extent - 1) },
    ]);
  }
  return boxes.map((box) => ({
    ...box,
    region: { steps, offsets: offsets.map((offset, axis) => offset + (box.from[axis] ?? 0) * (steps[axis] ?? 1)) },
  }));
}

function partOf(program: Program, part: View, { shape, from }: Box): View | undefined {
  const ones = shape.map(() => 1);
  const found = describePart(program.library, part.descriptor, shape, from, ones);
  return found === undefined ? undefined : { slot: part.slot, ...found };
}

function copy(node: Node, program: Program, whole: View, part: View, way: Way): void {
  if (way === "extract") program.reorder(node.name, whole, part);
  else program.reorder(node.name, part, whole);
}

interface PieceWork {
  readonly whole: View;
  readonly part: View;
  readonly box: Box;
}

/** Copies images in the blocked layout. Each copy has as many channels as fit into one block on both sides. */
function copyPieces(node: Node, program: Program, { whole, part, box }: PieceWork, way: Way): void {
  const block = program.channelBlock;
  const channels = required(box.shape[1], "channels");
  const first = required(box.region.offsets[1], "first channel");
  const inPart = { offsets: box.from, steps: box.shape.map(() => 1) };
  for (let channel = 0; channel < channels; ) {
    const count = Math.min(block - ((first + channel) % block), block - (channel % block), channels - channel);
    const pieceShape = box.shape.with(1, count);
    const piece = (view: View, within: Region, at: number): View => ({
      slot: view.slot,
      ...describePiece(program, view.descriptor, pieceShape, within, at),
    });
    copy(node, program, piece(whole, box.region, first + channel), piece(part, inPart, channel), way);
    channel += count;
  }
}

/** The channels from `channel` on within one block of an image in the blocked layout. */
function describePiece(
  program: Program,
  whole: MemoryDescriptor,
  shape: Shape,
  { offsets: [firstImage = 0, , top = 0, left = 0], steps: [, , rowStep = 1, columnStep = 1] }: Region,
  channel: number,
): Part {
  const [, channels = 0, height = 0, width = 0] = whole.shape;
  const block = program.channelBlock;
  const image = Math.ceil(channels / block) * block * height * width;
  const start =
    firstImage * image +
    Math.floor(channel / block) * block * height * width +
    (top * width + left) * block +
    (channel % block);
  const strides = [image, 1, rowStep * width * block, columnStep * block];
  return {
    descriptor: describeStrided(program.library, whole, shape, strides),
    offset: start * bytesOf(whole.type),
  };
}
