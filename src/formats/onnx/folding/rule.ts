/** What a rule for computing constants can access. */
import type { Shape } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";
import type { Constant } from "./constant.ts";
import type { Scalar } from "./scalar.ts";

export interface FoldContext {
  readonly node: NodeReader;
  /** Input `index`. Throws if it is missing. */
  input(index: number): Constant;
  /** Input `index`, or undefined if the node omits it. */
  optional(index: number): Constant | undefined;
  /** Dims of input `index`, which may be an activation. */
  extents(index: number): readonly Scalar[];
  /** The integers of input `index`. Throws if one depends on the batch size. */
  integers(index: number): readonly number[];
  /** Takes the elements of `dims` from the file's budget, and returns `dims`. Throws if the budget is exceeded. */
  claim(dims: Shape): Shape;
  /** The tensor in attribute `name`. */
  attributeTensor(name: string): Constant | undefined;
}

/** Computes the node's outputs. */
export type FoldRule = (context: FoldContext) => readonly Constant[];
