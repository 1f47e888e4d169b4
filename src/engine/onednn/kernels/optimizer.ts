/**
 * The optimizer of large tensors, in the engine's memory and the parameters' own layout, by all threads. In pieces that
 * stay in a core's cache, so that of three passes over weights, gradient and velocity only the first goes to memory.
 */
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory } from "../ffi/memory.ts";
import { binaryOperation } from "../ffi/operations.ts";
import { firstImplementation, sumDescriptor } from "../ffi/primitive.ts";
import type { Program, View } from "../planner/program.ts";
import { emitReferenceKernel, lowerUpdate, mayOverwrite, type ShapedView } from "./host.ts";

/** Elements below which three calls cost more than a loop in JavaScript. */
const SMALLEST = 16_384;
/** Elements of a piece: four arrays of it fill the 1 MiB of a usual L2 cache in two threads. */
const PIECE = 131_072;

/**
 * The factor that clips gradients. Each is read in the layout its optimizer reads it in too, so none is reordered for it; what
 * pads a layout is zero and adds nothing.
 */
export function lowerClipFactor(node: Node<"clip_factor">, program: Program): void {
  const inputs = node.inputs.map((gradient): ShapedView => {
    const step = program.graph.nodes.find(({ op, inputs: [, read] }) => op === "nesterov_sgd" && read === gradient);
    const descriptor = step === undefined ? program.plain(gradient) : program.home(step.inputs[0] ?? "").descriptor;
    return { view: program.use(gradient, descriptor), shape: [descriptor.bytes / Float32Array.BYTES_PER_ELEMENT] };
  });
  const [factor = ""] = node.outputs;
  const output = { view: program.define(factor, program.plain(factor)), shape: program.shape(factor) };
  emitReferenceKernel(node, program, inputs, [output]);
}

/**
 * v ← μv + g + wd·w, then w ← w − η·(g + wd·w + μv), see `autodiff/nesterov.ts`; η is an input, so it multiplies as a
 * tensor of one number, and so does the factor of the gradient, where there is one.
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
  /** Of the gradient, one number. */
  readonly clip: View | undefined;
}

function stepPiece(node: Node<"nesterov_sgd">, program: Program, piece: Piece): void {
  const { library } = program;
  const { momentum, weightDecay } = node.attributes;
  const { weights, velocity, rate } = piece;
  const { descriptor } = weights;
  const gradient = clipped(node, program, piece);
  const sum = (scales: readonly number[]) =>
    sumDescriptor(
      library,
      descriptor,
      scales.map((scale) => ({ scale, source: descriptor })),
    );
  program.emitPrimitive(node, sum([momentum, 1, weightDecay]), [
    [argument.multipleSrc, velocity],
    [argument.multipleSrc + 1, gradient],
    [argument.multipleSrc + 2, weights],
    [argument.dst, velocity],
  ]);
  const direction = program.allocate(descriptor);
  program.emitPrimitive(node, sum([-1, -weightDecay, -momentum]), [
    [argument.multipleSrc, gradient],
    [argument.multipleSrc + 1, weights],
    [argument.multipleSrc + 2, velocity],
    [argument.dst, direction],
  ]);
  const multiply = binaryOperation(library, "multiply", descriptor, rate.descriptor, descriptor);
  const primitive = library.withAddition(descriptor.struct, (attributes) =>
    firstImplementation(library, multiply, undefined, attributes),
  );
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, direction],
      [argument.src1, rate],
      [argument.postOpSrc1, weights],
      [argument.dst, weights],
    ],
    { fused: "addition" },
  );
}

/** The gradient times its factor, in memory of its own. */
function clipped(node: Node<"nesterov_sgd">, program: Program, { gradient, clip }: Piece): View {
  if (clip === undefined) return gradient;
  const { library } = program;
  const { descriptor } = gradient;
  const scaled = program.allocate(descriptor);
  const multiply = binaryOperation(library, "multiply", descriptor, clip.descriptor, descriptor);
  program.emitPrimitive(node, firstImplementation(library, multiply), [
    [argument.src, gradient],
    [argument.src1, clip],
    [argument.dst, scaled],
  ]);
  return scaled;
}
