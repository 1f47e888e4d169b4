/**
 * Convolution in three directions: the steps of the implementation that `convolution-candidates.ts` offers and the tuner
 * finds fastest.
 */
import { required } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { type Node, producers } from "../../../graph/graph.ts";
import { type MemoryDescriptor, samePlaces } from "../ffi/memory.ts";
import type { Program, View } from "../planner/program.ts";
import { type Convolution, type ConvolutionCandidate, candidatesOf, keyOf } from "./convolution-candidates.ts";
import { emitMirror } from "./mirror.ts";

export function lowerConvolution(node: Node<"convolution">, program: Program): void {
  const [src = "", weights = "", bias] = node.inputs;
  const [dst = ""] = node.outputs;
  const call: Convolution = { node, direction: "forward", attributes: node.attributes, src, weights, bias, dst };
  const { primitive, memory, at, isMirrored } = choose(program, call);
  settleHome(program, weights);
  const biasView = bias === undefined ? undefined : program.use(bias, program.plain(bias));
  program.emitPrimitive(
    node,
    primitive,
    [
      [at.src, program.use(src, memory.src)],
      [
        at.weights,
        isMirrored ? emitMirror(program, node, weights, memory.weights) : program.use(weights, memory.weights),
      ],
      ...(biasView === undefined ? [] : [[at.bias, biasView] as const]),
      [at.dst, made(program, dst, memory.dst)],
    ],
    { macs: macs(program, weights, dst), ...(isMirrored ? { fused: "mirrored kernel" } : {}) },
  );
}

export function lowerConvolutionBackwardData(node: Node<"convolution_backward_data">, program: Program): void {
  const [dst = "", weights = ""] = node.inputs;
  const [src = ""] = node.outputs;
  const { attributes } = node;
  const call: Convolution = { node, direction: "backward data", attributes, src, weights, bias: undefined, dst };
  const { primitive, memory, at } = choose(program, call);
  program.emitPrimitive(
    node,
    primitive,
    [
      [at.dst, program.use(dst, memory.dst)],
      [at.weights, program.use(weights, memory.weights)],
      [at.src, made(program, src, memory.src)],
    ],
    { macs: macs(program, weights, dst) },
  );
}

export function lowerConvolutionBackwardWeights(node: Node<"convolution_backward_weights">, program: Program): void {
  const call = backwardWeightsCall(node);
  const { src, weights, bias, dst } = call;
  const { primitive, memory, at } = choose(program, call);
  program.emitPrimitive(
    node,
    primitive,
    [
      [at.src, program.use(src, memory.src)],
      [at.dst, program.use(dst, memory.dst)],
      [at.weights, program.define(weights, memory.weights)],
      ...(bias === undefined ? [] : [[at.bias, program.define(bias, program.plain(bias))] as const]),
    ],
    { macs: macs(program, weights, dst) },
  );
}

function backwardWeightsCall(node: Node<"convolution_backward_weights">): Convolution {
  const [src = "", dst = ""] = node.inputs;
  const [weights = "", bias] = node.outputs;
  return { node, direction: "backward weights", attributes: node.attributes, src, weights, bias, dst };
}

function choose(program: Program, call: Convolution): ConvolutionCandidate {
  const offered = candidatesOf(program, call);
  const chosen = program.tuner.choose(keyOf(program, call), offered);
  return required(
    offered.find((candidate) => candidate === chosen),
    `candidate of "${call.node.name}"`,
  );
}

/**
 * In bf16 the f32 weights are read through a reorder anyway, so they live in the layout their gradient is made in: the
 * optimizer then finds both alike.
 */
function settleHome(program: Program, weights: string): void {
  if (program.precision === "f32" || program.homes.has(weights)) return;
  const optimizer = program.graph.nodes.find(({ op, inputs }) => op === "nesterov_sgd" && inputs[0] === weights);
  const gradient = producers(program.graph).get(optimizer?.inputs[1] ?? "");
  if (gradient?.op !== "convolution_backward_weights" || gradient.attributes.groups > 1) return;
  const { primitive, memory } = choose(program, backwardWeightsCall(gradient));
  program.home(weights, memory.weights);
  primitive.destroy();
}

/** The memory of a result, under the name that the other steps know its layout by. */
function made(program: Program, value: string, descriptor: MemoryDescriptor): View {
  const preferred = program.preferred(program.shape(value));
  if (!samePlaces(program.library, preferred, descriptor)) return program.define(value, descriptor);
  return { ...program.define(value, preferred), descriptor };
}

function macs(program: Program, weights: string, dst: string): number {
  const [batch = 0, , height = 0, width = 0] = program.shape(dst);
  return batch * height * width * elementCount(program.shape(weights));
}
