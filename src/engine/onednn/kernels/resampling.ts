/** Lowers resampling to oneDNN where the library has the same coordinates, and to the host elsewhere. */
import type { Node } from "../../../graph/graph.ts";
import { isCentred } from "../../../graph/resampling.ts";
import { argument } from "../ffi/constants.ts";
import { resamplingBackward, resamplingForward } from "../ffi/operations.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import { lowerToHost } from "./host.ts";

export function lowerResampling(node: Node<"resampling">, program: Program): void {
  if (!isCentred(node.attributes)) {
    lowerToHost(node, program);
    return;
  }
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const small = program.use(src, program.preferred(program.shape(src)));
  const large = program.define(dst, program.preferred(program.shape(dst)));
  const primitive = firstImplementation(program.library, resamplingForward(small.descriptor, large.descriptor));
  program.emitPrimitive(node, primitive, [
    [argument.src, small],
    [argument.dst, large],
  ]);
}

export function lowerResamplingBackward(node: Node<"resampling_backward">, program: Program): void {
  if (!isCentred(node.attributes)) {
    lowerToHost(node, program);
    return;
  }
  const { library } = program;
  const [diffDst = ""] = node.inputs;
  const [diffSrc = ""] = node.outputs;
  const incoming = program.use(diffDst, program.preferred(program.shape(diffDst)));
  const outgoing = program.define(diffSrc, program.preferred(program.shape(diffSrc)));
  // The library needs the forward operation to describe a backward one.
  const hint = firstImplementation(library, resamplingForward(outgoing.descriptor, incoming.descriptor));
  program.own(hint);
  const operation = resamplingBackward(outgoing.descriptor, incoming.descriptor);
  program.emitPrimitive(node, firstImplementation(library, operation, hint), [
    [argument.diffDst, incoming],
    [argument.diffSrc, outgoing],
  ]);
}
