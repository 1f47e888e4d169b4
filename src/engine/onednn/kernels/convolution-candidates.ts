/**
 * What the library offers for a convolution. Each direction is described once per algorithm, layout and formulation; every
 * implementation offered is a candidate, and the tuner takes the fastest.
 */
import { required } from "../../../core/errors.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import type { ConvolutionAttributes } from "../../../graph/ops.ts";
import type { Precision } from "../../engine.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, type LayoutName, type MemoryDescriptor, samePlaces } from "../ffi/memory.ts";
import {
  type ConvolutionAlgorithm,
  type ConvolutionDirection,
  type ConvolutionMemory,
  convolutionOperation,
} from "../ffi/operations.ts";
import { firstImplementation, implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { Candidate } from "../planner/tuning.ts";
import { mirror, mirroredPadding } from "./mirror.ts";

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

type Role = keyof ConvolutionMemory;

export interface ConvolutionCandidate extends Candidate {
  readonly memory: ConvolutionMemory;
  /** Argument index of each role. */
  readonly at: Readonly<Record<Role, number>>;
  /** Computed as the backward-data direction of the convolution with `mirror`ed weights. */
  readonly isMirrored: boolean;
}

/** Argument of each role in each direction, and the name to query its memory by. */
const roles = {
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
} as const;

/** Mirroring runs in JavaScript, at about a nanosecond an element. */
const MOST_MIRRORED_WEIGHTS = 16_384;

/** Equal keys, equal convolutions. */
export function keyOf(program: Program, { direction, attributes, src, weights, bias }: Convolution): string {
  const { strides, padding, dilation, groups } = attributes;
  return [
    direction,
    program.shape(src).join("x"),
    program.shape(weights).join("x"),
    `s${strides}`,
    `p${[padding.top, padding.left, padding.bottom, padding.right]}`,
    `d${dilation}`,
    `g${groups}`,
    ...(bias === undefined ? [] : ["bias"]),
    ...(isImage(program, src) ? ["image"] : []),
    ...(program.precision === "f32" ? [] : [program.precision]),
  ].join(" ");
}

export function candidatesOf(program: Program, call: Convolution): ConvolutionCandidate[] {
  const isGrouped = call.attributes.groups > 1;
  const blocked = program.tuner.blockedLayout;
  const usual = offers(program, call, isGrouped || isNarrow(program, call) ? [blocked, "nhwc"] : [blocked]);
  const others = usual.some(isFast) ? [] : offers(program, call, isGrouped ? ["any"] : ["nhwc", "any"]);
  const all = [...usual, ...others, ...offersInF32(program, call), ...offersMirrored(program, call)];
  const worthTiming = all.some(isFast) ? all.filter(isFast) : all.slice(0, 1);
  for (const { primitive } of all) {
    if (!worthTiming.some((candidate) => candidate.primitive === primitive)) primitive.destroy();
  }
  return worthTiming;
}

function isFast({ name }: ConvolutionCandidate): boolean {
  return !/ (ref|gemm)/.test(name);
}

/** Values that come from outside arrive in the plain layout, which oneDNN has first-layer kernels for. */
function isImage(program: Program, src: string): boolean {
  return program.graph.inputs.some(({ name }) => name === src);
}

/** With exactly one block of channels on both sides channels-last is the same memory by another name, and costs no reorder. */
function isNarrow(program: Program, { src, dst }: Convolution): boolean {
  return [src, dst].every((value) => program.shape(value)[1] === program.channelBlock);
}

/** oneDNN gives grouped weights an axis of their own for the groups. */
function weightsShape(shape: Shape, groups: number): Shape {
  const [outputs = 0, ...rest] = shape;
  return groups === 1 ? shape : [groups, outputs / groups, ...rest];
}

function offers(
  program: Program,
  call: Convolution,
  layouts: readonly LayoutName[],
  precision: Precision = program.precision,
): ConvolutionCandidate[] {
  const { library } = program;
  const hint = call.direction === "forward" ? undefined : forwardHint(program, call, precision);
  const found = new Map<string, ConvolutionCandidate>();
  for (const layout of layouts) {
    for (const algorithm of ["direct", "winograd", "auto"] as const) {
      const operation = describe(program, call, algorithm, layout, precision);
      for (const primitive of implementations(library, operation, hint, library.attributes)) {
        const name = `${layout} ${primitive.implementation}`;
        if (found.has(name)) primitive.destroy();
        else found.set(name, candidate(program, call, name, primitive));
      }
    }
  }
  return [...found.values()];
}

/** The weights' gradient is f32 in any case, and Winograd, which only f32 has, may be worth two reorders. */
function offersInF32(program: Program, call: Convolution): ConvolutionCandidate[] {
  if (program.precision === "f32" || call.direction !== "backward weights" || isImage(program, call.src)) return [];
  return offers(program, call, [program.tuner.blockedLayout], "f32").filter(isFast);
}

/** A forward convolution of thin layers as the backward-data direction of its mirror image, whose kernels differ. */
function offersMirrored(program: Program, call: Convolution): ConvolutionCandidate[] {
  const { direction, attributes, src, weights, bias, dst } = call;
  const { library } = program;
  const padding = mirroredPadding(attributes, program.shape(weights));
  const isPossible =
    direction === "forward" &&
    program.precision === "f32" &&
    bias === undefined &&
    padding !== undefined &&
    !isImage(program, src) &&
    elementCount(program.shape(weights)) <= MOST_MIRRORED_WEIGHTS;
  if (!isPossible) return [];
  const [outputs = 0, inputs = 0, ...kernel] = program.shape(weights);
  const describeIn = (of: ConvolutionDirection, layout: LayoutName) =>
    convolutionOperation(
      library,
      of,
      "direct",
      {
        src: describeMemory(library, program.shape(dst), layout),
        weights: describeMemory(library, [inputs, outputs, ...kernel], "any"),
        bias: undefined,
        dst: describeMemory(library, program.shape(src), layout),
      },
      { ...attributes, padding },
    );
  const hint = required(firstImplementation(library, describeIn("forward", "any")), `mirror of "${call.node.name}"`);
  program.own(hint);
  const operation = describeIn("backward data", program.tuner.blockedLayout);
  return [...implementations(library, operation, hint, library.attributes)].map((primitive) => {
    const name = `mirrored ${program.tuner.blockedLayout} ${primitive.implementation}`;
    return candidate(program, call, name, primitive, true);
  });
}

function describe(
  program: Program,
  { direction, attributes, src, weights, bias, dst }: Convolution,
  algorithm: ConvolutionAlgorithm,
  layout: LayoutName,
  precision: Precision,
): Uint8Array {
  const { library } = program;
  const image = isImage(program, src) && layout !== "any";
  // The gradient of the weights is summed, and stays, in f32.
  const weightsType = direction === "backward weights" ? "f32" : precision;
  return convolutionOperation(
    library,
    direction,
    algorithm,
    {
      src: describeMemory(library, program.shape(src), image ? "plain" : layout, precision),
      weights: describeMemory(library, weightsShape(program.shape(weights), attributes.groups), "any", weightsType),
      bias: bias === undefined ? undefined : program.plain(bias),
      dst: describeMemory(library, program.shape(dst), layout, precision),
    },
    attributes,
  );
}

function candidate(
  program: Program,
  { direction, src, weights, bias, dst }: Convolution,
  name: string,
  primitive: PrimitiveDescriptor,
  isMirrored = false,
): ConvolutionCandidate {
  const memory = isMirrored
    ? mirroredMemory(primitive)
    : memoryOf(primitive, direction, bias === undefined ? undefined : program.plain(bias));
  const at = isMirrored ? mirroredAt : roles[direction].at;
  const input = (role: "src" | "weights" | "dst") => ({ index: at[role], descriptor: memory[role], name: role });
  const output = (role: "src" | "weights" | "dst") => [at[role], memory[role]] as const;
  const atBias = memory.bias === undefined ? [] : [[at.bias, memory.bias] as const];
  const into = (value: string, wanted: MemoryDescriptor) => reorderIfNeeded(program, value, wanted, "into");
  const from = (value: string, made: MemoryDescriptor) => reorderIfNeeded(program, value, made, "from");
  const common = { name, primitive, memory, at, isMirrored };
  switch (direction) {
    case "forward": {
      const arrange = (values: Float32Array) => mirror(values, program.shape(weights));
      return {
        ...common,
        inputs: [
          input("src"),
          { ...input("weights"), ...(isMirrored ? { arrange } : {}) },
          ...atBias.map(([index, descriptor]) => ({ index, descriptor, name: "bias" })),
        ],
        output: output("dst"),
        otherOutputs: [],
        reorders: [...into(src, memory.src), ...from(dst, memory.dst)],
      };
    }
    case "backward data":
      return {
        ...common,
        inputs: [input("dst"), input("weights")],
        output: output("src"),
        otherOutputs: [],
        reorders: [...into(dst, memory.dst), ...from(src, memory.src)],
      };
    case "backward weights":
      return {
        ...common,
        inputs: [input("src"), input("dst")],
        output: output("weights"),
        otherOutputs: atBias,
        reorders: [...into(src, memory.src), ...into(dst, memory.dst)],
      };
  }
}

function memoryOf(
  primitive: PrimitiveDescriptor,
  direction: ConvolutionDirection,
  bias: MemoryDescriptor | undefined,
): ConvolutionMemory {
  const { query } = roles[direction];
  return {
    src: primitive.memory(query.src),
    weights: primitive.memory(query.weights),
    bias,
    dst: primitive.memory(query.dst),
  };
}

/** The mirror image runs backward: what it reads as diff_dst is the convolution's src. */
const mirroredAt = {
  src: argument.diffDst,
  weights: argument.weights,
  bias: argument.bias,
  dst: argument.diffSrc,
} as const;

function mirroredMemory(primitive: PrimitiveDescriptor): ConvolutionMemory {
  return {
    src: primitive.memory("diffDst"),
    weights: primitive.memory("weights"),
    bias: undefined,
    dst: primitive.memory("diffSrc"),
  };
}

/** The reorder a layout costs: `into` what the primitive reads, or `from` what it writes to what others prefer. */
function reorderIfNeeded(
  program: Program,
  value: string,
  descriptor: MemoryDescriptor,
  way: "into" | "from",
): (readonly [MemoryDescriptor, MemoryDescriptor])[] {
  const preferred = program.preferred(program.shape(value));
  const other = way === "into" ? (program.known(value)?.descriptor ?? preferred) : preferred;
  if (samePlaces(program.library, other, descriptor)) return [];
  return [way === "into" ? [other, descriptor] : [descriptor, other]];
}

/** Backward operations are described with a forward one of the same shapes at hand. */
function forwardHint(program: Program, call: Convolution, precision: Precision): PrimitiveDescriptor {
  const { library } = program;
  const operation = describe(program, { ...call, direction: "forward" }, "direct", "any", precision);
  const hint = required(firstImplementation(library, operation), `forward of "${call.node.name}"`);
  program.own(hint);
  return hint;
}
