/**
 * The name of a layout, like oneDNN's format tags: axes from the slowest to the fastest, in capitals if they are split
 * into blocks, then the blocks. It is derived from the descriptor itself, so it is the layout that a step really uses.
 */
import { elementCount } from "../../../core/tensor.ts";
import { bytesOf, isBlocked, type MemoryDescriptor } from "../ffi/memory.ts";

/** Letters of the axes: images are batch, channels, pixels; weights are outputs, inputs, kernel. */
const axes = {
  images: ["x", "x", "nc", "ncw", "nchw", "ncdhw"],
  weights: ["x", "x", "oi", "oiw", "oihw", "goihw"],
  "weights of volumes": ["x", "x", "oi", "oiw", "oihw", "oidhw"],
} as const;

/** The kind of content of a memory, which decides the letters of its axes. */
export type Content = keyof typeof axes;

/** `nchw`, `nChw16c`, `OIhw16i16o`, …; "opaque" for layouts that only the library can address (Winograd's weights). */
export function layoutName(descriptor: MemoryDescriptor, content: Content): string {
  if (!isBlocked(descriptor)) return "opaque";
  const { strides, blocks } = descriptor.layout;
  const letters = axes[content][strides.length] ?? "abcdefghijkl".slice(0, strides.length);
  const isSplit = (axis: number): boolean => blocks.some((block) => block.axis === axis);
  const outer = strides
    .map((stride, axis) => ({ axis, stride }))
    // Axes with one element have the same stride as a neighbour: keep them in row-major order.
    .toSorted((a, b) => b.stride - a.stride)
    .map(({ axis }) => letterOf(letters, axis, isSplit(axis)));
  return outer.join("") + blocks.map(({ axis, size }) => `${size}${letterOf(letters, axis, false)}`).join("");
}

/** Whether axis 0 is split into blocks, which happens only for weights. */
export function isBlockedAlongOutputs({ layout }: MemoryDescriptor): boolean {
  return layout.blocks.some(({ axis }) => axis === 0);
}

/** Bytes of the elements of a descriptor, padding of blocks included; for a part of a memory, those of the part. */
export function reachedBytes({ layout, bytes, type }: MemoryDescriptor): number {
  return Math.min(bytes, elementCount(layout.paddedShape) * bytesOf(type));
}

function letterOf(letters: string, axis: number, isCapital: boolean): string {
  const letter = letters[axis] ?? "?";
  return isCapital ? letter.toUpperCase() : letter;
}
