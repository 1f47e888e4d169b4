/**
 * Computes nodes that do not depend on the images when a file is read: shapes, bounds, pads, reshaped weights. A budget
 * of elements limits what a malicious file can make it compute.
 */
import { UserError } from "../../../core/errors.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import { elementwise } from "./elementwise.ts";
import { creation, movement } from "./movement.ts";
import { quantized } from "./quantized.ts";
import type { FoldRule } from "./rule.ts";
import { scatterNd } from "./scatter.ts";
import { sums } from "./sums.ts";

const rules: ReadonlyMap<string, FoldRule> = new Map([
  ...Object.entries(creation),
  ...Object.entries(movement),
  ...Object.entries(elementwise),
  ...Object.entries(quantized),
  ...Object.entries(sums),
  ["ScatterND", scatterNd],
]);

/** The rule that computes op `opType` on constants; undefined if there is none. */
export function foldRule(opType: string): FoldRule | undefined {
  return rules.get(opType);
}

/** Ops that need only the shape of their input, so they fold even if the input is an activation. */
export const shapeOps: ReadonlySet<string> = new Set(["Shape", "Size"]);

/** The number of elements that the constant part of a file may still compute. */
export class ElementBudget {
  #left: number;

  /** `stored`: the number of elements in the file's own tensors. */
  constructor(stored: number) {
    this.#left = 2 ** 24 + 8 * stored;
  }

  claim(dims: Shape): Shape {
    const count = elementCount(dims);
    if (!(dims.every((size) => Number.isSafeInteger(size) && size >= 0) && count <= this.#left)) {
      throw new UserError("unsupported", `computes a constant of dims [${dims.join()}]`, {
        hint: "The constants that a file computes must stay in proportion to those it stores",
      });
    }
    this.#left -= count;
    return dims;
  }
}
