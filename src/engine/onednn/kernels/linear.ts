/** Lowers linear layers to oneDNN's inner product on plain matrices. */
import { elementCount } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import { linearBackwardData, linearBackwardWeights, linearForward } from "../ffi/operations.ts";
import { firstImplementation, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";

function plain(program: Program, value: string): View {
  return program.use(value, program.plain(value));
}

export function lowerLinear(node: Node<"linear">, program: Program): void {
  const [src = "", weights = "", bias] = node.inputs;
  const [dst = ""] = node.outputs;
  const biasView = bias === undefined ? undefined : plain(program, bias);
  const operation = linearForward(program.plain(src), program.plain(weights), biasView?.descriptor, program.plain(dst));
  program.emitPrimitive(
    node,
    firstImplementation(program.library, operation),
    [
      [argument.src, plain(program, src)],
      [argument.weights, plain(program, weights)],
      ...(biasView === undefined ? [] : [[argument.bias, biasView] as const]),
      [argument.dst, program.define(dst, program.plain(dst))],
    ],
    { macs: macs(program, src, dst) },
  );
}

export function lowerLinearBackwardData(node: Node<"linear_backward_data">, program: Program): void {
  const [diffDst = "", weights = ""] = node.inputs;
  const [diffSrc = ""] = node.outputs;
  const operation = linearBackwardData(program.plain(diffSrc), program.plain(weights), program.plain(diffDst));
  const hint = forwardHint(program, diffSrc, weights, undefined, diffDst);
  program.emitPrimitive(
    node,
    firstImplementation(program.library, operation, hint),
    [
      [argument.diffDst, plain(program, diffDst)],
      [argument.weights, plain(program, weights)],
      [argument.diffSrc, program.define(diffSrc, program.plain(diffSrc))],
    ],
    { macs: macs(program, diffSrc, diffDst) },
  );
}

export function lowerLinearBackwardWeights(node: Node<"linear_backward_weights">, program: Program): void {
  const [src = "", diffDst = ""] = node.inputs;
  const [diffWeights = "", diffBias] = node.outputs;
  const biasDescriptor = diffBias === undefined ? undefined : program.plain(diffBias);
  const operation = linearBackwardWeights(
    program.plain(src),
    program.plain(diffWeights),
    biasDescriptor,
    program.plain(diffDst),
  );
  const hint = forwardHint(program, src, diffWeights, diffBias, diffDst);
  program.emitPrimitive(
    node,
    firstImplementation(program.library, operation, hint),
    [
      [argument.src, plain(program, src)],
      [argument.diffDst, plain(program, diffDst)],
      [argument.diffWeights, program.define(diffWeights, program.plain(diffWeights))],
      ...(diffBias === undefined || biasDescriptor === undefined
        ? []
        : [[argument.diffBias, program.define(diffBias, biasDescriptor)] as const]),
    ],
    { macs: macs(program, src, diffDst) },
  );
}

/** The forward primitive of the same shapes, which the library needs to describe a backward one. */
function forwardHint(
  program: Program,
  src: string,
  weights: string,
  bias: string | undefined,
  dst: string,
): PrimitiveDescriptor {
  const operation = linearForward(
    program.plain(src),
    program.plain(weights),
    bias === undefined ? undefined : program.plain(bias),
    program.plain(dst),
  );
  const hint = firstImplementation(program.library, operation);
  program.own(hint);
  return hint;
}

function macs(program: Program, src: string, dst: string): number {
  return elementCount(program.shape(src)) * (program.shape(dst)[1] ?? 0);
}
