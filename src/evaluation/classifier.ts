/**
 * A classifier: images in, logits out, independent of the engine that runs it. All measurements use this interface, so
 * the same code measures our engines and ONNX Runtime.
 */
import { requireArguments } from "../core/arguments.ts";
import { InternalError, required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Normalization, Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import { type BatchInputs, feedsOf } from "../data/inputs.ts";
import type { EngineHost, PlanHandle } from "../engine/host.ts";
import type { Graph, Network, Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { fold } from "../selection/fold.ts";

/** The part of an `EngineHost` that classifiers need. */
export type Host = Pick<EngineHost, "name" | "description" | "prepare">;

export interface Classifier {
  /** Images in a call. */
  readonly batch: number;
  /**
   * Logits `[batch, classes]` of normalised images `[batch,C,H,W]`; of a network that is no classifier, all of its
   * outputs for an image in a row. `inputs`: values for its inputs besides the images, if it has any.
   */
  logits(images: Tensor, inputs?: BatchInputs): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * Prepares `network`, with its factors folded, on `host` for batches of `batch`. `onNotice` gets the engine's notices
 * about the plan. Throws the errors of `prepare`.
 */
export async function engineClassifier(
  host: Host,
  network: Network,
  batch: number,
  onNotice: (message: string) => void = () => {},
): Promise<Classifier> {
  requireArguments("engineClassifier", {
    host: [host, "engine"],
    network: [network, "network"],
    batch: [batch, "whole number"],
    onNotice: [onNotice, "function"],
  });
  const graph = fold(network.graph);
  const plan = await host.prepare(graph, { batch });
  for (const notice of plan.notices) onNotice(notice);
  const classifier = planClassifier(plan, graph, batch);
  await plan.write(parametersOf(graph, network.weights));
  return classifier;
}

/** A classifier over a prepared plan, whose weights the caller writes. Disposing of it disposes of the plan. */
export function planClassifier(plan: PlanHandle, graph: Graph, batch: number): Classifier {
  const [output] = graph.outputs;
  if (graph.inputs.length === 0 || output === undefined) {
    throw new InternalError(`${graph.name} is not a classifier: it needs an input and an output`);
  }
  const isClassifier = hasLogitsAlone(graph);
  return {
    batch,
    logits: async (images, inputs) => {
      requireArguments("classifier.logits", { images: [images, "tensor"], inputs: [inputs, "object?"] });
      const results = await plan.run(feedsOf(graph.inputs, images, inputs));
      if (isClassifier) return required(results[output], `output "${output}"`);
      return inRows(graph.outputs.map((name) => required(results[name], `output "${name}"`)));
    },
    dispose: () => plan.dispose(),
  };
}

/** Whether `graph` gives one vector for each image, as classifiers do. */
export function hasLogitsAlone(graph: Graph): boolean {
  const [output = "", ...others] = graph.outputs;
  return others.length === 0 && inferShapes(graph, 1).get(output)?.length === 2;
}

/** All `outputs` of each image in one row, `[batch, numbers]`. */
export function inRows(outputs: readonly Tensor[]): Tensor {
  const batch = outputs[0]?.shape[0] ?? 0;
  const widths = outputs.map(({ data }) => data.length / Math.max(1, batch));
  const width = widths.reduce((sum, one) => sum + one, 0);
  const rows = tensor([batch, width]);
  let column = 0;
  for (const [index, { data }] of outputs.entries()) {
    const own = widths[index] ?? 0;
    for (let row = 0; row < batch; row++) {
      rows.data.set(data.subarray(row * own, (row + 1) * own), row * width + column);
    }
    column += own;
  }
  return rows;
}

/** The weights of the parameters of `graph`. */
function parametersOf(graph: Graph, weights: Weights): Weights {
  return new Map(graph.parameters.map(({ name }) => [name, required(weights.get(name), `values of "${name}"`)]));
}

export interface Answers {
  /** `[images, classes]`. */
  readonly logits: Tensor;
  /** `[images]`. */
  readonly labels: Int32Array;
}

/** Logits and labels of all readable images of `split`, in its order. */
export async function answersOf(classifier: Classifier, split: Split, normalization: Normalization): Promise<Answers> {
  const parts: Float32Array[] = [];
  const labelParts: number[] = [];
  let classes = 0;
  for await (const { images, inputs, labels, count } of evaluationBatches(split, normalization, classifier.batch)) {
    const { shape, data } = await classifier.logits(images, inputs);
    classes = shape[1] ?? 0;
    parts.push(data.subarray(0, count * classes));
    labelParts.push(...labels.data.subarray(0, count));
  }
  const all = tensor([labelParts.length, classes]);
  let offset = 0;
  for (const part of parts) {
    all.data.set(part, offset);
    offset += part.length;
  }
  return { logits: all, labels: Int32Array.from(labelParts) };
}

/**
 * The predicted class for row `index` of `logits`: the first of the largest ones; −1 if a logit is NaN.
 */
export function answerOf(logits: Tensor, index: number): number {
  const row = rowOf(logits, index);
  let best = 0;
  for (const [label, logit] of row.entries()) {
    if (Number.isNaN(logit)) return -1;
    if (logit > (row[best] ?? 0)) best = label;
  }
  return best;
}

/** Row `index` of a tensor `[rows, columns]`, as a view of its memory. */
export function rowOf({ shape, data }: Tensor, index: number): Float32Array {
  const [, columns = 0] = shape;
  return data.subarray(index * columns, (index + 1) * columns);
}
