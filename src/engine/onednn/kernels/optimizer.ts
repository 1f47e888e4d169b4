/**
 * The optimizer of large tensors. It runs on all threads, in the engine's memory and in the parameters' own layout. It
 * works in pieces that fit into a core's cache, so that only the first pass over weights, gradient and velocity reads
 * main memory.
 */
import type { Node } from "../../../graph/graph.ts";
import { isWeightStep } from "../../../graph/weight-steps.ts";
import { describeMemory } from "../ffi/memory.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { emitElementwise } from "./elementwise.ts";
import { emitReferenceKernel, lowerUpdate, mayOverwrite, type ShapedView } from "./host.ts";

/** For fewer elements, a loop in JavaScript is faster than two calls. */
const SMALLEST = 2048;
/** Elements of a piece: four arrays of this size fill a common L2 cache of 1 MiB in two threads. */
const PIECE = 131_072;

/**
 * The factor that clips gradients. Each gradient is read in the layout that its optimizer reads too, so none is
 * reordered. The padding of a layout is zero and does not change the norm.
 */
export function lowerClipFactor(node: Node<"clip_factor">, program: Program): void {
  const inputs = node.inputs.map((gradient): ShapedView => {
    const step = program.graph.nodes.find(({ op, inputs: [, read] }) => isWeightStep(op) && read === gradient);
    const descriptor = step === undefined ? program.plain(gradient) : program.home(step.inputs[0] ?? "").descriptor;
    return { view: program.use(gradient, descriptor), shape: [descriptor.bytes / Float32Array.BYTES_PER_ELEMENT] };
  });
  const [factor = ""] = node.outputs;
  const output = { view: program.define(factor, program.plain(factor)), shape: program.shape(factor) };
  emitReferenceKernel(node, program, inputs, [output]);
}

/**
 * v ← μv + g + wd·w, then w ← w − η·(g + wd·w + μv), see `autodiff/nesterov.ts`. η is an input, so it is a tensor with
 * one element. The factor of the gradient, if there is one, is such a tensor too.
 */
export function lowerNesterov(node: Node<"nesterov_sgd">, program: Program): void {
  const [parameter = "", gradient = "", velocity = "", learningRate = "", factor] = node.inputs;
  const { descriptor } = program.home(parameter);
  const count = descriptor.bytes / Float32Array.BYTES_PER_ELEMENT;
  if (count < SMALLEST || !mayOverwrite(node, [0, 2], program)) {
    lowerUpdate(node, program);
    return;
  }
  const [w, g, v] = [parameter, gradient, velocity].map((value) => program.use(value, descriptor)) as [
    View,
    View,
    View,
  ];
  program.alias(node.outputs[0] ?? "", w);
  program.alias(node.outputs[1] ?? "", v);
  const rate = program.use(learningRate, program.plain(learningRate));
  const clip = factor === undefined ? undefined : program.use(factor, program.plain(factor));
  for (let start = 0; start < count; start += PIECE) {
    const flat = describeMemory(program.library, [Math.min(PIECE, count - start)], "plain");
    const piece = ({ slot }: View): View => ({
      slot,
      descriptor: flat,
      offset: start * Float32Array.BYTES_PER_ELEMENT,
    });
    stepPiece(node, program, { weights: piece(w), gradient: piece(g), velocity: piece(v), rate, clip });
  }
}

interface Piece {
  readonly weights: View;
  readonly gradient: View;
  readonly velocity: View;
  /** η, one number. */
  readonly rate: View;
  /** Factor of the gradient, one number. */
  readonly clip: View | undefined;
}

/** Two passes over a piece. The second finds the piece in a core's cache. */
function stepPiece(node: Node<"nesterov_sgd">, program: Program, piece: Piece): void {
  const { momentum, weightDecay } = node.attributes;
  const { weights, velocity, rate } = piece;
  const gradient = clipped(node, program, piece);
  emitElementwise(node, program, {
    kind: "add",
    sources: [gradient, weights],
    factors: [1, weightDecay],
    afterwards: [{ kind: "accumulate", factor: momentum }],
    dst: velocity,
  });
  emitElementwise(node, program, {
    kind: "add",
    sources: [velocity, weights],
    factors: [-momentum, -weightDecay],
    afterwards: [
      { kind: "subtract", operand: gradient },
      { kind: "multiply", operand: rate },
      { kind: "add", operand: weights },
    ],
    dst: weights,
  });
}

/** Writes the gradient times its factor into separate memory. */
function clipped(node: Node<"nesterov_sgd">, program: Program, { gradient, clip }: Piece): View {
  if (clip === undefined) return gradient;
  const dst = program.allocate(gradient.descriptor);
  emitElementwise(node, program, { kind: "multiply", sources: [gradient, clip], dst });
  return dst;
}
