/** Lowers maximum, average and global average pooling, and the gradient of a bias, which is a sum over pixels. */

import { elementCount } from "../../../core/tensor.ts";
import type { AveragePoolingAttributes } from "../../../graph/attributes.ts";
import type { Node } from "../../../graph/graph.ts";
import { bindBatch } from "../../../graph/shapes.ts";
import { extentsOf } from "../../../graph/windows.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, type MemoryDescriptor } from "../ffi/memory.ts";
import { type PoolingKind, type PoolingWindow, poolingBackward, poolingForward } from "../ffi/operations.ts";
import { firstImplementation, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import type { Program } from "../planner/program.ts";
import { floatsOf } from "../planner/steps.ts";
import { lowerToHost } from "./host.ts";

interface Pooling {
  readonly kind: PoolingKind;
  readonly window: PoolingWindow;
}

function averageKind({ countIncludePad, overhang }: AveragePoolingAttributes): PoolingKind {
  if (countIncludePad && overhang !== undefined) {
    throw new Refusal("describe a pooling", "padding that is counted beside padding that is not");
  }
  return countIncludePad ? "average, padding counted" : "average, padding not counted";
}

function globalPooling([, , ...pixels]: readonly number[]): Pooling {
  return { kind: "average, padding not counted", window: wholeWindow(pixels) };
}

/** A window over all of `pixels`. */
export function wholeWindow(pixels: readonly number[]): PoolingWindow {
  const kernel = extentsOf(pixels);
  return { kernel, strides: extentsOf(pixels.map(() => 1)), padding: noPadding };
}

const noPadding = { top: 0, left: 0, bottom: 0, right: 0 } as const;

type Forward = Node<"max_pooling" | "average_pooling" | "global_average_pooling">;

function poolingOf(node: Forward, program: Program): Pooling {
  switch (node.op) {
    case "max_pooling":
      return { kind: "max", window: node.attributes };
    case "average_pooling":
      return { kind: averageKind(node.attributes), window: node.attributes };
    case "global_average_pooling":
      return globalPooling(program.shape(node.inputs[0] ?? ""));
  }
}

function describeForward(
  program: Program,
  { kind, window }: Pooling,
  src: MemoryDescriptor,
  dst: MemoryDescriptor,
): PrimitiveDescriptor {
  const operation = poolingForward(kind, src, dst, window);
  return firstImplementation(program.library, operation);
}

export function lowerPooling(node: Forward, program: Program): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const data = program.use(src, program.preferred(program.shape(src)));
  const result = program.define(dst, program.preferred(program.shape(dst)));
  const primitive = describeForward(program, poolingOf(node, program), data.descriptor, result.descriptor);
  const workspace = node.op === "max_pooling" ? program.allocate(primitive.memory("workspace")) : undefined;
  program.emitPrimitive(node, primitive, [
    [argument.src, data],
    [argument.dst, result],
    ...(workspace === undefined ? [] : [[argument.workspace, workspace] as const]),
  ]);
  program.forwardOf.set(node.name, { primitive, workspace });
}

/** The workspace of the forward step with the same source and window has the positions of the maxima. */
export function lowerMaxPoolingBackward(node: Node<"max_pooling_backward">, program: Program): void {
  const [src = "", diffDst = ""] = node.inputs;
  const twin = program.graph.nodes.find(
    (other) =>
      other.op === "max_pooling" &&
      other.inputs[0] === src &&
      JSON.stringify(other.attributes) === JSON.stringify(node.attributes),
  );
  const forward = program.forwardOf.get(twin?.name ?? "");
  if (forward?.workspace === undefined)
    throw new Refusal("differentiate a max pooling", "its forward step runs on the host");
  const diff = program.use(diffDst, program.preferred(program.shape(diffDst)));
  const target = program.define(node.outputs[0] ?? "", program.preferred(program.shape(src)));
  const operation = poolingBackward("max", target.descriptor, diff.descriptor, node.attributes);
  const primitive = firstImplementation(program.library, operation, forward.primitive);
  program.emitPrimitive(node, primitive, [
    [argument.diffDst, diff],
    [argument.workspace, forward.workspace],
    [argument.diffSrc, target],
  ]);
}

export function lowerAveragePoolingBackward(
  node: Node<"average_pooling_backward" | "global_average_pooling_backward">,
  program: Program,
): void {
  const { library } = program;
  const [diffDst = ""] = node.inputs;
  const [diffSrc = ""] = node.outputs;
  const shape = bindBatch(node.attributes.srcShape, program.shape(diffDst)[0] ?? 0);
  const { kind, window } =
    node.op === "global_average_pooling_backward"
      ? globalPooling(shape)
      : { kind: averageKind(node.attributes), window: node.attributes };
  const diff = program.use(diffDst, program.preferred(program.shape(diffDst)));
  const target = program.define(diffSrc, program.preferred(shape));
  const hint = describeForward(program, { kind, window }, target.descriptor, diff.descriptor);
  program.own(hint);
  const operation = poolingBackward(kind, target.descriptor, diff.descriptor, window);
  const primitive = firstImplementation(library, operation, hint);
  program.emitPrimitive(node, primitive, [
    [argument.diffDst, diff],
    [argument.diffSrc, target],
  ]);
}

/**
 * The sum over images and pixels for each channel. Average pooling computes each image's mean on all threads. The host
 * sums these few numbers on one thread. It also sums values without pixels.
 */
export function lowerBiasBackward(node: Node<"bias_backward">, program: Program): void {
  const [diffDst = ""] = node.inputs;
  const [diffBias = ""] = node.outputs;
  const shape = program.shape(diffDst);
  const [images = 1, channels = 1, ...pixels] = shape;
  if (!program.isImage(shape)) {
    lowerToHost(node, program);
    return;
  }
  const data = program.use(diffDst, program.preferred(shape));
  const small = [images, channels, ...pixels.map(() => 1)];
  const pooled = program.allocate(program.preferred(small));
  program.emitPrimitive(node, describeForward(program, globalPooling(shape), data.descriptor, pooled.descriptor), [
    [argument.src, data],
    [argument.dst, pooled],
  ]);
  const means = program.allocate(describeMemory(program.library, small, "plain"));
  program.reorder(diffDst, pooled, means);
  const sums = program.define(diffBias, program.plain(diffBias));
  const count = elementCount(pixels);
  program.emitHost(node, "sum of the images' means", [means], [sums], (placement) => {
    const [from, to] = [floatsOf(means, placement), floatsOf(sums, placement)];
    return () => {
      to.fill(0, 0, channels);
      for (let index = 0; index < images * channels; index++) {
        to[index % channels] = (to[index % channels] ?? 0) + (from[index] ?? 0) * count;
      }
    };
  });
}
