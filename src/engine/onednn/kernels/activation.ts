/** Lowers the `activation` op. A hard sigmoid is a linear function followed by a clip. */
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import {
  type Activation,
  activationBackward,
  activationForward,
  isLibraryFunction,
} from "../ffi/elementwise-operations.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { lowerToHost } from "./host.ts";

const between0And1 = { minimum: 0, maximum: 1 } as const;

export function lowerFunction(node: Node<"activation">, program: Program): void {
  const [src = ""] = node.inputs;
  const { attributes } = node;
  if (!isLibraryFunction(attributes)) {
    lowerToHost(node, program);
    return;
  }
  const data = program.image(src);
  const result = program.define(node.outputs[0] ?? "", data.descriptor);
  if (attributes.function === "hard_sigmoid") {
    const { slope, offset } = attributes;
    emitForward(node, program, { function: "linear", slope, offset }, data, result);
    emitForward(node, program, between0And1, result, result);
  } else {
    emitForward(node, program, attributes, data, result);
  }
}

/** Emits `activation` of `src` into `dst`, which has the same layout, as a step of `node`. */
export function emitForward(node: Node, program: Program, activation: Activation, src: View, dst: View): void {
  const operation = activationForward(program.library, activation, src.descriptor);
  const bound = [
    [argument.src, src],
    [argument.dst, dst],
  ] as const;
  const primitive = firstImplementation(program.library, operation);
  program.emitPrimitive(node, primitive, bound, src.slot === dst.slot ? {} : { inPlace: [src, dst] });
}

export function lowerFunctionBackward(node: Node<"activation_backward">, program: Program): void {
  const [src = "", diffDst = ""] = node.inputs;
  const { attributes } = node;
  if (!isLibraryFunction(attributes)) {
    lowerToHost(node, program);
    return;
  }
  const data = program.image(src);
  const incoming = program.use(diffDst, data.descriptor);
  const outgoing = program.define(node.outputs[0] ?? "", data.descriptor);
  if (attributes.function === "hard_sigmoid") {
    const { slope, offset } = attributes;
    const clipped = program.allocate(data.descriptor);
    emitForward(node, program, { function: "linear", slope, offset }, data, clipped);
    emitForward(node, program, between0And1, clipped, clipped);
    emitBackward(node, program, between0And1, clipped, incoming, outgoing);
    emitForward(node, program, { function: "linear", slope, offset: 0 }, outgoing, outgoing);
  } else {
    emitBackward(node, program, attributes, data, incoming, outgoing);
  }
}

function emitBackward(
  node: Node,
  program: Program,
  activation: Activation,
  data: View,
  incoming: View,
  outgoing: View,
): void {
  const { library } = program;
  const hint = firstImplementation(library, activationForward(library, activation, data.descriptor));
  program.own(hint);
  const operation = activationBackward(library, activation, data.descriptor, data.descriptor);
  const isOfDst = activation === "ReLU" || "minimum" in activation;
  program.emitPrimitive(
    node,
    firstImplementation(library, operation, hint),
    [
      [isOfDst ? argument.dst : argument.src, data],
      [argument.diffDst, incoming],
      [argument.diffSrc, outgoing],
    ],
    { inPlace: [incoming, outgoing] },
  );
}
