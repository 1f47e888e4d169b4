/**
 * What a network learns if its own original outputs are its targets: for each output, whether its values are logits of
 * classes or numbers of any other meaning.
 */
import { elementCount } from "../core/tensor.ts";
import { type Graph, producers } from "./graph.ts";
import { isSoftmaxOfClasses } from "./logits.ts";
import { withoutDeadNodes } from "./rewrite.ts";
import { inferShapes } from "./shapes.ts";

/**
 * `logits`: along axis 1 stand the classes of one answer. `values`: numbers of one meaning, a vector or a map.
 * `channels`: each channel has a meaning and a unit of its own, as the boxes and scores of a detector.
 */
export const outputKinds = ["logits", "values", "channels"] as const;
export type OutputKind = (typeof outputKinds)[number];

export interface GraphOutput {
  readonly name: string;
  readonly kind: OutputKind;
  /** Numbers for one image. */
  readonly columns: number;
  /** Classes, features or channels: the extent of axis 1, or of the last axis. */
  readonly channels: number;
  /** Whether the channels are the last axis. */
  readonly hasChannelsLast?: true;
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
 * it. A map of several channels is one of channels. Where there are two axes, the shorter one has the channels: lists
 * of boxes are written either way.
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
    const found = isSoftmaxOfClasses(maker) || isNamed ? "logits" : shape.length > 2 ? "channels" : "values";
    const kind = chosen[name] ?? found;
    const columns = elementCount(shape.slice(1));
    if (kind !== "channels") return { name, kind, columns, channels };
    const last = shape.at(-1) ?? 1;
    if (shape.length === 3 && last < channels) return { name, kind, columns, channels: last, hasChannelsLast: true };
    // One channel has one meaning.
    return { name, kind: channels > 1 || chosen[name] === kind ? kind : "values", columns, channels };
  });
}
