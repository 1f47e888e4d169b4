/** Lowers transposed convolutions and their gradients to deconvolutions of oneDNN, which are convolutions backwards. */
import type { Node } from "../../../graph/graph.ts";
import type { Precision } from "../../engine.ts";
import { floatingPointOperations } from "../../flops.ts";
import type { Operation } from "../ffi/abi.ts";
import { describeMemory } from "../ffi/memory.ts";
import { type ConvolutionDirection, type ConvolutionMemory, deconvolutionOperation } from "../ffi/operations.ts";
import { firstImplementation, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import type { Program } from "../planner/program.ts";
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
  const call: Call = { direction: "forward", src, weights, bias, dst: node.outputs[0] ?? "" };
  const primitive = described(node, program, call);
  const { at } = roles.forward;
  program.emitPrimitive(
    node,
    primitive,
    [
      [at.src, program.use(src, primitive.memory("src"))],
      [at.weights, program.use(weights, primitive.memory("weights"))],
      ...(bias === undefined ? [] : [[at.bias, program.use(bias, program.plain(bias))] as const]),
      [at.dst, program.define(call.dst, primitive.memory("dst"))],
    ],
    { macs: macs(node, program) },
  );
}

export function lowerDeconvolutionBackwardData(node: Node<"deconvolution_backward_data">, program: Program): void {
  const [dst = "", weights = ""] = node.inputs;
  const call: Call = { direction: "backward data", src: node.outputs[0] ?? "", weights, bias: undefined, dst };
  const primitive = described(node, program, call);
  const { at } = roles["backward data"];
  program.emitPrimitive(
    node,
    primitive,
    [
      [at.dst, program.use(dst, primitive.memory("diffDst"))],
      [at.weights, program.use(weights, primitive.memory("weights"))],
      [at.src, program.define(call.src, primitive.memory("diffSrc"))],
    ],
    { macs: macs(node, program) },
  );
}

export function lowerDeconvolutionBackwardWeights(
  node: Node<"deconvolution_backward_weights">,
  program: Program,
): void {
  const [src = "", dst = ""] = node.inputs;
  const [weights = "", bias] = node.outputs;
  const call: Call = { direction: "backward weights", src, weights, bias, dst };
  const primitive = described(node, program, call);
  const { at } = roles["backward weights"];
  program.emitPrimitive(
    node,
    primitive,
    [
      [at.src, program.use(src, primitive.memory("src"))],
      [at.dst, program.use(dst, primitive.memory("diffDst"))],
      [at.weights, program.define(weights, primitive.memory("diffWeights"))],
      ...(bias === undefined ? [] : [[at.bias, program.define(bias, program.plain(bias))] as const]),
    ],
    { macs: macs(node, program) },
  );
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

function macs(node: Deconvolution, program: Program): number {
  return floatingPointOperations(node, program.shapes) / 2;
}
