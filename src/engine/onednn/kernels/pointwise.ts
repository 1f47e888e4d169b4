/** Lowers ReLU and clip, addition and multiplication, and the scaling and shifting of channels. */

import { sameShape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { hasPixels } from "../../../graph/windows.ts";
import { argument } from "../ffi/constants.ts";
import {
  type Activation,
  activationBackward,
  activationForward,
  type BinaryKind,
} from "../ffi/elementwise-operations.ts";
import { faultsOf } from "../ffi/faults.ts";
import { describeMemory, type MemoryDescriptor, sameLayout, samePlaces } from "../ffi/memory.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { emitElementwise } from "./elementwise.ts";
import { lowerToHost } from "./host.ts";

/** Bounds are rounded to the images' type, because the gradient compares outputs with them to find clipped values. */
function activationOf(
  { op, attributes }: Node<"relu" | "relu_backward"> | Node<"clip" | "clip_backward">,
  { type }: MemoryDescriptor,
): Activation {
  if (op === "relu" || op === "relu_backward") return "ReLU";
  const round = type === "bf16" ? toBfloat16 : Math.fround;
  return { minimum: round(attributes.minimum), maximum: round(attributes.maximum) };
}

/** Rounds to the nearest bf16 number. */
function toBfloat16(value: number): number {
  const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
  const rounded = Number.isFinite(value) ? bits + 0x7fff + ((bits >>> 16) & 1) : bits;
  return new Float32Array(Uint32Array.of(rounded & 0xffff0000).buffer)[0] ?? value;
}

export function lowerActivation(node: Node<"relu"> | Node<"clip">, program: Program): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const data = program.image(src);
  const operation = activationForward(program.library, activationOf(node, data.descriptor), data.descriptor);
  const primitive = firstImplementation(program.library, operation);
  const result = program.define(dst, data.descriptor);
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, data],
      [argument.dst, result],
    ],
    { inPlace: [data, result] },
  );
}

export function lowerActivationBackward(node: Node<"relu_backward"> | Node<"clip_backward">, program: Program): void {
  const { library } = program;
  const [dst = "", diffDst = ""] = node.inputs;
  const [diffSrc = ""] = node.outputs;
  const data = program.image(dst);
  const activation = activationOf(node, data.descriptor);
  const hint = firstImplementation(library, activationForward(library, activation, data.descriptor));
  program.own(hint);
  const operation = activationBackward(library, activation, data.descriptor, data.descriptor);
  const primitive = firstImplementation(library, operation, hint);
  const incoming = program.use(diffDst, data.descriptor);
  const outgoing = program.define(diffSrc, data.descriptor);
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.dst, data],
      [argument.diffDst, incoming],
      [argument.diffSrc, outgoing],
    ],
    { inPlace: [incoming, outgoing] },
  );
}

export function lowerAdd(node: Node<"add">, program: Program): void {
  const [a = "", b = ""] = node.inputs;
  const data = program.image(a);
  const other = program.use(b, data.descriptor);
  const mask = program.fusions.reluBackwardAfter.get(node);
  if (mask === undefined) emitBinary(node, program, "add", data, other);
  else emitMaskedSum(node, program, data, other, mask);
}

/** Makes any gradient smaller than any positive activation. It is a power of two, so nothing is rounded. */
const TINY = 2 ** -64;

/**
 * s = a + b where the ReLU's output y is positive, and 0 where y is zero. oneDNN has no primitive for selection. But
 * t = s·2⁻⁶⁴ is smaller than any positive y. So min(t, y) is t if y is positive, and min(t, 0) if y is zero. The same
 * from below gives −min(−min(t, y), y) = t or 0. (The first −1 is a broadcast number, because oneDNN 2.6.3 applies one
 * of two scaling post-ops twice.)
 */
function emitMaskedSum(node: Node<"add">, program: Program, a: View, b: View, mask: Node): void {
  const positive = program.use(mask.inputs[0] ?? "", a.descriptor);
  const dst = program.define(mask.outputs[0] ?? "", a.descriptor);
  emitElementwise(
    node,
    program,
    {
      kind: "add",
      sources: [a, b],
      factors: [TINY, TINY],
      afterwards: [
        { kind: "minimum", operand: positive },
        { kind: "multiply", operand: program.constant(-1) },
        { kind: "minimum", operand: positive },
        { kind: "scale", factor: -1 / TINY },
      ],
      dst,
    },
    { fused: "ReLU's mask" },
  );
}

/**
 * A vector over the channels that is broadcast over images and pixels, in the images' type and layout. With a plain
 * vector on a blocked image, oneDNN would use its reference kernel, which is a hundred times slower.
 */
function perChannel(program: Program, value: string, data: MemoryDescriptor): View {
  const { library, layout } = program;
  const { shape, type } = data;
  const { slot } = program.use(value, program.plain(value));
  const channels = program.shape(value)[0] ?? 0;
  const extents = shape.map((_, axis) => (axis === 1 ? channels : 1));
  const vector = { slot, descriptor: describeMemory(library, extents, "plain") };
  const isImage = program.isImage(shape) && channels > 1;
  const wanted = describeMemory(library, extents, isImage ? layout : "plain", type);
  if (samePlaces(library, vector.descriptor, wanted)) return { slot, descriptor: wanted };
  const converted = program.allocate(wanted);
  program.reorder(value, vector, converted);
  return converted;
}

export function lowerBias(node: Node<"bias">, program: Program): void {
  const [src = "", bias = ""] = node.inputs;
  const data = program.image(src);
  emitBinary(node, program, "add", data, perChannel(program, bias, data.descriptor));
}

/**
 * Lowers scaling by factors. One factor for each channel, or one for all, is broadcast. One factor for each group, a
 * part of the factors, or a scaled parameter runs on the host.
 */
export function lowerScale(node: Node<"scale">, program: Program): void {
  const [src = "", factor = ""] = node.inputs;
  const factors = program.shape(factor)[0] ?? 0;
  const { axis, first } = node.attributes;
  if (axis === 0 || first !== undefined || (factors !== 1 && factors !== program.shape(src)[1])) {
    lowerToHost(node, program);
    return;
  }
  const data = program.image(src);
  emitBinary(node, program, "multiply", data, perChannel(program, factor, data.descriptor));
}

export function lowerGain(node: Node<"gain">, program: Program): void {
  const [src = "", gain = ""] = node.inputs;
  const data = program.image(src);
  emitBinary(node, program, "multiply", data, perChannel(program, gain, data.descriptor));
}

/**
 * Lowers a product. One factor is broadcast over the other, which has the product's shape. If both are broadcast, the
 * host multiplies.
 */
export function lowerMultiply(node: Node<"multiply">, program: Program): void {
  const [a = "", b = ""] = node.inputs;
  const shape = program.shape(node.outputs[0] ?? "");
  const [whole, other] = sameShape(program.shape(a), shape) ? [a, b] : [b, a];
  if (!sameShape(program.shape(whole), shape)) {
    lowerToHost(node, program);
    return;
  }
  const data = program.use(whole, program.preferred(shape));
  emitBinary(node, program, "multiply", data, program.use(other, program.preferred(program.shape(other))));
}

/**
 * Lowers a function of two values, of which the first has the shape of the result. The host computes the others, and
 * those of parameters.
 */
export function lowerBinary(node: Node<"binary">, program: Program): void {
  const [a = "", b = ""] = node.inputs;
  const shape = program.shape(node.outputs[0] ?? "");
  const other = program.shape(b);
  if (!sameShape(program.shape(a), shape) || other.length !== shape.length) {
    lowerToHost(node, program);
    return;
  }
  const data = program.use(a, program.preferred(shape));
  emitBinary(node, program, node.attributes.function, data, program.use(b, program.preferred(other)));
}

function emitBinary(
  node: Node<"binary" | "add" | "bias" | "scale" | "gain" | "multiply">,
  program: Program,
  kind: BinaryKind,
  data: View,
  other: View,
): void {
  const [dst = ""] = node.outputs;
  const relu = program.fusions.reluAfter.get(node);
  const fuses = relu !== undefined && canFuseRelu(program, data.descriptor);
  emitElementwise(
    node,
    program,
    {
      kind,
      sources: [data, other],
      afterwards: fuses ? [{ kind: "relu" }] : [],
      dst: program.define(fuses ? (relu.outputs[0] ?? "") : dst, data.descriptor),
    },
    fuses ? { fused: "ReLU" } : {},
  );
  if (relu?.op === "relu" && !fuses) lowerActivation(relu, program);
}

function canFuseRelu({ library }: Program, descriptor: MemoryDescriptor): boolean {
  if (!faultsOf(library).reluBehindSumOfBlocksOf8) return true;
  return (
    !hasPixels(descriptor.shape.length) ||
    !sameLayout(library, descriptor, describeMemory(library, descriptor.shape, "nChw8c"))
  );
}
