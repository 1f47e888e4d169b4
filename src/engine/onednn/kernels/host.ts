/** Lowers ops to the reference kernel, if oneDNN has no primitive for them or they are too small to matter. */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import type { OutputArray, TypedTensor } from "../../reference/kernel.ts";
import { runReferenceKernel } from "../../reference/kernels.ts";
import type { Program } from "../planner/program.ts";
import { floatsOf, integersOf, type Placement, type View } from "../planner/steps.ts";

/** Lowers any node to its reference kernel, on plain arrays. */
export function lowerToHost(node: Node, program: Program): void {
  const inputs = node.inputs.map((value) => program.use(value, program.plain(value)));
  const outputs = node.outputs.map((value) => program.define(value, program.plain(value)));
  emitReferenceKernel(
    node,
    program,
    inputs.map((view, index) => ({ view, shape: program.shape(node.inputs[index] ?? "") })),
    outputs.map((view, index) => ({ view, shape: program.shape(node.outputs[index] ?? "") })),
  );
}

/** For each output of an update: the index of the input whose next value it is. */
const stateSlots = {
  nesterov_sgd: [0, 2],
  accelerated_proximal_gradient: [0, 2],
  zero_margin: [4, 5],
  running_average: [0],
} as const;

/**
 * Lowers ops that update state. They overwrite the parameters themselves if no later step reads the old values. They
 * are element-wise, so they run in any layout of the parameter. Its padding stays zero.
 */
export function lowerUpdate(node: Node<keyof typeof stateSlots>, program: Program): void {
  const state = stateSlots[node.op];
  if (!mayOverwrite(node, state, program)) {
    lowerToHost(node, program);
    return;
  }
  const [parameter = ""] = node.inputs;
  // A running statistic that is updated several times in a step is a parameter only the first time.
  const isParameter = program.graph.parameters.some(({ name }) => name === parameter);
  const descriptor = isParameter ? program.home(parameter).descriptor : program.plain(parameter);
  const flat: Shape = [descriptor.bytes / Float32Array.BYTES_PER_ELEMENT];
  const inputs = node.inputs.map((value) => {
    const isElementwise = elementCount(program.shape(value)) === elementCount(program.shape(parameter));
    return isElementwise
      ? { view: program.use(value, descriptor), shape: flat }
      : { view: program.use(value, program.plain(value)), shape: program.shape(value) };
  });
  const outputs = state.flatMap((index) => inputs[index] ?? []);
  for (const [index, { view }] of outputs.entries()) program.alias(node.outputs[index] ?? "", view);
  emitReferenceKernel(node, program, inputs, outputs);
}

/** Whether no node after `node` reads its inputs at `indices`. */
export function mayOverwrite(node: Node, indices: readonly number[], program: Program): boolean {
  return indices.every((index) => isLastReader(node, node.inputs[index] ?? "", program));
}

function isLastReader(node: Node, value: string, { graph }: Program): boolean {
  const later = graph.nodes.slice(graph.nodes.indexOf(node) + 1);
  return !graph.outputs.includes(value) && !later.some(({ inputs }) => inputs.includes(value));
}

export interface ShapedView {
  readonly view: View;
  readonly shape: Shape;
}

/**
 * Emits the reference kernel of `node` on the memory of `inputs` and `outputs`. It ignores the layouts and treats the
 * memory as arrays of the given shapes.
 */
export function emitReferenceKernel(
  node: Node,
  program: Program,
  inputs: readonly ShapedView[],
  outputs: readonly ShapedView[],
): void {
  const isInteger = node.inputs.map((value) =>
    program.graph.inputs.some(({ name, dtype }) => name === value && dtype === "i32"),
  );
  const bind = (placement: Placement): (() => void) => {
    const array = ({ view, shape }: ShapedView): OutputArray => ({
      shape,
      data: floatsOf(view, placement).subarray(0, elementCount(shape)),
    });
    const sources = inputs.map(
      (input, index): TypedTensor =>
        isInteger[index] === true
          ? { dtype: "i32", shape: input.shape, data: integersOf(input.view, placement) }
          : { dtype: "f32", ...array(input) },
    );
    const targets = outputs.map(array);
    return () => runReferenceKernel(node, sources, targets);
  };
  program.emitHost(
    node,
    "host",
    inputs.map(({ view }) => view),
    outputs.map(({ view }) => view),
    bind,
  );
}
