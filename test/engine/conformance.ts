/**
 * What every engine must do, as checks over a case: the gradients of the reference engine against finite differences,
 * and any engine against the reference.
 */
import { expect } from "vitest";
import { withBatchStatistics } from "../../src/autodiff/batch-statistics.ts";
import { vectorJacobianGraph } from "../../src/autodiff/gradient-graph.ts";
import { trainedParameters } from "../../src/autodiff/loss.ts";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Engine, Feeds, Plan, Precision, Results } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import type { Case } from "./cases.ts";
import { randomFeeds, randomWeights, relativeDifference } from "./random-data.ts";

const SEED = 20170701;

interface Prepared {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly feeds: Feeds;
}

/** Outputs and, for random gradients of these, the gradients of all parameters and inputs. */
function prepareCase({ graph: forward, batch, frozen = false }: Case): Prepared {
  const graph = vectorJacobianGraph(forward, { batchNormalization: frozen ? "frozen" : "batch", inputs: true });
  return { graph, weights: randomWeights(graph, SEED), feeds: randomFeeds(graph, batch, SEED) };
}

function planOf(
  engine: Engine,
  { graph, weights }: Omit<Prepared, "feeds">,
  batch: number,
  precision: Precision = "f32",
): Plan {
  const plan = engine.prepare(graph, { batch, precision });
  plan.write(weights);
  return plan;
}

/**
 * What bf16 may be off, as ‖Δ‖ / ‖reference‖ of an output. A number of bf16 is off by up to 2⁻⁹ of itself; a sum of
 * products of such comes to 3e-3 or 4e-3 here. Where a ReLU or a maximum decides, rounding tips some decisions over,
 * and the gradient of those goes elsewhere altogether: few of many in a real network, but up to a fifth of the norm in
 * the small ones of these cases.
 */
export const bf16Tolerances = { smooth: 1e-2, kinked: 0.3 } as const;

const kinkedFunctions: readonly string[] = [
  ...["hard_swish", "hard_sigmoid", "leaky_relu", "elu", "absolute", "maximum", "minimum", "l1"],
];

/** Each output of `engine` in bf16 against the reference in f32. */
export function expectNearReferenceInBf16(engine: Engine, testCase: Case): void {
  const prepared = prepareCase(testCase);
  const [actual, expected] = [engine, createReferenceEngine()].map((each): Results => {
    const plan = planOf(each, prepared, testCase.batch, each === engine ? "bf16" : "f32");
    const results = plan.run(prepared.feeds);
    plan.dispose();
    return results;
  });
  const hasKinks = testCase.graph.nodes.some(
    ({ op, attributes }) =>
      ["relu", "clip", "max_pooling", "prelu"].includes(op) ||
      ("function" in attributes && kinkedFunctions.includes(attributes.function)),
  );
  prepared.graph.outputs.forEach((name, index) => {
    const [a, b] = [required(actual?.[name], name).data, required(expected?.[name], name).data];
    const isGradient = index >= testCase.graph.outputs.length;
    const tolerance = hasKinks && isGradient ? bf16Tolerances.kinked : bf16Tolerances.smooth;
    const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const difference = norm(a.map((value, element) => value - (b[element] ?? Number.NaN)));
    expect(difference, `${name} of ${testCase.name}`).toBeLessThanOrEqual(tolerance * norm(b));
  });
}

/** Largest relative difference of each output of `engine` from the reference's must stay below `tolerance`. */
export function expectSameAsReference(engine: Engine, testCase: Case, tolerance = 1e-4): void {
  const prepared = prepareCase(testCase);
  const [actual, expected] = [engine, createReferenceEngine()].map((each): Results => {
    const plan = planOf(each, prepared, testCase.batch);
    // Twice: a plan whose first run leaves something behind for the second is wrong.
    plan.run(prepared.feeds);
    const results = plan.run(prepared.feeds);
    plan.dispose();
    return results;
  });
  for (const name of prepared.graph.outputs) {
    const [a, b] = [required(actual?.[name], name), required(expected?.[name], name)];
    expect(a.shape, name).toEqual(b.shape);
    expect(relativeDifference(a.data, b.data), `${name} of ${testCase.name}`).toBeLessThan(tolerance);
  }
}

export interface FiniteDifferences {
  /** Elements of each source that are tried; all if it has no more. */
  readonly samples: number;
  /** h of (f(x + h) − f(x − h)) / 2h. */
  readonly step: number;
  /** Allowed difference, relative to the largest gradient of the source. */
  readonly tolerance: number;
}

/**
 * Every gradient of `testCase` on the reference engine against central differences of Σ seed·output, summed in 64 bits.
 * The outputs are rounded to 32 bits, which puts about 1e-7·√count / step of noise on a difference. Where the
 * differences to the left and to the right disagree by more than the tolerance, the step crosses the kink of a ReLU or
 * a maximum and tells nothing about the gradient; three quarters of all elements tried must be free of that.
 */
export function expectGradientsOfDifferences(testCase: Case, { samples, step, tolerance }: FiniteDifferences): void {
  const prepared = prepareCase(testCase);
  const { graph, feeds, weights } = prepared;
  const { batch, frozen = false } = testCase;
  const outputs = testCase.graph.outputs;
  const backward = planOf(createReferenceEngine(), prepared, batch);
  const gradients = backward.run(feeds);
  backward.dispose();
  const forward = frozen ? testCase.graph : withBatchStatistics(testCase.graph);
  const plan = planOf(createReferenceEngine(), { graph: forward, weights }, batch);
  const inputs = Object.fromEntries(forward.inputs.map(({ name }) => [name, required(feeds[name], name)]));
  const objective = (results: Results): number =>
    outputs.reduce((sum, name) => {
      const seed = required(feeds[`${name}.seed`], `seed of ${name}`).data;
      return required(results[name], name).data.reduce((partial, value, i) => partial + value * (seed[i] ?? 0), sum);
    }, 0);
  const parameters = trainedParameters(testCase.graph).map(({ name }) => name);
  const numbers = testCase.graph.inputs.filter(({ integer }) => integer === undefined);
  const sources = [...parameters, ...numbers.map(({ name }) => name)];
  const centre = objective(gradients);
  let tried = 0;
  let judged = 0;
  sources.forEach((source, index) => {
    const gradient = required(gradients[required(graph.outputs[outputs.length + index], source)], source).data;
    const value = required(weights.get(source) ?? (feeds[source] as Tensor | undefined), source);
    const at = (element: number, offset: number): number => {
      const moved = tensor(value.shape, value.data.slice());
      moved.data[element] = (value.data[element] ?? 0) + offset;
      if (!weights.has(source)) return objective(plan.run({ ...inputs, [source]: moved }));
      plan.write(new Map([[source, moved]]));
      const result = objective(plan.run(inputs));
      plan.write(new Map([[source, value]]));
      return result;
    };
    const allowed = tolerance * Math.max(0.1, ...gradient.map(Math.abs));
    for (const element of new RandomStream(SEED, source).permutation(gradient.length).subarray(0, samples)) {
      const [right, left] = [(at(element, step) - centre) / step, (centre - at(element, -step)) / step];
      tried++;
      if (Math.abs(right - left) > allowed) continue;
      judged++;
      const difference = (left + right) / 2;
      expect(
        Math.abs((gradient[element] ?? Number.NaN) - difference),
        `∂/∂${source}[${element}] of ${testCase.name}: ${gradient[element]}, by differences ${difference}`,
      ).toBeLessThanOrEqual(allowed);
    }
  });
  expect(judged, `elements of ${testCase.name} judged, of ${tried}`).toBeGreaterThan(0.75 * tried);
  plan.dispose();
}
