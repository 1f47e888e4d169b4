/** Some whole training steps of a small network, so that engines can be compared by where they lead. */
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { filled, type Tensor } from "../../src/core/tensor.ts";
import type { Engine, Feeds, KernelChoices } from "../../src/engine/engine.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import { bindBatch } from "../../src/graph/shapes.ts";
import { labels, randomWeights, spread } from "./random-data.ts";

export interface Training {
  readonly forward: Graph;
  readonly batch: number;
  readonly batchNormalization?: "batch" | "frozen";
}

export interface Trained {
  /** One a step. */
  readonly losses: readonly number[];
  readonly correct: readonly number[];
  /** Every parameter after the last step, velocities and running statistics too. */
  readonly state: Weights;
  readonly choices: KernelChoices;
}

const CLASSES = 4;

/** The training graph of `training`, with γ and momenta large enough to matter within a few steps. */
export function stepOf({ forward, batch, batchNormalization = "batch" }: Training): Graph {
  const keepLast = new Set(forward.parameters.filter(({ kind }) => kind === "factor").map(({ name }) => name));
  return trainingGraph(forward, {
    batch,
    batchNormalization,
    sgd: { momentum: 0.9, weightDecay: 0.01 },
    factors: { momentum: 0.9, keepLast },
  });
}

function feedsOf(graph: Graph, batch: number, step: number): Feeds {
  const tensors = graph.inputs
    .filter(({ dtype }) => dtype === "f32")
    .map(({ name, shape }): readonly [string, Tensor] => {
      if (name === "learning_rate") return [name, filled([], 0.05)];
      const bound = bindBatch(shape, batch);
      return [name, name.endsWith(".gamma") ? filled(bound, 0.3) : spread(bound, step, name)];
    });
  return { ...Object.fromEntries(tensors), labels: labels(batch, CLASSES, step) };
}

/** Steps `from` … `to` − 1 of `training`, beginning with `state` (default: random weights). */
export function train(
  engine: Engine,
  training: Training,
  from: number,
  to: number,
  { state, choices = {} }: { readonly state?: Weights; readonly choices?: KernelChoices } = {},
): Trained {
  const graph = stepOf(training);
  const plan = engine.prepare(graph, { batch: training.batch, choices });
  plan.write(state ?? randomWeights(graph, 7));
  const results = Array.from({ length: to - from }, (_, index) =>
    plan.run(feedsOf(graph, training.batch, from + index)),
  );
  const trained = {
    losses: results.map(({ loss }) => loss?.data[0] ?? Number.NaN),
    correct: results.map(({ correct }) => correct?.data[0] ?? Number.NaN),
    state: plan.read(graph.parameters.map(({ name }) => name)),
    choices: plan.choices,
  };
  plan.dispose();
  return trained;
}
