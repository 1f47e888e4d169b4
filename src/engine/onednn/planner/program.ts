/**
 * A program under construction: the memory of each value, its layouts, and the steps that compute it. To lower a node,
 * a kernel requests the views that it reads (a reorder is added if the layout differs), defines the views that it
 * writes, and emits steps. `arena.ts` assigns addresses when the program is complete.
 */
import { InternalError, required } from "../../../core/errors.ts";
import { type Shape, sameShape } from "../../../core/tensor.ts";
import type { Graph, Node } from "../../../graph/graph.ts";
import type { PassedOver, Precision } from "../../engine.ts";
import { argument, argumentName } from "../ffi/constants.ts";
import type { OneDnn } from "../ffi/library.ts";
import {
  type DataType,
  describeMemory,
  isBlocked,
  type MemoryDescriptor,
  sameLayout,
  samePlaces,
} from "../ffi/memory.ts";
import { type PrimitiveDescriptor, reorderDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import type { Fusions } from "./fusion.ts";
import type { Inside, Placement, Slot, Step, View } from "./steps.ts";
import type { Tuner } from "./tuning.ts";
import { hasVolumes, isImageShape } from "./volumes.ts";

/** Layouts of images between steps: channels in blocks of a vector, or last. */
export type ImageLayout = "nChw8c" | "nChw16c" | "nhwc";

const channelBlocks = { nhwc: 1, nChw8c: 8, nChw16c: 16 } as const satisfies Record<ImageLayout, number>;

export interface PrimitiveOptions {
  readonly macs?: number;
  /** Name of a fused op, which is shown after the implementation. */
  readonly fused?: string;
  /** [input, output] of element-wise steps: the output may overwrite the input. */
  readonly inPlace?: readonly [from: View, to: View];
}

export interface Fallback {
  readonly node: string;
  readonly op: string;
  readonly reason: string;
}

/** Argument indices that a primitive writes to. */
const written: ReadonlySet<number> = new Set([
  argument.dst,
  argument.workspace,
  argument.diffSrc,
  argument.diffWeights,
  argument.diffBias,
  argument.diffScale,
  argument.diffShift,
]);

export interface ProgramParts {
  readonly library: OneDnn;
  readonly graph: Graph;
  readonly shapes: ReadonlyMap<string, Shape>;
  /** The values that are images: [batch, channels, rows, columns], or volumes. */
  readonly images: ReadonlySet<string>;
  readonly precision: Precision;
  readonly fusions: Fusions;
  readonly tuner: Tuner;
  /** The layout in which each node reads and writes images. */
  readonly layoutOf: (node: Node) => ImageLayout;
}

export class Program {
  readonly library: OneDnn;
  readonly graph: Graph;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly precision: Precision;
  readonly fusions: Fusions;
  readonly tuner: Tuner;
  readonly steps: Step[] = [];
  /** Parameters and inputs: name → their home. */
  readonly homes: Map<string, View> = new Map();
  /** Bytes of the largest scratchpad of a step. */
  scratchpadBytes = 0;
  readonly #views = new Map<string, readonly View[]>();
  readonly #primitives = new Set<PrimitiveDescriptor>();
  /** What a forward step passes to its backward step, by the name of a value that both use. */
  readonly forwardOf: Map<string, { primitive: PrimitiveDescriptor; workspace: View | undefined }> = new Map();
  /** Slots that are parts of others: gradients that are summed over ranks together are contiguous. */
  readonly inside: Map<Slot, Inside> = new Map();
  /** Nodes that the library refused and that run on the host. */
  readonly fallenBack: Fallback[] = [];
  /** Number of steps at the last mark, and how to undo the definitions since. */
  #marked = 0;
  readonly #undo: (() => void)[] = [];
  readonly #constants = new Map<string, View>();
  readonly #workspaces = new Map<string, readonly View[]>();
  readonly #passedOver = new Map<string, PassedOver[]>();
  readonly #types: ReadonlyMap<string, DataType>;
  readonly #images: ReadonlySet<string>;
  readonly #layoutOf: (node: Node) => ImageLayout;
  #layout: ImageLayout;
  readonly #parameters: ReadonlySet<string>;
  readonly #hasVolumes: boolean;

  constructor({ library, graph, shapes, images, precision, fusions, tuner, layoutOf }: ProgramParts) {
    this.#images = images;
    this.library = library;
    this.precision = precision;
    this.graph = graph;
    this.#hasVolumes = hasVolumes(graph, shapes);
    this.shapes = shapes;
    this.fusions = fusions;
    this.tuner = tuner;
    this.#layoutOf = layoutOf;
    this.#layout = tuner.blockedLayout;
    this.#types = new Map(graph.inputs.map(({ name, dtype }) => [name, dtype]));
    this.#parameters = new Set(graph.parameters.map(({ name }) => name));
    for (const { name } of graph.inputs) this.homes.set(name, this.define(name, this.plain(name), true));
  }

  shape(value: string): Shape {
    return required(this.shapes.get(value), `shape of "${value}"`);
  }

  /** Row-major f32 (labels: i32) descriptor of a value's shape, for the host and for small vectors. */
  plain(value: string): MemoryDescriptor {
    return describeMemory(this.library, this.shape(value), "plain", this.#types.get(value) ?? "f32");
  }

  /** The layout of images in the node that is being lowered. */
  get layout(): ImageLayout {
    return this.#layout;
  }

  /** Runs `work`, which lowers `node`, in the layout of that node. */
  within<T>(node: Node, work: () => T): T {
    const before = this.#layout;
    this.#layout = this.#layoutOf(node);
    try {
      return work();
    } finally {
      this.#layout = before;
    }
  }

  /** Whether a value of `shape` has a layout of images: an image, or a volume in a network of volumes. */
  isImage(shape: Shape): boolean {
    return isImageShape(shape, this.#hasVolumes);
  }

  /** Descriptor of `value` for that node: images have its layout and the plan's precision, other values are plain. */
  preferred(shape: Shape): MemoryDescriptor {
    return this.isImage(shape)
      ? describeMemory(this.library, shape, this.#layout, this.precision)
      : describeMemory(this.library, shape, "plain");
  }

  /** The view of `value` for the node that is being lowered. Values that are not images stay in their first layout. */
  image(value: string): View {
    return this.#images.has(value) ? this.use(value, this.preferred(this.shape(value))) : this.view(value);
  }

  /** Channels in a block of the node's layout; 1 for channels-last. */
  get channelBlock(): 1 | 8 | 16 {
    return channelBlocks[this.#layout];
  }

  allocate(descriptor: MemoryDescriptor, persistent = false): View {
    return { slot: { bytes: descriptor.bytes, persistent }, descriptor };
  }

  /** Whether the memory of `view` is used only within one run, so that it may be part of another slot. */
  mayMove({ slot, offset = 0 }: View): boolean {
    return !slot.persistent && offset === 0 && !this.inside.has(slot);
  }

  /** Places `slot` at `offset` bytes of `whole`. */
  placeInside(slot: Slot, whole: Slot, offset: number): void {
    this.inside.set(slot, { whole, offset });
    this.#undo.push(() => this.inside.delete(slot));
  }

  /** A single number, by default with the shape for broadcasting over images. */
  constant(value: number, shape: Shape = [1, 1, 1, 1]): View {
    const key = `${value} ${shape}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const descriptor = describeMemory(this.library, shape, "plain");
    const slot: Slot = { bytes: descriptor.bytes, persistent: true, content: Float32Array.of(value) };
    const view = { slot, descriptor };
    this.#constants.set(key, view);
    return view;
  }

  /** Memory that is zero at first and shared by steps of the same `purpose`. Each step leaves the same zeros. */
  workspace(purpose: string, descriptor: MemoryDescriptor): View {
    const known = this.#workspaces.get(purpose) ?? [];
    const found = known.find((view) => view.descriptor === descriptor) ?? this.allocate(descriptor, true);
    if (!known.includes(found)) this.#workspaces.set(purpose, [...known, found]);
    return found;
  }

  /** Defines the first view of a value. */
  define(value: string, descriptor: MemoryDescriptor, persistent = false): View {
    const view = this.allocate(descriptor, persistent);
    this.alias(value, view);
    return view;
  }

  /** Adds `view` as another view of a value. */
  alias(value: string, view: View): void {
    const before = this.#views.get(value);
    this.#views.set(value, [...(before ?? []), view]);
    this.#undo.push(() => {
      if (before === undefined) this.#views.delete(value);
      else this.#views.set(value, before);
    });
  }

  /** The first view of a value. */
  view(value: string): View {
    return this.known(value) ?? this.home(value);
  }

  /** Likewise, but undefined if no step has computed the value yet. */
  known(value: string): View | undefined {
    return this.#views.get(value)?.[0];
  }

  /** Whether a value is available: an input, a parameter, or a value that was defined. */
  isGiven(value: string): boolean {
    return this.#views.has(value) || this.#parameters.has(value);
  }

  /** All views of a value so far, in the order of their definition. */
  layouts(value: string): readonly MemoryDescriptor[] {
    return (this.#views.get(value) ?? []).map(({ descriptor }) => descriptor);
  }

  /** The value in layout `descriptor`. If there is no such view yet, a reorder is added. */
  use(value: string, descriptor: MemoryDescriptor): View {
    const views = this.#views.get(value) ?? [this.home(value, descriptor)];
    const found = views.find((view) => sameLayout(this.library, view.descriptor, descriptor));
    if (found !== undefined) return found;
    const elsewhere = views.find((view) => samePlaces(this.library, view.descriptor, descriptor));
    if (elsewhere !== undefined) return { ...elsewhere, descriptor };
    const source = this.#withRank(value, required(views[0], `memory of "${value}"`), descriptor.shape);
    if (samePlaces(this.library, source.descriptor, descriptor)) return { ...source, descriptor };
    // Parameters are read by all threads. A copy written over another one that all have just read waits for each line
    // of
    // memory to leave the other threads' caches, which takes six times as long: each copy has memory of its own.
    const target = this.allocate(descriptor, this.#parameters.has(value));
    this.reorder(value, source, target);
    this.alias(value, target);
    return target;
  }

  /** A view of the same numbers with another shape (grouped weights have five axes in oneDNN, four in the graph). */
  #withRank(value: string, view: View, shape: Shape): View {
    if (sameShape(view.descriptor.shape, shape)) return view;
    const { slot } = this.use(value, describeMemory(this.library, view.descriptor.shape, "plain"));
    const reshaped = { slot, descriptor: describeMemory(this.library, shape, "plain") };
    this.alias(value, reshaped);
    return reshaped;
  }

  /** The view of a parameter. The first step that uses it decides its layout. */
  home(parameter: string, suggestion: MemoryDescriptor = this.plain(parameter)): View {
    const known = this.homes.get(parameter);
    if (known !== undefined) return known;
    if (!this.#parameters.has(parameter)) throw new InternalError(`"${parameter}" is read before it is defined`);
    const isUsable = isBlocked(suggestion) && suggestion.type === "f32";
    const descriptor = isUsable ? suggestion : describeMemory(this.library, suggestion.shape, "plain");
    const view = this.define(parameter, descriptor, true);
    this.homes.set(parameter, view);
    this.#undo.push(() => this.homes.delete(parameter));
    return view;
  }

  /**
   * Emits a copy from one view to another of any layout, through a third layout if the library has no direct reorder.
   * Throws a `Refusal` if it has none at all.
   */
  reorder(what: string, from: View, to: View): void {
    const primitive = reorderDescriptor(this.library, from.descriptor, to.descriptor);
    if (primitive === undefined) {
      const plain = describeMemory(this.library, from.descriptor.shape, "plain", from.descriptor.type);
      if (from.descriptor === plain || to.descriptor === plain) throw new Refusal(`reorder "${what}"`, "unimplemented");
      const between = this.allocate(plain);
      this.reorder(what, from, between);
      this.reorder(what, between, to);
      return;
    }
    this.emitPrimitive({ name: what, op: "reorder" }, primitive, [
      [argument.src, from],
      [argument.dst, to],
    ]);
  }

  emitPrimitive(
    node: { readonly name: string; readonly op: string },
    primitive: PrimitiveDescriptor,
    bound: readonly (readonly [index: number, view: View])[],
    { macs = 0, fused, inPlace }: PrimitiveOptions = {},
  ): void {
    this.own(primitive);
    this.scratchpadBytes = Math.max(this.scratchpadBytes, primitive.memory("scratchpad").bytes);
    this.steps.push({
      kind: "primitive",
      node: node.name,
      op: node.op,
      implementation: primitive.implementation + (fused === undefined ? "" : ` + ${fused}`),
      macs,
      primitive,
      arguments: bound,
      reads: bound.filter(([index]) => !written.has(index)).map(([, { slot }]) => slot),
      writes: bound.filter(([index]) => written.has(index)).map(([, { slot }]) => slot),
      ...(inPlace === undefined ? {} : { inPlace: [inPlace[0].slot, inPlace[1].slot] as const }),
      operands: bound.map(([index, { descriptor }]) => ({
        role: this.#roleOf(index),
        access: written.has(index) ? "write" : "read",
        descriptor,
      })),
    });
  }

  /** oneDNN's name of an argument. */
  #roleOf(index: number): string {
    const { abi } = this.library;
    const operand = Math.floor(index / abi.firstPostOpOperand);
    if (operand > 0) return `post_op_${operand - 1}`;
    const scaled = [argument.src, argument.src1].find((source) => abi.scaleArgument(source) === index);
    return scaled === undefined ? argumentName(index) : `${argumentName(scaled)}_scale`;
  }

  emitHost(
    node: Node,
    implementation: string,
    reads: readonly View[],
    writes: readonly View[],
    bind: (placement: Placement) => () => void,
  ): void {
    this.steps.push({
      kind: "host",
      node: node.name,
      op: node.op,
      implementation,
      macs: 0,
      reads: reads.map(({ slot }) => slot),
      writes: writes.map(({ slot }) => slot),
      operands: [
        ...reads.map(({ descriptor }) => ({ role: "src", access: "read", descriptor }) as const),
        ...writes.map(({ descriptor }) => ({ role: "dst", access: "write", descriptor }) as const),
      ],
      bind,
    });
  }

  /** Records an implementation that was not used for `node`, with the reason. */
  passOver(node: string, passedOver: PassedOver): void {
    this.#passedOver.set(node, [...(this.#passedOver.get(node) ?? []), passedOver]);
  }

  /** The implementations that were not used for the steps of `node`. */
  passedOver(node: string): readonly PassedOver[] {
    return this.#passedOver.get(node) ?? [];
  }

  /** Marks the present state, to which `takeBack` returns. */
  mark(): void {
    this.#marked = this.steps.length;
    this.#undo.length = 0;
  }

  /** Removes everything that was emitted and defined since `mark`. Primitives are destroyed later with the others. */
  takeBack(): void {
    this.steps.length = this.#marked;
    for (const undo of this.#undo.splice(0).toReversed()) undo();
  }

  /** Owns a primitive descriptor, such as a hint for a backward step, until the plan is disposed. */
  own(primitive: PrimitiveDescriptor): void {
    this.#primitives.add(primitive);
  }

  /** Takes over the descriptors that `other` owns. */
  takeOver(other: Program): void {
    for (const primitive of other.#primitives) this.#primitives.add(primitive);
    other.#primitives.clear();
  }

  owns(primitive: PrimitiveDescriptor): boolean {
    return this.#primitives.has(primitive);
  }

  destroyPrimitives(): void {
    for (const primitive of this.#primitives) primitive.destroy();
    this.#primitives.clear();
  }
}
