/**
 * A network ready to be asked: images in, logits out, whatever runs it. Everything measured by running a network is
 * written against this, so our engines and ONNX Runtime are measured by the same code.
 */
import { requireArguments } from "../core/arguments.ts";
import { InternalError, required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Normalization, Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import type { EngineHost, PlanHandle } from "../engine/host.ts";
import type { Graph, Network, Weights } from "../graph/graph.ts";
import { fold } from "../selection/fold.ts";

/** What is needed of an engine to run networks on it; an `EngineHost` is one. */
export type Host = Pick<EngineHost, "name" | "description" | "prepare">;

export interface Classifier {
  /** Images a call takes. */
  readonly batch: number;
  /** Logits `[batch, classes]` of normalised images `[batch,C,H,W]`. */
  logits(images: Tensor): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * `network`, its factors folded, prepared on `host` for batches of `batch`; `onNotice` hears what the engine has to say
 * about the plan. Throws what `prepare` throws.
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

/** A classifier over a plan somebody else prepared and writes to; disposing of it disposes of the plan. */
export function planClassifier(plan: PlanHandle, graph: Graph, batch: number): Classifier {
  const [input] = graph.inputs;
  const [output] = graph.outputs;
  if (input === undefined || output === undefined || graph.inputs.length > 1) {
    throw new InternalError(`${graph.name} is not a classifier: it needs one input and an output`);
  }
  return {
    batch,
    logits: async (images) => required((await plan.run({ [input.name]: images }))[output], `output "${output}"`),
    dispose: () => plan.dispose(),
  };
}

/** Those of `weights` that `graph` has. */
function parametersOf(graph: Graph, weights: Weights): Weights {
  return new Map(graph.parameters.map(({ name }) => [name, required(weights.get(name), `values of "${name}"`)]));
}

export interface Answers {
  /** `[images, classes]`. */
  readonly logits: Tensor;
  /** `[images]`. */
  readonly labels: Int32Array;
}

/** Logits of every image of `split` that can be read, in its order, and the labels beside them. */
export async function answersOf(classifier: Classifier, split: Split, normalization: Normalization): Promise<Answers> {
  const parts: Float32Array[] = [];
  const labelParts: number[] = [];
  let classes = 0;
  for await (const { images, labels, count } of evaluationBatches(split, normalization, classifier.batch)) {
    const { shape, data } = await classifier.logits(images);
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
 * The class a network answers for row `index` of `logits`: the first of the largest. −1 where a logit is not a number.
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

/** Row `index` of `[rows, columns]`, over the same memory. */
export function rowOf({ shape, data }: Tensor, index: number): Float32Array {
  const [, columns = 0] = shape;
  return data.subarray(index * columns, (index + 1) * columns);
}
