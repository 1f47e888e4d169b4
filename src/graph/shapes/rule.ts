/** The interface of shape rules, which `../shapes.ts` lists by op. */
import type { Shape } from "../../core/tensor.ts";
import type { SymbolicShape } from "../graph.ts";
import type { Attributes, OpName } from "../ops.ts";

export interface ShapeContext<K extends OpName> {
  readonly attributes: Attributes<K>;
  readonly batch: number;
  /** The shape of input `index`. Throws if there is no such input or its rank is not `rank`. */
  input(index: number, rank?: number): Shape;
  readonly inputCount: number;
  /** Throws a `UserError` unless `condition` holds. */
  check(condition: boolean, expected: string, received: string): void;
}

export type ShapeRule<K extends OpName> = (context: ShapeContext<K>) => readonly Shape[];

/** Replaces "N" by the batch size. */
export function bindBatch(shape: SymbolicShape, batch: number): Shape {
  return shape.map((dimension) => (dimension === "N" ? batch : dimension));
}
