/** What a convolution to lower is, and what a way to compute it. */
import type { Node } from "../../../graph/graph.ts";
import type { ConvolutionAttributes } from "../../../graph/ops.ts";
import { argument } from "../ffi/constants.ts";
import type { MemoryDescriptor } from "../ffi/memory.ts";
import type { ConvolutionDirection, ConvolutionMemory } from "../ffi/operations.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Candidate, Part } from "../planner/candidate.ts";

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

/** Memory of its own that a way to compute needs, by role: zero from the start. */
export type Work = Readonly<Record<string, WorkMemory>>;

export interface WorkMemory {
  readonly descriptor: MemoryDescriptor;
  /** Whether all steps of the plan that have a role of this name share it; else each node has its own. */
  readonly isShared: boolean;
}

export interface ConvolutionCandidate extends Candidate {
  readonly memory: ConvolutionMemory;
  readonly work?: Work;
  /** Whether the result is written in part only, and has to be zero everywhere else. */
  readonly writesPart?: boolean;
}

/** One implementation of a direction, before its costs around are known. */
export interface Formulation {
  readonly name: string;
  /** As `Candidate.isLikely`. */
  readonly isLikely?: boolean;
  readonly memory: ConvolutionMemory;
  /** As of `ConvolutionCandidate`. */
  readonly work?: Work;
  readonly writesPart?: boolean;
  readonly parts: readonly Part[];
}

type Queried = Parameters<PrimitiveDescriptor["memory"]>[0];

interface Roles {
  /** Argument of each role. */
  readonly at: Readonly<Record<"src" | "weights" | "bias" | "dst", number>>;
  /** The name to query its memory by. */
  readonly query: Readonly<Record<"src" | "weights" | "dst", Queried>>;
}

/** What the library calls each role in each direction. */
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
