/** Types: a convolution to lower, and a formulation, which is one way to compute it. */

import type { ConvolutionAttributes } from "../../../graph/attributes.ts";
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import type { MemoryDescriptor } from "../ffi/memory.ts";
import type { ConvolutionDirection, ConvolutionMemory } from "../ffi/operations.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Candidate, Part } from "../planner/candidate.ts";

/** A convolution in one direction, with the names of its values by their roles in the forward direction. */
export interface Convolution {
  readonly node: Node;
  readonly direction: ConvolutionDirection;
  readonly attributes: ConvolutionAttributes;
  readonly src: string;
  readonly weights: string;
  readonly bias: string | undefined;
  readonly dst: string;
}

/** Additional memory of a formulation, by role. It is zero at first. */
export type Work = Readonly<Record<string, WorkMemory>>;

export interface WorkMemory {
  readonly descriptor: MemoryDescriptor;
  /** Whether all steps of the plan with a role of this name share the memory; if not, each node has its own. */
  readonly isShared: boolean;
}

export interface ConvolutionCandidate extends Candidate {
  readonly memory: ConvolutionMemory;
  readonly work?: Work;
  /** Whether only a part of the result is written, so that the rest must be zero. */
  readonly writesPart?: boolean;
}

/** One implementation of a direction, without its reorders. */
export interface Formulation {
  readonly name: string;
  /** See `Candidate.isLikely`. */
  readonly isLikely?: boolean;
  readonly memory: ConvolutionMemory;
  /** See `ConvolutionCandidate`. */
  readonly work?: Work;
  readonly writesPart?: boolean;
  readonly parts: readonly Part[];
}

type Queried = Parameters<PrimitiveDescriptor["memory"]>[0];

interface Roles {
  /** Argument index of each role. */
  readonly at: Readonly<Record<"src" | "weights" | "bias" | "dst", number>>;
  /** The query that returns its memory descriptor. */
  readonly query: Readonly<Record<"src" | "weights" | "dst", Queried>>;
}

/** The library's arguments for each role, by direction. */
export const roles: Readonly<Record<ConvolutionDirection, Roles>> = {
  forward: {
    at: { src: argument.src, weights: argument.weights, bias: argument.bias, dst: argument.dst },
    query: { src: "src", weights: "weights", dst: "dst" },
  },
  "backward data": {
    at: { src: argument.diffSrc, weights: argument.weights, bias: argument.bias, dst: argument.diffDst },
    query: { src: "diffSrc", weights: "weights", dst: "diffDst" },
  },
  "backward weights": {
    at: { src: argument.src, weights: argument.diffWeights, bias: argument.diffBias, dst: argument.diffDst },
    query: { src: "src", weights: "diffWeights", dst: "diffDst" },
  },
};
