/** Lowers batch normalisation, forward and backward, with a following ReLU in the same pass. */
import { required } from "../../../core/errors.ts";
import type { Node } from "../../../graph/graph.ts";
import type { Operation } from "../ffi/abi.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, type MemoryDescriptor } from "../ffi/memory.ts";
import { type NormalizationOptions, normalizationBackward, normalizationForward } from "../ffi/operations.ts";
import { firstImplementation, implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import { Refusal } from "../ffi/refusal.ts";
import { type Candidate, type PartArgument, primitivesOf } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";

type Forward = Node<"batch_normalization" | "batch_normalization_training">;

export function lowerNormalization(node: Forward, program: Program): void {
  const isTraining = node.op === "batch_normalization_training";
  const relu = program.fusions.reluAfter.get(node);
  const [src = "", scale = "", shift = "", mean = "", variance = ""] = node.inputs;
  const [dst = "", batchMean = "", batchVariance = ""] = node.outputs;
  const data = program.image(src);
  const primitive = describeForward(program, node, data, relu !== undefined);
  const workspace = isTraining && relu !== undefined ? program.allocate(primitive.memory("workspace")) : undefined;
  const vector = (value: string): View => program.use(value, program.plain(value));
  const statistics = isTraining
    ? [program.define(batchMean, program.plain(batchMean)), program.define(batchVariance, program.plain(batchVariance))]
    : [vector(mean), vector(variance)];
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, data],
      [argument.scale, vector(scale)],
      [argument.shift, vector(shift)],
      [argument.mean, required(statistics[0], "mean")],
      [argument.variance, required(statistics[1], "variance")],
      [argument.dst, program.define(relu?.outputs[0] ?? dst, data.descriptor)],
      ...(workspace === undefined ? [] : [[argument.workspace, workspace] as const]),
    ],
    relu === undefined ? {} : { fused: "ReLU" },
  );
  if (isTraining) program.forwardOf.set(batchMean, { primitive, workspace });
}

function describeForward(program: Program, node: Forward, data: View, fuseRelu: boolean): PrimitiveDescriptor {
  const isTraining = node.op === "batch_normalization_training";
  const options: NormalizationOptions = {
    epsilon: node.attributes.epsilon,
    statistics: isTraining ? "batch" : "running",
    fuseRelu,
  };
  const operation = normalizationForward(program.library, data.descriptor, isTraining, options);
  return required(firstImplementation(program.library, operation), `implementation of "${node.name}"`);
}

export function lowerNormalizationTrainingBackward(
  node: Node<"batch_normalization_training_backward">,
  program: Program,
): void {
  const [src = "", mean = "", variance = "", scale = "", ownDiff = ""] = node.inputs;
  const relu = program.fusions.reluBackwardBefore.get(node);
  const data = program.image(src);
  const forward = program.forwardOf.get(mean);
  if (forward === undefined)
    throw new Refusal("differentiate a batch normalisation", "its forward step runs on the host");
  emitBackward(node, program, {
    data,
    diff: program.use(relu?.inputs[1] ?? ownDiff, data.descriptor),
    mean,
    variance,
    scale,
    hint: forward.primitive,
    workspace: forward.workspace,
    options: { epsilon: node.attributes.epsilon, statistics: "batch", fuseRelu: relu !== undefined },
  });
}

/** The gradient with frozen statistics, where mean and variance are constants. */
export function lowerNormalizationBackward(node: Node<"batch_normalization_backward">, program: Program): void {
  const [src = "", scale = "", mean = "", variance = "", diff = ""] = node.inputs;
  const data = program.image(src);
  const options = { epsilon: node.attributes.epsilon, statistics: "running", fuseRelu: false } as const;
  const operation = normalizationForward(program.library, data.descriptor, true, options);
  const hint = required(firstImplementation(program.library, operation), `forward step of "${node.name}"`);
  program.own(hint);
  emitBackward(node, program, {
    data,
    diff: program.use(diff, data.descriptor),
    mean,
    variance,
    scale,
    hint,
    workspace: undefined,
    options,
  });
}

interface Backward {
  readonly data: View;
  readonly diff: View;
  readonly mean: string;
  readonly variance: string;
  readonly scale: string;
  readonly hint: PrimitiveDescriptor;
  readonly workspace: View | undefined;
  readonly options: NormalizationOptions;
}

function emitBackward(
  node: Node<"batch_normalization_training_backward" | "batch_normalization_backward">,
  program: Program,
  { data, diff, mean, variance, scale, hint, workspace, options }: Backward,
): void {
  const [diffSrc = "", diffScale = "", diffShift = ""] = node.outputs;
  const operation = normalizationBackward(program.library, data.descriptor, data.descriptor, options);
  // The format of a ReLU's mask is specific to a pair of forward and backward kernels, so both are chosen together.
  const primitive =
    workspace === undefined
      ? fastestBackward(program, operation, hint, data.descriptor, options)
      : firstImplementation(program.library, operation, hint);
  const vector = (value: string): View => program.use(value, program.plain(value));
  const result = program.define(diffSrc, data.descriptor);
  program.emitPrimitive(
    node,
    primitive,
    [
      [argument.src, data],
      [argument.mean, vector(mean)],
      [argument.variance, vector(variance)],
      [argument.scale, vector(scale)],
      ...(program.library.abi.normalizationBackwardTakesShift ? [[argument.shift, vector(scale)] as const] : []),
      [argument.diffDst, diff],
      [argument.diffSrc, result],
      [argument.diffScale, program.define(diffScale, program.plain(diffScale))],
      [argument.diffShift, program.define(diffShift, program.plain(diffShift))],
      ...(workspace === undefined ? [] : [[argument.workspace, workspace] as const]),
    ],
    { inPlace: [diff, result], ...(options.fuseRelu ? { fused: "ReLU" } : {}) },
  );
}

/** The fastest implementation. In channels-last, oneDNN 2.6 has two whose times differ by up to a third. */
function fastestBackward(
  program: Program,
  operation: Operation,
  hint: PrimitiveDescriptor,
  image: MemoryDescriptor,
  { statistics }: NormalizationOptions,
): PrimitiveDescriptor {
  const { library } = program;
  const [batch = 1, channels = 1, ...pixels] = image.shape;
  const found = [...implementations(library, operation, hint, library.attributes)];
  const fast = found.filter((primitive, index) => index === 0 || !/ref|nspc/.test(primitive.implementation));
  const vector = { descriptor: describeMemory(library, [channels], "plain") };
  const operands = { src: { descriptor: image }, diffDst: { descriptor: image }, diffSrc: { descriptor: image } };
  const candidates = fast.map(
    (primitive): Candidate => ({
      name: primitive.implementation,
      parts: [{ primitive, arguments: backwardArguments(library.abi.normalizationBackwardTakesShift) }],
      operands: { ...operands, mean: vector, variance: vector, scale: vector, diffScale: vector, diffShift: vector },
      // The variance stays zero, because pseudo-random numbers could be negative.
      inputs: ["src", "diffDst", "mean", "scale"],
      output: "diffSrc",
      reorders: [],
    }),
  );
  const extents = [batch, channels, ...pixels].join("x");
  const key = `batch normalization backward, ${statistics} statistics, ${program.layout} ${extents} ${image.type}`;
  const [chosen] = primitivesOf(program.tuner.choose(key, candidates));
  for (const primitive of found) if (primitive !== chosen) primitive.destroy();
  return required(chosen, "gradient of a batch normalization");
}

/** Arguments by role. If the library requires the shift, any vector may stand for it. */
function backwardArguments(takesShift: boolean): readonly PartArgument[] {
  return [
    { index: argument.src, role: "src" },
    { index: argument.mean, role: "mean" },
    { index: argument.variance, role: "variance" },
    { index: argument.scale, role: "scale" },
    ...(takesShift ? [{ index: argument.shift, role: "scale" }] : []),
    { index: argument.diffDst, role: "diffDst" },
    { index: argument.diffSrc, role: "diffSrc" },
    { index: argument.diffScale, role: "diffScale" },
    { index: argument.diffShift, role: "diffShift" },
  ];
}
