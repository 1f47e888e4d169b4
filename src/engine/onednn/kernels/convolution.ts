/**
 * Convolution in three directions. Each is described once per algorithm and layout; every implementation the library then
 * offers is a candidate, and the tuner takes the fastest.
 */
import { required } from "../../../core/errors.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import type { ConvolutionAttributes } from "../../../graph/ops.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, type LayoutName, type MemoryDescriptor, sameLayout } from "../ffi/memory.ts";
import {
  type ConvolutionAlgorithm,
  type ConvolutionDirection,
  type ConvolutionMemory,
  convolutionOperation,
} from "../ffi/operations.ts";
import { firstImplementation, implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { Candidate } from "../planner/tuning.ts";

/** Which argument and which query belong to src, weights, bias and dst in each direction. */
const roles = {
  forward: {
    src: { index: argument.src, query: "src" },
    weights: { index: argument.weights, query: "weights" },
    bias: { index: argument.bias },
    dst: { index: argument.dst, query: "dst" },
  },
  "backward data": {
    src: { index: argument.diffSrc, query: "diffSrc" },
    weights: { index: argument.weights, query: "weights" },
    bias: { index: argument.bias },
    dst: { index: argument.diffDst, query: "diffDst" },
  },
  "backward weights": {
    src: { index: argument.src, query: "src" },
    weights: { index: argument.diffWeights, query: "diffWeights" },
    bias: { index: argument.diffBias },
    dst: { index: argument.diffDst, query: "diffDst" },
  },
} as const;

/** A convolution in one direction: value names by the role they play forward. */
interface Convolution {
  readonly node: Node;
  readonly direction: ConvolutionDirection;
  readonly attributes: ConvolutionAttributes;
  readonly src: string;
  readonly weights: string;
  readonly bias: string | undefined;
  readonly dst: string;
}

interface ConvolutionCandidate extends Candidate {
  readonly memory: ConvolutionMemory;
}

export function lowerConvolution(node: Node<"convolution">, program: Program): void {
  const [src = "", weights = "", bias] = node.inputs;
  const [dst = ""] = node.outputs;
  const call = { node, direction: "forward", attributes: node.attributes, src, weights, bias, dst } as const;
  const { primitive, memory } = choose(program, call);
  const biasView = bias === undefined ? undefined : program.use(bias, program.plain(bias));
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, program.use(src, memory.src)],
      [argument.weights, program.use(weights, memory.weights)],
      ...(biasView === undefined ? [] : [[argument.bias, biasView] as const]),
      [argument.dst, program.define(dst, memory.dst)],
    ],
    { macs: macs(program, weights, dst) },
  );
}

export function lowerConvolutionBackwardData(node: Node<"convolution_backward_data">, program: Program): void {
  const [dst = "", weights = ""] = node.inputs;
  const [src = ""] = node.outputs;
  const { attributes } = node;
  const call = { node, direction: "backward data", attributes, src, weights, bias: undefined, dst } as const;
  const { primitive, memory } = choose(program, call);
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.diffDst, program.use(dst, memory.dst)],
      [argument.weights, program.use(weights, memory.weights)],
      [argument.diffSrc, program.define(src, memory.src)],
    ],
    { macs: macs(program, weights, dst) },
  );
}

export function lowerConvolutionBackwardWeights(node: Node<"convolution_backward_weights">, program: Program): void {
  const [src = "", dst = ""] = node.inputs;
  const [weights = "", bias] = node.outputs;
  const { attributes } = node;
  const call = { node, direction: "backward weights", attributes, src, weights, bias, dst } as const;
  const { primitive, memory } = choose(program, call);
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, program.use(src, memory.src)],
      [argument.diffDst, program.use(dst, memory.dst)],
      [argument.diffWeights, program.define(weights, memory.weights)],
      ...(bias === undefined ? [] : [[argument.diffBias, program.define(bias, program.plain(bias))] as const]),
    ],
    { macs: macs(program, weights, dst) },
  );
}

function macs(program: Program, weights: string, dst: string): number {
  const [batch = 0, , height = 0, width = 0] = program.shape(dst);
  return batch * height * width * elementCount(program.shape(weights));
}

/** oneDNN gives grouped weights an axis of their own for the groups. */
function weightsShape(shape: Shape, groups: number): Shape {
  const [outputs = 0, ...rest] = shape;
  return groups === 1 ? shape : [groups, outputs / groups, ...rest];
}

function choose(program: Program, call: Convolution): ConvolutionCandidate {
  const { direction, attributes, src, weights, bias } = call;
  const { strides, padding, dilation, groups } = attributes;
  const key = [
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
  const offered = candidatesOf(program, call);
  const chosen = program.tuner.choose(key, offered);
  return required(
    offered.find((candidate) => candidate === chosen),
    `candidate of "${call.node.name}"`,
  );
}

/** Values that come from outside arrive in the plain layout, which oneDNN has first-layer kernels for. */
function isImage(program: Program, src: string): boolean {
  return program.graph.inputs.some(({ name }) => name === src);
}

function candidatesOf(program: Program, call: Convolution): ConvolutionCandidate[] {
  const hint = call.direction === "forward" ? undefined : forwardHint(program, call);
  const isGrouped = call.attributes.groups > 1;
  const usual = offers(
    program,
    call,
    hint,
    isGrouped ? [program.tuner.blockedLayout, "nhwc"] : [program.tuner.blockedLayout],
  );
  const isFast = ({ name }: ConvolutionCandidate): boolean => !/ (ref|gemm)/.test(name);
  const all = usual.some(isFast)
    ? usual
    : [...usual, ...offers(program, call, hint, isGrouped ? ["any"] : ["nhwc", "any"])];
  const worthTiming = all.some(isFast) ? all.filter(isFast) : all.slice(0, 1);
  for (const { primitive } of all) {
    if (!worthTiming.some((candidate) => candidate.primitive === primitive)) primitive.destroy();
  }
  return worthTiming;
}

function offers(
  program: Program,
  call: Convolution,
  hint: PrimitiveDescriptor | undefined,
  layouts: readonly LayoutName[],
): ConvolutionCandidate[] {
  const { library } = program;
  const found = new Map<string, ConvolutionCandidate>();
  for (const layout of layouts) {
    for (const algorithm of ["direct", "auto"] as const) {
      const operation = describe(program, call, algorithm, layout);
      const refuse = (reason: string): void =>
        program.passOver(call.node.name, { implementation: `${layout} ${algorithm}`, reason });
      for (const primitive of implementations(library, operation, hint, library.attributes, refuse)) {
        const name = `${layout} ${primitive.implementation}`;
        if (found.has(name)) primitive.destroy();
        else found.set(name, candidate(program, call, name, primitive));
      }
    }
  }
  return [...found.values()];
}

function describe(
  program: Program,
  { direction, attributes, src, weights, bias, dst }: Convolution,
  algorithm: ConvolutionAlgorithm,
  layout: LayoutName,
): Uint8Array {
  const { library, precision } = program;
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
  { direction, src, bias, dst }: Convolution,
  name: string,
  primitive: PrimitiveDescriptor,
): ConvolutionCandidate {
  const role = roles[direction];
  const memory = {
    src: primitive.memory(role.src.query),
    weights: primitive.memory(role.weights.query),
    bias: bias === undefined ? undefined : program.plain(bias),
    dst: primitive.memory(role.dst.query),
  };
  const atSrc = [role.src.index, memory.src] as const;
  const atWeights = [role.weights.index, memory.weights] as const;
  const atBias = memory.bias === undefined ? [] : [[role.bias.index, memory.bias] as const];
  const atDst = [role.dst.index, memory.dst] as const;
  const common = { name, primitive, memory };
  const reorderInto = (value: string, wanted: MemoryDescriptor) => reorderIfNeeded(program, value, wanted, "into");
  const reorderFrom = (value: string, made: MemoryDescriptor) => reorderIfNeeded(program, value, made, "from");
  switch (direction) {
    case "forward":
      return {
        ...common,
        inputs: [atSrc, atWeights, ...atBias],
        output: atDst,
        otherOutputs: [],
        reorders: [...reorderInto(src, memory.src), ...reorderFrom(dst, memory.dst)],
      };
    case "backward data":
      return {
        ...common,
        inputs: [atDst, atWeights],
        output: atSrc,
        otherOutputs: [],
        reorders: [...reorderInto(dst, memory.dst), ...reorderFrom(src, memory.src)],
      };
    case "backward weights":
      return {
        ...common,
        inputs: [atSrc, atDst],
        output: atWeights,
        otherOutputs: atBias,
        reorders: [...reorderInto(src, memory.src), ...reorderInto(dst, memory.dst)],
      };
  }
}

/** The reorder a layout costs: `into` what the primitive reads, or `from` what it writes to what others prefer. */
function reorderIfNeeded(
  program: Program,
  value: string,
  descriptor: MemoryDescriptor,
  way: "into" | "from",
): (readonly [MemoryDescriptor, MemoryDescriptor])[] {
  const other = way === "into" ? program.view(value).descriptor : program.preferred(program.shape(value));
  if (sameLayout(program.library, other, descriptor)) return [];
  return [way === "into" ? [other, descriptor] : [descriptor, other]];
}

/** Backward operations are described with a forward one of the same shapes at hand. */
function forwardHint(program: Program, call: Convolution): PrimitiveDescriptor {
  const { library } = program;
  const operation = describe(program, { ...call, direction: "forward" }, "direct", "any");
  const hint = required(firstImplementation(library, operation), `forward of "${call.node.name}"`);
  program.own(hint);
  return hint;
}
