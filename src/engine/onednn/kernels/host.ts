/** The way out for ops that oneDNN has no primitive for, or that are too small to matter: the reference kernel. */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import type { OutputArray, TypedTensor } from "../../reference/kernel.ts";
import { runReferenceKernel } from "../../reference/kernels.ts";
import { floatsOf, integersOf, type Placement, type Program, type View } from "../planner/program.ts";

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

/** Inputs that the outputs of an update are the next values of, in the order of the outputs. */
const stateSlots = {
  nesterov_sgd: [0, 2],
  accelerated_proximal_gradient: [0, 2],
  zero_margin: [4, 5],
  running_average: [0],
} as const;

/**
 * The ops that carry state on: written over the parameters themselves, where nothing reads the old values later. They
 * work element by element, so they run in whatever layout the parameter has; its padding stays zero.
 */
export function lowerUpdate(node: Node<keyof typeof stateSlots>, program: Program): void {
  const state = stateSlots[node.op];
  if (!mayOverwrite(node, state, program)) {
    lowerToHost(node, program);
    return;
  }
  const [parameter = ""] = node.inputs;
  // A running statistic that is carried on within a step is no parameter after the first time.
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

/** Whether nobody reads the inputs at `indices` after `node`. */
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
 * Adds the reference kernel of `node` on the memory of `inputs` and `outputs`, whatever its layout, as it is seen
 * through their shapes.
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
