/**
 * Convolution in three directions: the steps of the implementation that `convolution-candidates.ts` offers and the
 * tuner finds fastest.
 */
import { required } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { type Node, producers } from "../../../graph/graph.ts";
import { type MemoryDescriptor, samePlaces } from "../ffi/memory.ts";
import { primitivesOf } from "../planner/candidate.ts";
import type { Program, View } from "../planner/program.ts";
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

/** The values of a node by the roles that they play forward. */
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

/** The calls of a candidate, on views by role. */
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

/** What each program has chosen, by key: equal layers share one description. */
const choicesOf = new WeakMap<Program, Map<string, ConvolutionCandidate>>();
/** What was offered to each tuner, by key. */
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
  // A plan that repeats choices has timed nothing: what was chosen under the convolution's own key alone is so again.
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

/** A convolution, or a gradient of one. */
export type ConvolutionNode = Node<"convolution" | "convolution_backward_data" | "convolution_backward_weights">;

/**
 * Milliseconds that `node` takes with images in the program's present layout; undefined where there is no time to tell.
 * `rival`: what it takes in the other layout, if that is known.
 */
export function estimateConvolution(program: Program, node: ConvolutionNode, rival?: number): number | undefined {
  const call = callOf(node);
  const shared = sharedKeyOf(program, call);
  return program.tuner.time(`fastest ${shared}`, () => {
    const { candidates } = offered(program, call, keyOf(program, call));
    return candidates.length === 0 ? Number.POSITIVE_INFINITY : program.tuner.firstRound(shared, candidates, rival);
  });
}

/** Destroys what was offered and is not part of `program`. */
export function withdrawOffers(program: Program): void {
  for (const { candidates } of offersOf.get(program.tuner)?.values() ?? []) {
    for (const primitive of candidates.flatMap((candidate) => [...primitivesOf(candidate)])) {
      if (!program.owns(primitive)) primitive.destroy();
    }
  }
  offersOf.delete(program.tuner);
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
  program.within(gradient, () => program.home(weights, choose(program, callOf(gradient)).memory.weights));
}

/**
 * The memory of a result: under the name that the other steps know its layout by, and not yet the value itself where it
 * is in another precision than the plan's. What is written in part is the value's own memory, whose zeros are written
 * once.
 */
function made(program: Program, value: string, descriptor: MemoryDescriptor, isPart = false): View {
  if (descriptor.type !== program.precision) return program.allocate(descriptor, isPart);
  const preferred = program.preferred(program.shape(value));
  if (!samePlaces(program.library, preferred, descriptor)) return program.define(value, descriptor, isPart);
  return { ...program.define(value, preferred, isPart), descriptor };
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
