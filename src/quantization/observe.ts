/**
 * Runs a network on calibration images in an engine, and records which values its activations take. The images are run
 * twice: first for the extremes, then for a histogram between them.
 */
import { required } from "../core/errors.ts";
import { elementCount } from "../core/tensor.ts";
import type { Normalization, Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import { feedsOf } from "../data/inputs.ts";
import type { Host } from "../evaluation/classifier.ts";
import type { ForwardNode, Graph, Network, Node } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { integerForm } from "./integer-forms.ts";

/** What was seen of a value. */
export interface Observed {
  readonly minimum: number;
  readonly maximum: number;
  /**
   * How often values fell into each of equal parts of minimum … maximum. Zeros are left out: every range of integers
   * has an exact zero.
   */
  readonly counts: Float64Array;
}

const bins = 2048;
/** Bytes of activations that one run of the network returns at most. */
const largestRun = 64e6;
const largestBatch = 64;

/**
 * Names of the values of `graph` whose ranges may be needed: its inputs, and all activations except those that are
 * moved from another value.
 */
function observedValues(graph: Graph): readonly string[] {
  const constants = new Set(graph.parameters.map(({ name }) => name));
  const values = graph.inputs.map(({ name }) => name);
  for (const node of graph.nodes) {
    const isConstant = node.inputs.every((input) => constants.has(input));
    for (const output of node.outputs) {
      if (isConstant) constants.add(output);
      else if (integerForm(forward(node)) !== "moved") values.push(output);
    }
  }
  return values;
}

/** A network has no nodes of a training step. */
export function forward(node: Node): ForwardNode {
  return node as ForwardNode;
}

/**
 * By name: what was seen of the values of `network` on the images of `split`. A moved value may need a range of its own
 * too, behind a node on floats. `onProgress` hears images of both runs.
 */
export async function observe(
  host: Host,
  { graph, weights }: Network,
  split: Split,
  normalization: Normalization,
  onProgress: (done: number, total: number) => void,
): Promise<ReadonlyMap<string, Observed>> {
  const input = required(graph.inputs[0], "an input").name;
  const values = observedValues(graph);
  const outputs = values.filter((value) => value !== input);
  const shapes = inferShapes(graph, 1);
  const bytes = 4 * outputs.reduce((sum, value) => sum + elementCount(shapes.get(value) ?? []), 0);
  const batch = Math.max(1, Math.min(largestBatch, split.count, Math.floor(largestRun / Math.max(1, bytes))));
  const plan = await host.prepare({ ...graph, outputs }, { batch });
  try {
    await plan.write(weights);
    const extremes = new Map(values.map((value) => [value, { minimum: 0, maximum: 0 }] as const));
    const counts = new Map(values.map((value) => [value, new Float64Array(bins)] as const));
    for (const pass of [0, 1]) {
      let done = pass * split.count;
      for await (const { images, inputs, count } of evaluationBatches(split, normalization, batch)) {
        const results = await plan.run(feedsOf(graph.inputs, images, inputs));
        for (const value of values) {
          const { data } = value === input ? images : required(results[value], `value "${value}"`);
          const seen = data.subarray(0, (data.length / batch) * count);
          const range = required(extremes.get(value), "extremes");
          if (pass === 0) widen(range, seen);
          else addCounts(required(counts.get(value), "counts"), range, seen);
        }
        done += count;
        onProgress(done, 2 * split.count);
      }
    }
    const observed = new Map(
      values.map((value) => [
        value,
        { ...required(extremes.get(value), "extremes"), counts: required(counts.get(value), "counts") },
      ]),
    );
    return withMovedValues(graph, observed);
  } finally {
    await plan.dispose();
  }
}

/** `observed`, and for each value that is moved from another one what was seen of that. */
function withMovedValues(graph: Graph, observed: ReadonlyMap<string, Observed>): ReadonlyMap<string, Observed> {
  const all = new Map(observed);
  for (const node of graph.nodes) {
    const seen = all.get(node.inputs[0] ?? "");
    if (seen === undefined || integerForm(forward(node)) !== "moved") continue;
    for (const output of node.outputs) all.set(output, seen);
  }
  return all;
}

function widen(range: { minimum: number; maximum: number }, values: Float32Array): void {
  let { minimum, maximum } = range;
  for (const value of values) {
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  range.minimum = minimum;
  range.maximum = maximum;
}

function addCounts(counts: Float64Array, { minimum, maximum }: Omit<Observed, "counts">, values: Float32Array): void {
  const perUnit = maximum > minimum ? bins / (maximum - minimum) : 0;
  for (const value of values) {
    if (value === 0) continue;
    const bin = Math.min(bins - 1, Math.floor((value - minimum) * perUnit));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
}
