/**
 * The optimizer Muon (`autodiff/muon.ts`). Weights, gradient and velocity stay in the weights' layout. The direction is
 * reordered to a plain matrix, and Newton-Schulz iterations are matrix products of the library.
 */

import { matrixOf, NORM_EPSILON, newtonSchulz, stepScale } from "../../../autodiff/muon.ts";
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { describeMemory, type MemoryDescriptor } from "../ffi/memory.ts";
import type { Program } from "../planner/program.ts";
import { floatsOf, type View } from "../planner/steps.ts";
import { emitElementwise } from "./elementwise.ts";
import { lowerToHost, mayOverwrite } from "./host.ts";
import { emitMatrixProduct, transposed } from "./matmul.ts";

export function lowerMuon(node: Node<"muon">, program: Program): void {
  const [parameter = "", gradient = "", velocity = "", learningRate = "", factor] = node.inputs;
  if (!mayOverwrite(node, [0, 2], program)) {
    lowerToHost(node, program);
    return;
  }
  const { momentum, weightDecay } = node.attributes;
  const { descriptor } = program.home(parameter);
  const flat = flatOf(program, descriptor);
  const [weights, raw, speed] = [parameter, gradient, velocity].map((value) => ({
    ...program.use(value, descriptor),
    descriptor: flat,
  })) as [View, View, View];
  program.alias(node.outputs[0] ?? "", { ...weights, descriptor });
  program.alias(node.outputs[1] ?? "", { ...speed, descriptor });
  const rate = program.use(learningRate, program.plain(learningRate));
  let clipped = raw;
  if (factor !== undefined) {
    clipped = program.allocate(flat);
    const clip = program.use(factor, program.plain(factor));
    emitElementwise(node, program, { kind: "multiply", sources: [raw, clip], dst: clipped });
  }
  emitElementwise(node, program, { kind: "add", sources: [speed, clipped], factors: [momentum, 1], dst: speed });
  const direction = program.allocate(descriptor);
  const sources = [clipped, speed] as const;
  emitElementwise(node, program, {
    kind: "add",
    sources,
    factors: [1, momentum],
    dst: { ...direction, descriptor: flat },
  });
  const shape = program.shape(parameter);
  const orthogonal = orthogonalize(node, program, direction, shape);
  emitElementwise(node, program, {
    kind: "add",
    sources: [{ ...orthogonal, descriptor: flat }, weights],
    factors: [-stepScale(shape), -weightDecay],
    afterwards: [
      { kind: "multiply", operand: rate },
      { kind: "add", operand: weights },
    ],
    dst: weights,
  });
}

/** Memory of one axis over all elements of `descriptor`, padding included. */
function flatOf({ library }: Program, { bytes }: MemoryDescriptor): MemoryDescriptor {
  return describeMemory(library, [bytes / Float32Array.BYTES_PER_ELEMENT], "plain");
}

/** The orthogonal matrix nearest to `direction`, in the layout of `direction`. */
function orthogonalize(node: Node<"muon">, program: Program, direction: View, shape: Shape): View {
  const { library } = program;
  const { rows, columns } = matrixOf(shape);
  // The iterations correct their own rounding: 16 bits are enough for them, and products are faster.
  const type = program.precision;
  const allocate = (...sizes: number[]): View => program.allocate(describeMemory(library, sizes, "plain", type));
  const plain = program.allocate(describeMemory(library, direction.descriptor.shape, "plain"));
  program.reorder(node.name, direction, plain);
  const isTall = rows > columns;
  const short = Math.min(rows, columns);
  const flat = ({ slot, descriptor: { shape: sizes, type: own } }: View): View => ({
    slot,
    descriptor: describeMemory(library, [elementCount(sizes)], "plain", own),
  });
  let matrix = allocate(rows, columns);
  const inverse = inverseNorm(node, program, flat(plain));
  emitElementwise(node, program, { kind: "multiply", sources: [flat(plain), inverse], dst: flat(matrix) });
  const { a, b, c, iterations } = newtonSchulz;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const [square, fourth, rest] = [allocate(short, short), allocate(short, short), allocate(rows, columns)];
    const turned = transposed(program, matrix);
    if (isTall) emitMatrixProduct(node, program, turned, matrix, square);
    else emitMatrixProduct(node, program, matrix, turned, square);
    emitMatrixProduct(node, program, square, square, fourth);
    const add = (sources: readonly [View, View], factors: readonly [number, number], dst: View): void => {
      emitElementwise(node, program, {
        kind: "add",
        sources: [flat(sources[0]), flat(sources[1])],
        factors,
        dst: flat(dst),
      });
    };
    add([fourth, square], [c, b], fourth);
    if (isTall) emitMatrixProduct(node, program, matrix, fourth, rest);
    else emitMatrixProduct(node, program, fourth, matrix, rest);
    add([rest, matrix], [1, a], rest);
    matrix = rest;
  }
  const result = program.allocate(direction.descriptor);
  const orthogonal = describeMemory(library, plain.descriptor.shape, "plain", type);
  program.reorder(node.name, { ...matrix, descriptor: orthogonal }, result);
  return result;
}

/** 1 / (‖values‖ + ε), one number. */
function inverseNorm(node: Node, program: Program, values: View): View {
  const result = program.allocate(describeMemory(program.library, [1], "plain"));
  program.emitHost(node, "norm", [values], [result], (placement) => {
    const [read, written] = [floatsOf(values, placement), floatsOf(result, placement)];
    return () => {
      let squares = 0;
      // Over every weight at every step: a plain loop, without a call for each.
      for (let index = 0; index < read.length; index++) squares += (read[index] ?? 0) ** 2;
      written[0] = 1 / (Math.sqrt(squares) + NORM_EPSILON);
    };
  });
  return result;
}
