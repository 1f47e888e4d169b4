/**
 * Attributes of a primitive: factors of its sources, and post-ops on each result before it is stored. Such element-wise
 * operations need no additional pass over memory.
 */
import type { Handle } from "./abi.ts";
import { check, create } from "./calls.ts";
import { algorithm } from "./constants.ts";
import { createAttributes, type OneDnn } from "./library.ts";
import type { MemoryDescriptor } from "./memory.ts";

/** An operation on the result x of a primitive, or of the preceding post-op. */
export type PostOp =
  | { readonly kind: "relu" }
  /** factor · x */
  | { readonly kind: "scale"; readonly factor: number }
  /** x + factor · (previous content of dst) */
  | { readonly kind: "accumulate"; readonly factor: number }
  /** x + operand, x − operand, x · operand or min(x, operand). Axes of the operand with extent 1 are broadcast. */
  | { readonly kind: "add" | "subtract" | "multiply" | "minimum"; readonly operand: MemoryDescriptor };

export interface Attributes {
  /** Argument index of a source → its factor. */
  readonly scales?: readonly (readonly [index: number, factor: number])[];
  readonly postOps?: readonly PostOp[];
}

/** Calls `describe` with native attributes, which are freed afterwards: descriptions keep a copy. */
export function withAttributes<T>(
  { calls, abi }: OneDnn,
  { scales = [], postOps = [] }: Attributes,
  describe: (attributes: Handle) => T,
): T {
  const attributes = createAttributes(calls);
  try {
    for (const [index, factor] of scales) check(abi.setScale(attributes, index, factor), "set a scale");
    const chain = create("create post-ops", (out) => calls.postOpsCreate(out));
    try {
      for (const postOp of postOps) check(append({ calls, abi }, chain, postOp), `append the post-op "${postOp.kind}"`);
      check(calls.attrSetPostOps(attributes, chain), "set post-ops");
    } finally {
      check(calls.postOpsDestroy(chain), "destroy post-ops");
    }
    return describe(attributes);
  } finally {
    check(calls.attrDestroy(attributes), "destroy attributes");
  }
}

const binaryAlgorithms = {
  add: algorithm.binaryAdd,
  subtract: algorithm.binarySubtract,
  multiply: algorithm.binaryMultiply,
  minimum: algorithm.binaryMinimum,
} as const;

function append({ calls, abi }: Pick<OneDnn, "calls" | "abi">, chain: Handle, postOp: PostOp): number {
  switch (postOp.kind) {
    case "relu":
      return abi.appendEltwise(chain, abi.eltwise.relu, 0, 0);
    case "scale":
      return abi.appendEltwise(chain, abi.eltwise.linear, postOp.factor, 0);
    case "accumulate":
      return abi.appendSum(chain, postOp.factor);
    default:
      return calls.postOpsAppendBinary(chain, binaryAlgorithms[postOp.kind], postOp.operand.native);
  }
}
