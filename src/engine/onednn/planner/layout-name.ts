/**
 * The name of a layout, after oneDNN's format tags: axes from the slowest to the fastest, capital where they are split
 * into blocks, then the blocks. Read from the descriptor itself, so that it is the truth about what a step works on.
 */
import { elementCount } from "../../../core/tensor.ts";
import { bytesOf, isBlocked, type MemoryDescriptor } from "../ffi/memory.ts";

/** Letters of the axes: images are batch, channels, pixels; weights are outputs, inputs, kernel. */
const axes = {
  images: ["x", "x", "nc", "ncw", "nchw", "ncdhw"],
  weights: ["x", "x", "oi", "oiw", "oihw", "goihw"],
  "weights of volumes": ["x", "x", "oi", "oiw", "oihw", "oidhw"],
} as const;

/** What a memory holds, which decides what its axes are called. */
export type Content = keyof typeof axes;

/** `nchw`, `nChw16c`, `OIhw16i16o`, …; "opaque" for what only the library can address (Winograd's weights). */
export function layoutName(descriptor: MemoryDescriptor, content: Content): string {
  if (!isBlocked(descriptor)) return "opaque";
  const { strides, blocks } = descriptor.layout;
  const letters = axes[content][strides.length] ?? "abcdefghijkl".slice(0, strides.length);
  const isSplit = (axis: number): boolean => blocks.some((block) => block.axis === axis);
  const outer = strides
    .map((stride, axis) => ({ axis, stride }))
    // Equal strides, which axes of one element cause, keep row-major order.
    .toSorted((a, b) => b.stride - a.stride)
    .map(({ axis }) => letterOf(letters, axis, isSplit(axis)));
  return outer.join("") + blocks.map(({ axis, size }) => `${size}${letterOf(letters, axis, false)}`).join("");
}

/** Whether axis 0 is split into blocks, as only those of weights are. */
export function isBlockedAlongOutputs({ layout }: MemoryDescriptor): boolean {
  return layout.blocks.some(({ axis }) => axis === 0);
}

/** Bytes of the elements a descriptor reaches, padding of blocks included: of a part of a memory, only the part's. */
export function reachedBytes({ layout, bytes, type }: MemoryDescriptor): number {
  return Math.min(bytes, elementCount(layout.paddedShape) * bytesOf(type));
}

function letterOf(letters: string, axis: number, isCapital: boolean): string {
  const letter = letters[axis] ?? "?";
  return isCapital ? letter.toUpperCase() : letter;
}
