/**
 * Lowers simulated integers to loops on the host. They treat images as arrays in whatever layout they have, because
 * every element is rounded alike and the zeros of padding stay zero. So no image is reordered.
 */
import type { Node } from "../../../graph/graph.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { emitReferenceKernel, lowerToHost, type ShapedView } from "./host.ts";

export function lowerFakeQuantize(node: Node<"fake_quantize">, program: Program): void {
  const [src = "", range = ""] = node.inputs;
  const [dst = "", extremes = ""] = node.outputs;
  const source = program.image(src);
  if (source.descriptor.type !== "f32") {
    lowerToHost(node, program);
    return;
  }
  const result = program.define(dst, source.descriptor);
  emitReferenceKernel(
    node,
    program,
    [flat(source), { view: program.use(range, program.plain(range)), shape: [2] }],
    [flat(result), { view: program.define(extremes, program.plain(extremes)), shape: [2] }],
  );
}

export function lowerFakeQuantizeBackward(node: Node<"fake_quantize_backward">, program: Program): void {
  const [src = "", range = "", diffDst = ""] = node.inputs;
  const source = program.image(src);
  if (source.descriptor.type !== "f32") {
    lowerToHost(node, program);
    return;
  }
  const incoming = program.use(diffDst, source.descriptor);
  const outgoing = program.define(node.outputs[0] ?? "", source.descriptor);
  emitReferenceKernel(
    node,
    program,
    [flat(source), { view: program.use(range, program.plain(range)), shape: [2] }, flat(incoming)],
    [flat(outgoing)],
  );
}

function flat(view: View): ShapedView {
  return { view, shape: [view.descriptor.bytes / Float32Array.BYTES_PER_ELEMENT] };
}
