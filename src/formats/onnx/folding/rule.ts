/** What a rule that computes constants sees of its node. */
import type { Shape } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import type { Constant } from "./constant.ts";
import type { Scalar } from "./scalar.ts";

export interface FoldContext {
  readonly node: NodeReader;
  /** Input `index`; refused if it is missing. */
  input(index: number): Constant;
  /** Input `index`, or undefined where the node leaves it out. */
  optional(index: number): Constant | undefined;
  /** Dims of input `index`, which may be an activation. */
  extents(index: number): readonly Scalar[];
  /** The plain whole numbers of input `index`. */
  integers(index: number): readonly number[];
  /** `dims`, after taking their elements from what a file may compute. */
  claim(dims: Shape): Shape;
  /** A tensor held by an attribute. */
  attributeTensor(name: string): Constant | undefined;
}

/** Computes the node's outputs. */
export type FoldRule = (context: FoldContext) => readonly Constant[];
