/**
 * Nodes that do not depend on the images are computed when a file is read: shapes, bounds, paddings, reshaped weights.
 * A total of elements bounds what a hostile file can ask for.
 */
import { UserError } from "../../../core/errors.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import { elementwise } from "./elementwise.ts";
import { creation, movement } from "./movement.ts";
import type { FoldRule } from "./rule.ts";

const rules: ReadonlyMap<string, FoldRule> = new Map([
  ...Object.entries(creation),
  ...Object.entries(movement),
  ...Object.entries(elementwise),
]);

/** The rule of an op of constants; undefined where there is none. */
export function foldRule(opType: string): FoldRule | undefined {
  return rules.get(opType);
}

/** Ops of which only the shape of the input is needed, so that they fold behind an activation too. */
export const shapeOps: ReadonlySet<string> = new Set(["Shape", "Size"]);

/** Elements that the constant part of a file may still compute. */
export class ElementBudget {
  #left: number;

  /** `stored`: elements of the file's own tensors. */
  constructor(stored: number) {
    this.#left = 2 ** 24 + 8 * stored;
  }

  claim(dims: Shape): Shape {
    const count = elementCount(dims);
    if (!(dims.every((size) => Number.isSafeInteger(size) && size >= 0) && count <= this.#left)) {
      throw new UserError("unsupported", `computes a constant of dims [${dims.join()}]`, {
        hint: "Constants that a file computes must stay in proportion to those it holds.",
      });
    }
    this.#left -= count;
    return dims;
  }
}
