/**
 * Attributes of a primitive: factors on what it reads, and what is done to each result before it is stored. Pointwise
 * work that rides along like this costs no pass over memory of its own.
 */
import type { Handle } from "./abi.ts";
import { check, create } from "./calls.ts";
import { algorithm } from "./constants.ts";
import { createAttributes, type OneDnn } from "./library.ts";
import type { MemoryDescriptor } from "./memory.ts";

/** One operation on the result x; of several, each works on what the one before it leaves. */
export type PostOp =
  | { readonly kind: "relu" }
  /** factor · x */
  | { readonly kind: "scale"; readonly factor: number }
  /** x + factor · (what dst holds) */
  | { readonly kind: "accumulate"; readonly factor: number }
  /** x + operand, x − operand, x · operand or min(x, operand), broadcast where an extent of the operand is 1. */
  | { readonly kind: "add" | "subtract" | "multiply" | "minimum"; readonly operand: MemoryDescriptor };

export interface Attributes {
  /** Argument index of a source → the factor it is multiplied by as it is read. */
  readonly scales?: readonly (readonly [index: number, factor: number])[];
  readonly postOps?: readonly PostOp[];
}

/** What `describe` makes with `attributes`, which live as long as it runs: descriptions keep a copy. */
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
