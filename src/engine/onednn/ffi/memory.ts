/** Memory descriptors (shape and layout of a value) and native memory. */
import koffi from "koffi";
import { UserError } from "../../../core/errors.ts";
import type { Shape } from "../../../core/tensor.ts";
import { dataType, descriptorSize, formatKind, formatTag, memoryOffset } from "./constants.ts";
import { check, create, type Handle, type OneDnn } from "./library.ts";

/** Layouts by oneDNN's names; `plain` is row-major of any rank, `any` lets a primitive choose. */
export type LayoutName = "plain" | "any" | "nhwc" | "nChw8c" | "nChw16c" | "ndhwc" | "nCdhw8c" | "nCdhw16c";

const plainTags = [formatTag.a, formatTag.a, formatTag.ab, 0, formatTag.abcd, formatTag.abcde] as const;

function tagOf(layout: LayoutName, rank: number): number {
  return layout === "plain" ? (plainTags[rank] ?? 0) : formatTag[layout];
}

export type DataType = keyof typeof dataType;

/** Shape, layout and type of a memory; immutable. */
export interface MemoryDescriptor {
  readonly shape: Shape;
  readonly type: DataType;
  readonly bytes: number;
  /** The library's struct. */
  readonly struct: Uint8Array;
}

export function dimensions(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, BigInt);
}

/** A descriptor of `shape` in `layout`; a scalar is a vector of one. */
export function describeMemory(
  { calls }: OneDnn,
  shape: Shape,
  layout: LayoutName,
  type: DataType = "f32",
): MemoryDescriptor {
  const extents = shape.length === 0 ? [1] : shape;
  const struct = new Uint8Array(descriptorSize.memory);
  check(
    calls.memoryInitByTag(struct, extents.length, dimensions(extents), dataType[type], tagOf(layout, extents.length)),
    `describe a ${layout} memory of [${shape}]`,
  );
  return { shape, type, struct, bytes: layout === "any" ? 0 : calls.memorySize(struct) };
}

/** Takes over a descriptor that the library owns (the answer of a query). */
export function copyDescriptor({ calls }: OneDnn, address: Handle): MemoryDescriptor {
  const struct = new Uint8Array(descriptorSize.memory);
  calls.copy(struct, address, struct.length);
  const view = new DataView(struct.buffer);
  const rank = view.getInt32(memoryOffset.ndims, true);
  const shape = Array.from({ length: rank }, (_, axis) => Number(view.getBigInt64(memoryOffset.dims + 8 * axis, true)));
  return { shape, type: typeOf(view), struct, bytes: calls.memorySize(struct) };
}

/** Type of a struct of the library's; those of scratchpads and workspaces are bytes, which nobody here looks into. */
function typeOf(view: DataView): DataType {
  const code = view.getInt32(memoryOffset.dataType, true);
  return (Object.keys(dataType) as DataType[]).find((name) => dataType[name] === code) ?? "f32";
}

export function sameLayout({ calls }: OneDnn, a: MemoryDescriptor, b: MemoryDescriptor): boolean {
  return a === b || calls.memoryEqual(a.struct, b.struct) === 1;
}

/**
 * Whether every element sits at the same place in both: the same layout, or two names of one. Sixteen channels in blocks
 * of sixteen lie in memory as channels-last does, yet the library has other implementations for each name.
 */
export function samePlaces(library: OneDnn, a: MemoryDescriptor, b: MemoryDescriptor): boolean {
  if (sameLayout(library, a, b)) return true;
  return a.bytes === b.bytes && sameLayout(library, withoutSingleBlock(a), withoutSingleBlock(b));
}

/** A layout whose one block holds the whole of its axis, written as strides. */
function withoutSingleBlock(descriptor: MemoryDescriptor): MemoryDescriptor {
  if (!isBlocked(descriptor)) return descriptor;
  const struct = descriptor.struct.slice();
  const view = new DataView(struct.buffer);
  const axis = Number(view.getBigInt64(memoryOffset.innerAxes, true));
  const isSingle =
    view.getInt32(memoryOffset.innerBlockCount, true) === 1 &&
    view.getBigInt64(memoryOffset.innerBlocks, true) === BigInt(descriptor.shape[axis] ?? 0);
  if (!isSingle) return descriptor;
  view.setInt32(memoryOffset.innerBlockCount, 0, true);
  view.setBigInt64(memoryOffset.innerBlocks, 0n, true);
  view.setBigInt64(memoryOffset.innerAxes, 0n, true);
  view.setBigInt64(memoryOffset.strides + 8 * axis, 1n, true);
  return { ...descriptor, struct };
}

/** The same memory under a shape that differs in axes of one element. */
export function reshaped({ calls }: OneDnn, descriptor: MemoryDescriptor, shape: Shape): MemoryDescriptor {
  const struct = new Uint8Array(descriptorSize.memory);
  check(
    calls.memoryReshape(struct, descriptor.struct, shape.length, dimensions(shape)),
    `see [${descriptor.shape}] as [${shape}]`,
  );
  return { ...descriptor, shape, struct };
}

/** Whether elements sit at strides that can be addressed (not an opaque Winograd layout). */
export function isBlocked({ struct }: MemoryDescriptor): boolean {
  return new DataView(struct.buffer, struct.byteOffset).getInt32(memoryOffset.formatKind, true) === formatKind.blocked;
}

/**
 * The part of `parent` at `offsets`, every `steps`-th element of each axis, as a descriptor over the parent's memory;
 * undefined where the parent's layout has no such part (an offset inside a block of channels).
 */
export function describePart(
  { calls }: OneDnn,
  parent: MemoryDescriptor,
  shape: Shape,
  offsets: readonly number[],
  steps: readonly number[],
): MemoryDescriptor | undefined {
  // The library's part has unit steps; its extent must span all that the steps reach.
  const span = shape.map((extent, axis) => (extent - 1) * (steps[axis] ?? 1) + 1);
  const struct = new Uint8Array(descriptorSize.memory);
  if (calls.memoryInitSubmemory(struct, parent.struct, dimensions(span), dimensions(offsets)) !== 0) return undefined;
  const view = new DataView(struct.buffer);
  for (const [axis, step] of steps.entries()) {
    if (step === 1) continue;
    const extentAt = 8 * axis;
    view.setBigInt64(memoryOffset.dims + extentAt, BigInt(shape[axis] ?? 0), true);
    view.setBigInt64(memoryOffset.paddedDims + extentAt, BigInt(shape[axis] ?? 0), true);
    const stride = view.getBigInt64(memoryOffset.strides + extentAt, true);
    view.setBigInt64(memoryOffset.strides + extentAt, stride * BigInt(step), true);
  }
  return { shape, type: parent.type, struct, bytes: parent.bytes };
}

/** Any strided part of `parent`'s memory: strides and the offset of the first element, in elements. */
export function describeStrided(
  { calls }: OneDnn,
  { type, bytes }: MemoryDescriptor,
  shape: Shape,
  strides: readonly number[],
  offset: number,
): MemoryDescriptor {
  const struct = new Uint8Array(descriptorSize.memory);
  check(
    calls.memoryInitByStrides(struct, shape.length, dimensions(shape), dataType[type], dimensions(strides)),
    `describe a part of [${shape}]`,
  );
  new DataView(struct.buffer).setBigInt64(memoryOffset.offset0, BigInt(offset), true);
  return { shape, type, struct, bytes };
}

/** Native memory, aligned to a page: outside JavaScript's heap, so its address never moves. */
export class NativeMemory {
  readonly bytes: number;
  readonly #library: OneDnn;
  #address: Handle | undefined;
  /** Views by their first byte and length; of most memories none or one is ever asked for. */
  readonly #views = new Map<string, ArrayBuffer>();

  constructor(library: OneDnn, bytes: number) {
    this.#library = library;
    this.bytes = Math.max(PAGE, Math.ceil(bytes / PAGE) * PAGE);
    const address = library.calls.alignedAllocate(PAGE, this.bytes);
    if (address === null) {
      throw new UserError("out-of-memory", `could not allocate ${Math.ceil(this.bytes / 2 ** 20)} MiB`, {
        hint: "Use a smaller batch",
      });
    }
    this.#address = address;
    library.calls.fill(address, 0, this.bytes);
  }

  get address(): Handle {
    if (this.#address === undefined) throw new UserError("use-after-dispose", "this memory was freed");
    return this.#address;
  }

  /** The numbers at byte `offset`, not a copy. */
  floats(offset: number, length: number): Float32Array {
    const { buffer, start } = this.#viewOf(offset, length * Float32Array.BYTES_PER_ELEMENT);
    return new Float32Array(buffer, start, length);
  }

  integers(offset: number, length: number): Int32Array {
    const { buffer, start } = this.#viewOf(offset, length * Int32Array.BYTES_PER_ELEMENT);
    return new Int32Array(buffer, start, length);
  }

  /** One view of the whole memory, or, where that would be larger than JavaScript allows, one of the part. */
  #viewOf(offset: number, bytes: number): { readonly buffer: ArrayBuffer; readonly start: number } {
    const isWhole = this.bytes <= LARGEST_BUFFER;
    const [first, length] = isWhole ? [0, this.bytes] : [offset, bytes];
    const key = `${first} ${length}`;
    const buffer = this.#views.get(key) ?? koffi.view(this.address + BigInt(first), length);
    this.#views.set(key, buffer);
    return { buffer, start: offset - first };
  }

  free(): void {
    if (this.#address === undefined) return;
    this.#library.calls.free(this.#address);
    this.#address = undefined;
    this.#views.clear();
  }
}

const PAGE = 4096;
/** Bytes of the largest array of Node 20; beyond it, koffi ends the process. */
const LARGEST_BUFFER = 2 ** 32;

/** A memory object of the library over `address`. */
export function createMemory({ calls, engine }: OneDnn, descriptor: MemoryDescriptor, address: Handle): Handle {
  return create("create a memory", (out) => calls.memoryCreate(out, descriptor.struct, engine, address));
}
