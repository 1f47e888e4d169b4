/**
 * Lowers convolutions in three directions: emits the steps of the fastest of the candidates that
 * `convolution-candidates.ts` lists.
 */

import { required } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { type Node, producers } from "../../../graph/graph.ts";
import { isWeightStep } from "../../../graph/weight-steps.ts";
import { type MemoryDescriptor, samePlaces } from "../ffi/memory.ts";
import { primitivesOf } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import type { Tuner } from "../planner/tuning.ts";
import { keyOf, type Offer, offerOf, sharedKeyOf, withWeights } from "./convolution-candidates.ts";
import type { Convolution, ConvolutionCandidate } from "./formulation.ts";

export function lowerConvolution(node: Node<"convolution">, program: Program): void {
  const call = callOf(node);
  const { src, weights, bias, dst } = call;
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
  const call = callOf(node);
  const { src, weights, dst } = call;
  const chosen = choose(program, call);
  const { memory } = chosen;
  const result = made(program, src, memory.src, chosen.writesPart);
  emit(program, call, chosen, {
    dst: program.use(dst, memory.dst),
    weights: program.use(weights, memory.weights),
    src: result,
  });
  settle(program, src, result);
}

export function lowerConvolutionBackwardWeights(node: Node<"convolution_backward_weights">, program: Program): void {
  const call = callOf(node);
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

/** The values of a node by their roles in the forward direction. */
function callOf(node: ConvolutionNode): Convolution {
  const [first = "", second = "", third] = node.inputs;
  const [result = "", diffBias] = node.outputs;
  const { attributes } = node;
  switch (node.op) {
    case "convolution":
      return { node, direction: "forward", attributes, src: first, weights: second, bias: third, dst: result };
    case "convolution_backward_data":
      return {
        node,
        direction: "backward data",
        attributes,
        src: result,
        weights: second,
        bias: undefined,
        dst: first,
      };
    case "convolution_backward_weights":
      return {
        node,
        direction: "backward weights",
        attributes,
        src: first,
        weights: result,
        bias: diffBias,
        dst: second,
      };
  }
}

/** Emits the calls of a candidate on views by role. */
function emit(
  program: Program,
  call: Convolution,
  { parts, work = {} }: ConvolutionCandidate,
  operands: Readonly<Record<string, View>>,
): void {
  const own = Object.entries(work).map(([role, { descriptor, isShared }]) => {
    const view = isShared ? program.workspace(role, descriptor) : program.allocate(descriptor, true);
    return [role, view] as const;
  });
  const views = { ...operands, ...Object.fromEntries(own) };
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

/** The chosen candidates of each program, by key, so that equal layers share one description. */
const choicesOf = new WeakMap<Program, Map<string, ConvolutionCandidate>>();
/** The candidates that each tuner has got, by key. */
const offersOf = new WeakMap<Tuner, Map<string, Offer>>();

function offered(program: Program, call: Convolution, key: string): Offer {
  const offers = offersOf.get(program.tuner) ?? new Map<string, Offer>();
  offersOf.set(program.tuner, offers);
  const offer = offers.get(key) ?? offerOf(program, call);
  offers.set(key, offer);
  return offer;
}

function choose(program: Program, call: Convolution): ConvolutionCandidate {
  const choices = choicesOf.get(program) ?? new Map<string, ConvolutionCandidate>();
  choicesOf.set(program, choices);
  const key = keyOf(program, call);
  const offer = offered(program, call, key);
  for (const passedOver of offer.refused) program.passOver(call.node.name, passedOver);
  const known = choices.get(key);
  if (known !== undefined) return known;
  const candidates = offer.candidates.map((candidate) => withWeights(program, call, candidate));
  const shared = sharedKeyOf(program, call);
  const { tuner } = program;
  // A plan that repeats choices times nothing. It repeats a choice only under the convolution's own key.
  const isRepeated = tuner.hasChosen(key) && !tuner.hasChosen(shared);
  const isOwn = isRepeated || !tuner.canDecide(shared, candidates);
  const best = tuner.choose(isOwn ? key : shared, candidates);
  const chosen = required(
    candidates.find((candidate) => candidate === best),
    `candidate of "${call.node.name}"`,
  );
  for (const primitive of primitivesOf(chosen)) program.own(primitive);
  choices.set(key, chosen);
  return chosen;
}

/** Lowers a convolution or one of its gradients. */
export type ConvolutionNode = Node<"convolution" | "convolution_backward_data" | "convolution_backward_weights">;

/**
 * Milliseconds of `node` with images in the program's present layout; undefined if there is no time left to measure.
 * `rival`: milliseconds in the other layout, if they are known.
 */
export function estimateConvolution(program: Program, node: ConvolutionNode, rival?: number): number | undefined {
  const call = callOf(node);
  const shared = sharedKeyOf(program, call);
  return program.tuner.time(`fastest ${shared}`, () => {
    const { candidates } = offered(program, call, keyOf(program, call));
    return candidates.length === 0 ? Number.POSITIVE_INFINITY : program.tuner.firstRound(shared, candidates, rival);
  });
}

/** Destroys the candidates that are not part of `program`. */
export function withdrawOffers(program: Program): void {
  for (const { candidates } of offersOf.get(program.tuner)?.values() ?? []) {
    for (const primitive of candidates.flatMap((candidate) => [...primitivesOf(candidate)])) {
      if (!program.owns(primitive)) primitive.destroy();
    }
  }
  offersOf.delete(program.tuner);
}

/**
 * In bf16 the f32 weights are read through a reorder anyway, so they are stored in the layout of their gradient. The
 * optimizer then reads both in the same layout.
 */
function settleHome(program: Program, weights: string): void {
  if (program.precision === "f32" || program.homes.has(weights)) return;
  const optimizer = program.graph.nodes.find(({ op, inputs }) => isWeightStep(op) && inputs[0] === weights);
  const gradient = producers(program.graph).get(optimizer?.inputs[1] ?? "");
  if (gradient?.op !== "convolution_backward_weights" || gradient.attributes.groups > 1) return;
  program.within(gradient, () => program.home(weights, choose(program, callOf(gradient)).memory.weights));
}

/**
 * The memory of a result. It has the descriptor that other steps use for its layout. If its precision is not the
 * plan's, it is not yet the value itself. A result that is written only in part has memory of its own, whose zeros are
 * written once.
 */
function made(program: Program, value: string, descriptor: MemoryDescriptor, isPart = false): View {
  if (descriptor.type !== program.precision) return program.allocate(descriptor, isPart);
  const preferred = program.preferred(program.shape(value));
  if (!samePlaces(program.library, preferred, descriptor)) return program.define(value, descriptor, isPart);
  return { ...program.define(value, preferred, isPart), descriptor };
}

/** Converts a result into the plan's precision. */
function settle(program: Program, value: string, result: View): void {
  if (result.descriptor.type === program.precision) return;
  program.reorder(value, result, program.define(value, program.preferred(program.shape(value))));
}

function macs(program: Program, weights: string, dst: string): number {
  const [batch = 0, , ...pixels] = program.shape(dst);
  return batch * elementCount(pixels) * elementCount(program.shape(weights));
}
