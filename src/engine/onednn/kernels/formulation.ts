/** What a convolution to lower is, and what a way to compute it. */
import type { Node } from "../../../graph/graph.ts";
import type { ConvolutionAttributes } from "../../../graph/ops.ts";
import type { ConvolutionDirection, ConvolutionMemory } from "../ffi/operations.ts";
import type { Candidate, Part } from "../planner/tuning.ts";

/** A convolution in one direction: value names by the role they play forward. */
export interface Convolution {
  readonly node: Node;
  readonly direction: ConvolutionDirection;
  readonly attributes: ConvolutionAttributes;
  readonly src: string;
  readonly weights: string;
  readonly bias: string | undefined;
  readonly dst: string;
}

export interface ConvolutionCandidate extends Candidate {
  readonly memory: ConvolutionMemory;
  /** Computed as the backward-data direction of the convolution with `mirror`ed weights. */
  readonly isMirrored: boolean;
}

/** One implementation of a direction, before its costs around are known. */
export interface Formulation {
  readonly name: string;
  readonly memory: ConvolutionMemory;
  readonly parts: readonly Part[];
  readonly isMirrored: boolean;
}
