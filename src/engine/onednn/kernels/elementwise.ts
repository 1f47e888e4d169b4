/**
 * Element-wise operations in one pass: two sources, each with a factor, are added or multiplied, and a chain of further
 * operations follows before the result is stored. The time of a pass over images is that of their memory, so fewer
 * passes are faster.
 */
import { elementCount } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { type PostOp, withAttributes } from "../ffi/attributes.ts";
import { argument } from "../ffi/constants.ts";
import { type BinaryKind, binaryOperation } from "../ffi/elementwise-operations.ts";
import { faultsOf } from "../ffi/faults.ts";
import { bytesOf } from "../ffi/memory.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { PrimitiveOptions, Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";

type OperandKind = Extract<PostOp, { readonly operand: unknown }>["kind"];

/** Like `PostOp`, but on views. */
export type Afterwards =
  | Exclude<PostOp, { readonly operand: unknown }>
  | { readonly kind: OperandKind; readonly operand: View };

export interface Elementwise {
  readonly kind: BinaryKind;
  /** The second source is broadcast along axes where its extent is 1. */
  readonly sources: readonly [View, View];
  /** The factor of each source; default 1. */
  readonly factors?: readonly [number, number];
  readonly afterwards?: readonly Afterwards[];
  readonly dst: View;
}

/** Emits one primitive. Its result may overwrite the first source. Throws a `Refusal` if the library has none. */
export function emitElementwise(
  node: Node,
  program: Program,
  { kind, sources: [first, second], factors = [1, 1], afterwards = [], dst }: Elementwise,
  options: Omit<PrimitiveOptions, "inPlace"> = {},
): void {
  const { library } = program;
  const operation = binaryOperation(kind, first.descriptor, second.descriptor, dst.descriptor);
  const scales = [
    [argument.src, factors[0]],
    [argument.src1, factors[1]],
  ] as const;
  const attributes = {
    scales: scales.filter(([, factor]) => factor !== 1),
    postOps: afterwards.map((step) => ("operand" in step ? { ...step, operand: step.operand.descriptor } : step)),
  };
  const primitive = withAttributes(library, attributes, (handle) =>
    firstImplementation(library, operation, undefined, handle),
  );
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, first],
      [argument.src1, second],
      ...afterwards.flatMap((step, position) =>
        "operand" in step ? [[postOpOperand(program, position), step.operand] as const] : [],
      ),
      ...attributes.scales.flatMap(([source, factor]) => {
        const index = library.abi.scaleArgument(source);
        return index === undefined ? [] : [[index, program.constant(factor, [1])] as const];
      }),
      [argument.dst, dst],
    ],
    faultsOf(library).sumInPlaceOfPaddedChannels && isPadded(first) ? options : { ...options, inPlace: [first, dst] },
  );
}

/** Argument index of the operand of a primitive's post-op at `position` in the chain. */
function postOpOperand({ library }: Program, position: number): number {
  return library.abi.firstPostOpOperand * (position + 1) + argument.src1;
}

function isPadded({ descriptor: { bytes, shape, type } }: View): boolean {
  return bytes !== elementCount(shape) * bytesOf(type);
}
