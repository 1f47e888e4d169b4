/**
 * The name of a layout, after oneDNN's format tags: axes from the slowest to the fastest, capital where they are split into
 * blocks, then the blocks. Read from the descriptor itself, so that it is the truth about what a step works on.
 */
import { formatKind, memoryOffset } from "../ffi/constants.ts";
import type { MemoryDescriptor } from "../ffi/memory.ts";

/** Letters of the axes: images are batch, channels, pixels; weights are outputs, inputs, kernel. */
const axes = {
  images: ["x", "x", "nc", "ncw", "nchw", "ncdhw"],
  weights: ["x", "x", "oi", "oiw", "oihw", "goihw"],
  "weights of volumes": ["x", "x", "oi", "oiw", "oihw", "oidhw"],
} as const;

/** What a memory holds, which decides what its axes are called. */
export type Content = keyof typeof axes;

/** An axis of a blocked layout, and a block of one. */
interface Axis {
  readonly axis: number;
  readonly stride: bigint;
}
interface Block {
  readonly axis: number;
  readonly size: bigint;
}

/** `nchw`, `nChw16c`, `OIhw16i16o`, …; "opaque" for what only the library can address (Winograd's weights). */
export function layoutName({ struct }: MemoryDescriptor, content: Content): string {
  const view = new DataView(struct.buffer, struct.byteOffset);
  if (view.getInt32(memoryOffset.formatKind, true) !== formatKind.blocked) return "opaque";
  const rank = view.getInt32(memoryOffset.ndims, true);
  const letters = axes[content][rank] ?? "abcdefghijkl".slice(0, rank);
  const blocks = innerBlocks(view);
  const isSplit = (axis: number): boolean => blocks.some((block) => block.axis === axis);
  const outer = Array.from({ length: rank }, (_, axis): Axis => ({ axis, stride: strideOf(view, axis) }))
    // Equal strides, which axes of one element cause, keep row-major order.
    .sort((a, b) => Number(b.stride - a.stride))
    .map(({ axis }) => letterOf(letters, axis, isSplit(axis)));
  return outer.join("") + blocks.map(({ axis, size }) => `${size}${letterOf(letters, axis, false)}`).join("");
}

/** Whether axis 0 is split into blocks, as only those of weights are. */
export function isBlockedAlongOutputs({ struct }: MemoryDescriptor): boolean {
  const view = new DataView(struct.buffer, struct.byteOffset);
  const isBlocked = view.getInt32(memoryOffset.formatKind, true) === formatKind.blocked;
  return isBlocked && innerBlocks(view).some(({ axis }) => axis === 0);
}

/** Bytes of the elements a descriptor reaches, padding of blocks included: of a part of a memory, only the part's. */
export function reachedBytes({ struct, bytes, type }: MemoryDescriptor): number {
  const view = new DataView(struct.buffer, struct.byteOffset);
  const rank = view.getInt32(memoryOffset.ndims, true);
  let elements = 1;
  for (let axis = 0; axis < rank; axis++) {
    elements *= Number(view.getBigInt64(memoryOffset.paddedDims + 8 * axis, true));
  }
  return Math.min(bytes, elements * (type === "bf16" ? 2 : 4));
}

function letterOf(letters: string, axis: number, isCapital: boolean): string {
  const letter = letters[axis] ?? "?";
  return isCapital ? letter.toUpperCase() : letter;
}

function strideOf(view: DataView, axis: number): bigint {
  return view.getBigInt64(memoryOffset.strides + 8 * axis, true);
}

function innerBlocks(view: DataView): Block[] {
  const count = view.getInt32(memoryOffset.innerBlockCount, true);
  return Array.from({ length: count }, (_, index) => ({
    size: view.getBigInt64(memoryOffset.innerBlocks + 8 * index, true),
    axis: Number(view.getBigInt64(memoryOffset.innerAxes + 8 * index, true)),
  }));
}
