/**
 * What a network learns if its own original outputs are its targets: for each output, whether its values are logits of
 * classes or numbers of any other meaning.
 */
import { elementCount } from "../core/tensor.ts";
import { type Graph, producers } from "./graph.ts";
import { isSoftmaxOfClasses } from "./logits.ts";
import { withoutDeadNodes } from "./rewrite.ts";
import { inferShapes } from "./shapes.ts";

/** `logits`: along axis 1 stand the classes of one answer. `values`: a map or a vector. */
export const outputKinds = ["logits", "values"] as const;
export type OutputKind = (typeof outputKinds)[number];

export interface GraphOutput {
  readonly name: string;
  readonly kind: OutputKind;
  /** Numbers for one image. */
  readonly columns: number;
  /** Extent of axis 1: classes, features or channels. */
  readonly channels: number;
}

/** `graph` with the input of a softmax over the classes as its output wherever an output ends in one. */
export function withoutLastSoftmax(graph: Graph): Graph {
  const makers = producers(graph);
  const outputs = graph.outputs.map((name) => {
    const maker = makers.get(name);
    return isSoftmaxOfClasses(maker) ? (maker.inputs[0] ?? name) : name;
  });
  return withoutDeadNodes({ ...graph, outputs: [...new Set(outputs)] });
}

/** Names that exporters give to logits. */
const LOGITS = /logit|prob|class|score|label|categor/i;

/**
 * The outputs of `graph` in their order. An output is one of logits if `chosen` says so, or if it ends in a softmax
 * over axis 1. So is a vector of a linear layer with as many numbers as there are `classes`, or with a name that says
 * it.
 */
export function graphOutputs(
  graph: Graph,
  chosen: Readonly<Record<string, OutputKind>> = {},
  classes?: number,
): readonly GraphOutput[] {
  const shapes = inferShapes(graph, 1);
  const makers = producers(graph);
  return graph.outputs.map((name) => {
    const shape = shapes.get(name) ?? [];
    const [, channels = 1] = shape;
    const maker = makers.get(name);
    const isVector = shape.length === 2 && channels > 1 && maker?.op === "linear";
    const isNamed = isVector && (channels === classes || LOGITS.test(name));
    const kind = chosen[name] ?? (isSoftmaxOfClasses(maker) || isNamed ? "logits" : "values");
    return { name, kind, columns: elementCount(shape.slice(1)), channels };
  });
}
