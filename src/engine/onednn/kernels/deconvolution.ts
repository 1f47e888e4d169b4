/** Lowers transposed convolutions and their gradients to deconvolutions of oneDNN, which are convolutions backwards. */
import type { Node } from "../../../graph/graph.ts";
import type { Precision } from "../../engine.ts";
import { floatingPointOperations } from "../../flops.ts";
import type { Operation } from "../ffi/abi.ts";
import { describeMemory, type MemoryDescriptor } from "../ffi/memory.ts";
import { type ConvolutionDirection, type ConvolutionMemory, deconvolutionOperation } from "../ffi/operations.ts";
import { firstImplementation, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { weightsShape } from "./convolution-candidates.ts";
import { isFaulty } from "./faulty.ts";
import { roles } from "./formulation.ts";

type Deconvolution = Node<"deconvolution" | "deconvolution_backward_data" | "deconvolution_backward_weights">;

/** The values of a node by their roles in the forward direction. */
interface Call {
  readonly direction: ConvolutionDirection;
  readonly src: string;
  readonly weights: string;
  readonly bias: string | undefined;
  readonly dst: string;
}

export function lowerDeconvolution(node: Node<"deconvolution">, program: Program): void {
  const [src = "", weights = "", bias] = node.inputs;
  emit(node, program, { direction: "forward", src, weights, bias, dst: node.outputs[0] ?? "" });
}

export function lowerDeconvolutionBackwardData(node: Node<"deconvolution_backward_data">, program: Program): void {
  const [dst = "", weights = ""] = node.inputs;
  emit(node, program, { direction: "backward data", src: node.outputs[0] ?? "", weights, bias: undefined, dst });
}

export function lowerDeconvolutionBackwardWeights(
  node: Node<"deconvolution_backward_weights">,
  program: Program,
): void {
  const [src = "", dst = ""] = node.inputs;
  const [weights = "", bias] = node.outputs;
  emit(node, program, { direction: "backward weights", src, weights, bias, dst });
}

function emit(node: Deconvolution, program: Program, call: Call): void {
  const primitive = described(node, program, call);
  const { at, query } = roles[call.direction];
  const viewOf = (value: string, memory: MemoryDescriptor): View =>
    node.outputs.includes(value) ? program.define(value, memory) : program.use(value, memory);
  const values = (["src", "weights", "dst"] as const).map(
    (role) => [at[role], viewOf(call[role], primitive.memory(query[role]))] as const,
  );
  const { bias } = call;
  const biases = bias === undefined ? [] : [[at.bias, viewOf(bias, program.plain(bias))] as const];
  const macs = floatingPointOperations(node, program.shapes) / 2;
  program.emitPrimitive(node, primitive, [...values, ...biases], { macs });
}

/**
 * Gradients of weights that have a faulty kernel in bf16 are computed in f32. Throws a `Refusal` if the library has
 * only faulty ones.
 */
function described(node: Deconvolution, program: Program, call: Call): PrimitiveDescriptor {
  const { precision } = program;
  for (const own of call.direction === "backward weights" ? ([precision, "f32"] as const) : [precision]) {
    const primitive = inPrecision(node, program, call, own);
    // The library runs a convolution backwards, from dst to src.
    if (!isFaulty(program, { ...call, attributes: node.attributes, src: call.dst }, primitive)) return primitive;
    primitive.destroy();
  }
  throw new Refusal("compute a transposed convolution", "all its kernels are faulty");
}

/** Images have the layout of the node, and the library chooses that of the weights. */
function inPrecision(node: Deconvolution, program: Program, call: Call, precision: Precision): PrimitiveDescriptor {
  const operation = (direction: ConvolutionDirection, layout: "own" | "any"): Operation =>
    deconvolutionOperation(direction, memoryOf(node, program, call, { direction, layout, precision }), node.attributes);
  if (call.direction === "forward") return firstImplementation(program.library, operation("forward", "own"));
  // The library needs the forward operation of the same shapes to describe a backward one.
  const hint = firstImplementation(program.library, operation("forward", "any"));
  program.own(hint);
  return firstImplementation(program.library, operation(call.direction, "own"), hint);
}

interface MemoryOptions {
  readonly direction: ConvolutionDirection;
  readonly layout: "own" | "any";
  readonly precision: Precision;
}

function memoryOf(
  { attributes }: Deconvolution,
  program: Program,
  { src, weights, bias, dst }: Call,
  { direction, layout, precision }: MemoryOptions,
): ConvolutionMemory {
  const { library } = program;
  const images = layout === "own" ? program.layout : "any";
  // The gradient of the weights is summed and stored in f32.
  const weightsType = direction === "backward weights" ? "f32" : precision;
  return {
    src: describeMemory(library, program.shape(src), images, precision),
    weights: describeMemory(library, weightsShape(program.shape(weights), attributes.groups), "any", weightsType),
    bias: bias === undefined ? undefined : program.plain(bias),
    dst: describeMemory(library, program.shape(dst), images, precision),
  };
}
