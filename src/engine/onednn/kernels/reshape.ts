/**
 * Lowers reshaping, flattening and transposing, and their gradients. Row-major memory, or channels-last memory, is also
 * a layout of the other shape, so only the reorder into that layout moves data.
 */
import { rowMajorStrides } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { bindBatch } from "../../../graph/shapes.ts";
import { describeMemory, describeStrided, type LayoutName } from "../ffi/memory.ts";
import type { Program } from "../planner/program.ts";
import { lowerToHost } from "./host.ts";

function layoutOf({ channelsLast }: { readonly channelsLast?: true }): LayoutName {
  return channelsLast === true ? "nhwc" : "plain";
}

export function lowerFlatten(node: Node<"flatten">, program: Program): void {
  const [src = ""] = node.inputs;
  const shape = program.shape(src);
  // With fewer axes, both orders are the same only if there is one axis.
  if (node.attributes.channelsLast === true && shape.length !== 4) {
    lowerToHost(node, program);
    return;
  }
  const { slot } = program.use(src, describeMemory(program.library, shape, layoutOf(node.attributes)));
  seeAs(program, node.outputs[0] ?? "", slot, "plain");
}

export function lowerFlattenBackward(node: Node<"flatten_backward">, program: Program): void {
  const [diffDst = ""] = node.inputs;
  const rank = bindBatch(node.attributes.srcShape, 1).length;
  if (node.attributes.channelsLast === true && rank !== 4) {
    lowerToHost(node, program);
    return;
  }
  const { slot } = program.use(diffDst, program.plain(diffDst));
  seeAs(program, node.outputs[0] ?? "", slot, layoutOf(node.attributes));
}

export function lowerReshape(node: Node<"reshape">, program: Program): void {
  const [src = ""] = node.inputs;
  seeAs(program, node.outputs[0] ?? "", program.use(src, program.plain(src)).slot, "plain");
}

/**
 * Transposes by a copy from the same memory with its strides in another order. Images from channels-last to
 * channels-first, or the other way round, need no copy of their own.
 */
export function lowerTranspose(node: Node<"transpose">, program: Program): void {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const order = node.attributes.permutation.join();
  if (order === "0,3,1,2") seeAs(program, dst, program.use(src, program.plain(src)).slot, "nhwc");
  else if (order === "0,2,3,1") {
    const { slot } = program.use(src, describeMemory(program.library, program.shape(src), "nhwc"));
    seeAs(program, dst, slot, "plain");
  } else {
    const { slot, descriptor } = program.use(src, program.plain(src));
    const strides = rowMajorStrides(program.shape(src));
    const turned = node.attributes.permutation.map((axis) => strides[axis] ?? 1);
    const from = { slot, descriptor: describeStrided(program.library, descriptor, program.shape(dst), turned) };
    program.reorder(node.name, from, program.define(dst, program.plain(dst)));
  }
}

/** Defines `value` as the content of `slot` in `layout`. */
function seeAs(program: Program, value: string, slot: ReturnType<Program["use"]>["slot"], layout: LayoutName): void {
  program.alias(value, { slot, descriptor: describeMemory(program.library, program.shape(value), layout) });
}
