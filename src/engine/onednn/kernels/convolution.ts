/**
 * Convolution in three directions: the steps of the implementation that `convolution-candidates.ts` offers and the tuner
 * finds fastest.
 */
import { required } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { type Node, producers } from "../../../graph/graph.ts";
import type { PassedOver } from "../../engine.ts";
import { type MemoryDescriptor, samePlaces } from "../ffi/memory.ts";
import { primitivesOf } from "../planner/candidate.ts";
import type { Program, View } from "../planner/program.ts";
import { candidatesOf, keyOf } from "./convolution-candidates.ts";
import type { Convolution, ConvolutionCandidate } from "./formulation.ts";

export function lowerConvolution(node: Node<"convolution">, program: Program): void {
  const [src = "", weights = "", bias] = node.inputs;
  const [dst = ""] = node.outputs;
  const call: Convolution = { node, direction: "forward", attributes: node.attributes, src, weights, bias, dst };
  settleHome(program, weights);
  const chosen = choose(program, call);
  const { memory } = chosen;
  const result = made(program, dst, memory.dst);
  emit(program, call, chosen, {
    src: program.use(src, memory.src),
    weights: program.use(weights, memory.weights),
    ...(bias === undefined ? {} : { bias: program.use(bias, program.plain(bias)) }),
    dst: result,
  });
  settle(program, dst, result);
}

export function lowerConvolutionBackwardData(node: Node<"convolution_backward_data">, program: Program): void {
  const [dst = "", weights = ""] = node.inputs;
  const [src = ""] = node.outputs;
  const { attributes } = node;
  const call: Convolution = { node, direction: "backward data", attributes, src, weights, bias: undefined, dst };
  const chosen = choose(program, call);
  const { memory } = chosen;
  const result = made(program, src, memory.src);
  emit(program, call, chosen, {
    dst: program.use(dst, memory.dst),
    weights: program.use(weights, memory.weights),
    src: result,
  });
  settle(program, src, result);
}

export function lowerConvolutionBackwardWeights(node: Node<"convolution_backward_weights">, program: Program): void {
  const call = backwardWeightsCall(node);
  const { src, weights, bias, dst } = call;
  const chosen = choose(program, call);
  const { memory } = chosen;
  emit(program, call, chosen, {
    src: program.use(src, memory.src),
    dst: program.use(dst, memory.dst),
    weights: program.define(weights, memory.weights),
    ...(bias === undefined ? {} : { bias: program.define(bias, program.plain(bias)) }),
  });
}

/** The calls of a candidate, on views by role. */
function emit(
  program: Program,
  call: Convolution,
  { parts }: ConvolutionCandidate,
  views: Readonly<Record<string, View>>,
): void {
  for (const part of parts) {
    const bound = part.arguments.map(({ index, role, piece }) => {
      const view = required(views[role], `"${role}" of "${call.node.name}"`);
      return [index, piece === undefined ? view : { slot: view.slot, ...piece }] as const;
    });
    program.emitPrimitive(call.node, part.primitive, bound, {
      macs: macs(program, call.weights, call.dst) / parts.length,
    });
  }
}

function backwardWeightsCall(node: Node<"convolution_backward_weights">): Convolution {
  const [src = "", dst = ""] = node.inputs;
  const [weights = "", bias] = node.outputs;
  return { node, direction: "backward weights", attributes: node.attributes, src, weights, bias, dst };
}

interface Choice {
  readonly chosen: ConvolutionCandidate;
  /** What the library refused on the way. */
  readonly passedOver: readonly PassedOver[];
}

/** What each program has chosen, by key: equal layers share one description. */
const choicesOf = new WeakMap<Program, Map<string, Choice>>();

function choose(program: Program, call: Convolution): ConvolutionCandidate {
  const choices = choicesOf.get(program) ?? new Map<string, Choice>();
  choicesOf.set(program, choices);
  const key = keyOf(program, call);
  const known = choices.get(key);
  if (known !== undefined) {
    for (const passedOver of known.passedOver) program.passOver(call.node.name, passedOver);
    return known.chosen;
  }
  const offered = candidatesOf(program, call);
  const best = program.tuner.choose(key, offered);
  const chosen = required(
    offered.find((candidate) => candidate === best),
    `candidate of "${call.node.name}"`,
  );
  for (const primitive of primitivesOf(chosen)) program.own(primitive);
  choices.set(key, { chosen, passedOver: program.passedOver(call.node.name) });
  return chosen;
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
  const chosen = choose(program, backwardWeightsCall(gradient));
  program.home(weights, chosen.memory.weights);
}

/**
 * The memory of a result: under the name that the other steps know its layout by, and not yet the value itself where it
 * is in another precision than the plan's.
 */
function made(program: Program, value: string, descriptor: MemoryDescriptor): View {
  if (descriptor.type !== program.precision) return program.allocate(descriptor);
  const preferred = program.preferred(program.shape(value));
  if (!samePlaces(program.library, preferred, descriptor)) return program.define(value, descriptor);
  return { ...program.define(value, preferred), descriptor };
}

/** Brings a result into the plan's precision. */
function settle(program: Program, value: string, result: View): void {
  if (result.descriptor.type === program.precision) return;
  program.reorder(value, result, program.define(value, program.preferred(program.shape(value))));
}

function macs(program: Program, weights: string, dst: string): number {
  const [batch = 0, , height = 0, width = 0] = program.shape(dst);
  return batch * height * width * elementCount(program.shape(weights));
}
