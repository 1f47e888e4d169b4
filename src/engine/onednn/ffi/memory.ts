/**
 * Memory descriptors (shape, type and layout of a value) and native memory. Equal descriptors are one object, which
 * lives as long as the process. So they can be compared by identity, and nobody has to free them.
 */
import koffi from "koffi";
import { UserError } from "../../../core/errors.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Handle, Layout, NativeDescriptor, TaggedLayout } from "./abi.ts";
import { create } from "./calls.ts";
import { dataType } from "./constants.ts";
import type { OneDnn } from "./library.ts";

/** Layouts by oneDNN's names. `plain` is row-major of any rank; with `any` the primitive chooses. */
export type LayoutName = "plain" | "nhwc" | "ndhwc" | TaggedLayout;

export type DataType = keyof typeof dataType;

/** Shape, layout and type of a memory; immutable. */
export interface MemoryDescriptor {
  readonly shape: Shape;
  readonly type: DataType;
  /** Bytes of the whole memory, padding included; 0 for the layout "any". */
  readonly bytes: number;
  readonly layout: Layout;
  readonly native: NativeDescriptor;
}

/** Bytes of an element. */
export function bytesOf(type: DataType): number {
  return type === "bf16" ? 2 : 4;
}

/** All descriptors of a library, by the parameters of their request and by their layout. */
class Descriptors {
  readonly byRequest: Map<string, MemoryDescriptor> = new Map();
  /** A key has several descriptors only if the layout is opaque. */
  readonly #byLayout = new Map<string, MemoryDescriptor[]>();
  readonly #library: OneDnn;

  constructor(library: OneDnn) {
    this.#library = library;
  }

  /** Takes over `native`, or frees it and returns an equal descriptor that exists already. */
  of(native: NativeDescriptor): MemoryDescriptor {
    const { abi, calls } = this.#library;
    const layout = abi.layoutOf(native);
    const key = JSON.stringify(layout);
    const alike = this.#byLayout.get(key) ?? [];
    // Only the library can compare opaque layouts.
    const known = alike.find((one) => layout.kind !== "opaque" || calls.memoryEqual(one.native, native) === 1);
    if (known !== undefined) {
      abi.release(native);
      return known;
    }
    const bytes = layout.kind === "any" ? 0 : calls.memorySize(native);
    const made = { shape: layout.shape, type: typeOf(layout), bytes, layout, native };
    this.#byLayout.set(key, [...alike, made]);
    return made;
  }
}

/** Keyed by the library's engine, which is the same for wrapped copies of the library. */
const registries = new Map<Handle, Descriptors>();

function descriptorsOf(library: OneDnn): Descriptors {
  const known = registries.get(library.engine);
  if (known !== undefined) return known;
  const made = new Descriptors(library);
  registries.set(library.engine, made);
  return made;
}

/** Scratchpads and workspaces have the type of bytes; their content is not used here. */
function typeOf(layout: Layout): DataType {
  return (Object.keys(dataType) as DataType[]).find((name) => dataType[name] === layout.dataType) ?? "f32";
}

/** For each layout of images in blocks: that of volumes. */
const ofVolumes: Partial<Readonly<Record<LayoutName, TaggedLayout>>> = { nChw8c: "nCdhw8c", nChw16c: "nCdhw16c" };
const VOLUME_RANK = 5;

/**
 * A descriptor of `shape` in `layout`; a scalar is a vector of one. For volumes, a layout of images stands for the same
 * one with a depth.
 */
export function describeMemory(
  library: OneDnn,
  shape: Shape,
  layout: LayoutName,
  type: DataType = "f32",
): MemoryDescriptor {
  const { byRequest } = descriptorsOf(library);
  const key = `${type} ${layout} ${shape}`;
  const known = byRequest.get(key);
  if (known !== undefined) return known;
  const extents = shape.length === 0 ? [1] : shape;
  const native =
    layout === "plain" || layout === "nhwc" || layout === "ndhwc"
      ? library.abi.strided(extents, dataType[type], stridesOf(extents, layout))
      : library.abi.tagged(extents, dataType[type], (extents.length === VOLUME_RANK && ofVolumes[layout]) || layout);
  const made = { ...descriptorsOf(library).of(native), shape };
  byRequest.set(key, made);
  return made;
}

/** Strides of memory without gaps: row-major if it is plain, else with the channels innermost. */
function stridesOf(shape: Shape, layout: "plain" | "nhwc" | "ndhwc"): readonly number[] {
  const axes = shape.map((_, axis) => axis);
  const order = layout === "plain" ? axes : [0, ...axes.slice(2), 1];
  const strides = shape.map(() => 1);
  let next = 1;
  for (const axis of order.toReversed()) {
    strides[axis] = next;
    next *= shape[axis] ?? 1;
  }
  return strides;
}

/** A descriptor equal to one that the library owns (the answer of a query). */
export function copyDescriptor(library: OneDnn, address: Handle): MemoryDescriptor {
  return descriptorsOf(library).of(library.abi.copied(address));
}

export function sameLayout({ calls }: OneDnn, a: MemoryDescriptor, b: MemoryDescriptor): boolean {
  return a.native === b.native || calls.memoryEqual(a.native, b.native) === 1;
}

/**
 * Whether every element has the same address in both layouts. For example, 16 channels in blocks of 16 have the same
 * addresses as channels-last. The library has different implementations for the two.
 */
export function samePlaces(library: OneDnn, a: MemoryDescriptor, b: MemoryDescriptor): boolean {
  if (sameLayout(library, a, b)) return true;
  if (a.bytes !== b.bytes || !isBlocked(a) || !isBlocked(b)) return false;
  return placesOf(a) === placesOf(b);
}

const places = new WeakMap<Layout, string>();

/** The strides and blocks of a layout as text. A single block that contains its whole axis counts as a stride. */
function placesOf({ layout }: MemoryDescriptor): string {
  const known = places.get(layout);
  if (known !== undefined) return known;
  const { shape, strides, blocks, paddedShape } = layout;
  const [block] = blocks;
  const isSingle = blocks.length === 1 && block !== undefined && block.size === shape[block.axis];
  const own = isSingle ? { ...layout, strides: strides.with(block.axis, 1), blocks: [] } : layout;
  // The stride of an axis with one element has no effect.
  const effective = own.strides.map((stride, axis) => (paddedShape[axis] === 1 ? 0 : stride));
  const text = JSON.stringify({ ...own, strides: effective });
  places.set(layout, text);
  return text;
}

/** The same memory with a shape that differs only in axes of extent 1. */
export function reshaped(library: OneDnn, descriptor: MemoryDescriptor, shape: Shape): MemoryDescriptor {
  return descriptorsOf(library).of(library.abi.reshaped(descriptor.native, shape));
}

/** Whether the layout has strides (false for opaque layouts, such as Winograd's). */
export function isBlocked({ layout }: MemoryDescriptor): boolean {
  return layout.kind === "strided";
}

/** Whether the memory of a descriptor has gaps: elements that do not belong to it. */
export function hasGaps({ layout }: MemoryDescriptor): boolean {
  const { paddedShape, strides, blocks } = layout;
  const inner = blocks.reduce((product, { size }) => product * size, 1);
  const outer = paddedShape.map((extent, axis) =>
    blocks.reduce((left, block) => (block.axis === axis ? left / block.size : left), extent),
  );
  const last = outer.reduce((sum, extent, axis) => sum + (extent - 1) * (strides[axis] ?? 0), inner);
  return last > elementCount(paddedShape);
}

/** A part of a memory: a descriptor, and its offset in bytes. */
export interface Part {
  readonly descriptor: MemoryDescriptor;
  readonly offset: number;
}

/**
 * The part of `parent` that starts at `offsets` and has every `steps`-th element of each axis. Undefined if the
 * parent's layout has no such part: an offset inside a block of channels, or steps over blocked channels.
 */
export function describePart(
  library: OneDnn,
  parent: MemoryDescriptor,
  shape: Shape,
  offsets: readonly number[],
  steps: readonly number[],
): Part | undefined {
  const { layout, type, bytes } = parent;
  if (layout.blocks.length === 0) {
    const strides = layout.strides.map((stride, axis) => stride * (steps[axis] ?? 1));
    const start = layout.strides.reduce((sum, stride, axis) => sum + stride * (offsets[axis] ?? 0), 0);
    return { descriptor: describeStrided(library, parent, shape, strides), offset: start * bytesOf(type) };
  }
  if (steps.some((step) => step !== 1)) return undefined;
  const native = library.abi.part(parent.native, shape, offsets);
  // The descriptor contains the start of the part.
  return native === undefined ? undefined : { descriptor: { ...descriptorsOf(library).of(native), bytes }, offset: 0 };
}

/** A strided part of `parent`'s memory that starts at its first element. Strides are in elements. */
export function describeStrided(
  library: OneDnn,
  { type, bytes }: MemoryDescriptor,
  shape: Shape,
  strides: readonly number[],
): MemoryDescriptor {
  const native = library.abi.strided(shape, dataType[type], strides);
  return { ...descriptorsOf(library).of(native), bytes };
}

/** Native memory, aligned to a page. It is outside of JavaScript's heap, so its address never changes. */
export class NativeMemory {
  readonly bytes: number;
  readonly #library: OneDnn;
  #address: Handle | undefined;
  /** Views by their first byte and length. Most memories have none or one. */
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
    this.clear();
  }

  /** Sets every byte to zero. */
  clear(): void {
    this.#library.calls.fill(this.address, 0, this.bytes);
  }

  get address(): Handle {
    if (this.#address === undefined) {
      throw new UserError("use-after-dispose", "this memory was freed", {
        hint: "Use the plan before it is disposed of",
      });
    }
    return this.#address;
  }

  /** A view of the numbers at byte `offset`. */
  floats(offset: number, length: number): Float32Array {
    const { buffer, start } = this.#viewOf(offset, length * Float32Array.BYTES_PER_ELEMENT);
    return new Float32Array(buffer, start, length);
  }

  integers(offset: number, length: number): Int32Array {
    const { buffer, start } = this.#viewOf(offset, length * Int32Array.BYTES_PER_ELEMENT);
    return new Int32Array(buffer, start, length);
  }

  /** A view of the whole memory; if JavaScript does not allow that size, a view of the part. */
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
/** Bytes of the largest array in Node 20. With larger ones, koffi ends the process. */
const LARGEST_BUFFER = 2 ** 32;

/** Creates a memory object of the library at `address`. */
export function createMemory({ calls, engine }: OneDnn, { native }: MemoryDescriptor, address: Handle): Handle {
  return create("create a memory", (out) => calls.memoryCreate(out, native, engine, address));
}
