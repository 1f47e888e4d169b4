/** Trains the network of a task from what is right about its pictures. */
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { filled, type Tensor, tensor } from "../../src/core/tensor.ts";
import { TrainingLoader } from "../../src/data/loader.ts";
import type { EngineHost } from "../../src/engine/host.ts";
import type { Weights } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import type { Task } from "./task.ts";

export const BATCH = 32;

/** The values of the parameters of the lesson's graph after training. */
export async function trained({ lesson, learnt, normalization }: Task, host: EngineHost): Promise<Weights> {
  const { graph, terms, epochs, peak, begin = (weights) => weights } = lesson;
  const step = trainingGraph(graph, {
    ...{ batch: BATCH, sgd: { momentum: 0.9, weightDecay: 1e-4 }, factors: { momentum: 0.9, keepLast: new Set() } },
    ...{ loss: { taught: terms }, clipNorm: 1 },
  });
  const plan = await host.prepare(step, { batch: BATCH });
  await plan.write(begin(initialize(graph, 1)));
  // The label of a picture is its number, which says what is right about it.
  const numbered = { ...learnt, labels: learnt.labels.map((_, index) => index) };
  const augmentation = lesson.augmentation ?? { pad: 0, flip: false };
  const loader = new TrainingLoader({ split: numbered, normalization, augmentation, batch: BATCH, seed: 1 });
  const shapes = new Map(step.inputs.map(({ name, shape }) => [name, shape.slice(1).map(Number)] as const));
  const steps = epochs * Math.floor(learnt.count / BATCH);
  for (let done = 0; done < steps; done++) {
    const { images, labels, release } = await loader.next();
    const rows = [...labels.data].map((index) => lesson.feeds(index));
    const names = Object.keys(rows[0] ?? {});
    const given = names.map((name): [string, Tensor] => {
      const values = tensor([BATCH, ...required(shapes.get(name), `input "${name}"`)]);
      for (const [row, feeds] of rows.entries()) {
        const own = required(feeds[name], name);
        values.data.set(own, row * own.length);
      }
      return [name, values];
    });
    const rate = filled([], (peak / 2) * (1 + Math.cos((Math.PI * done) / steps)));
    await plan.run({ images, ...Object.fromEntries(given), learning_rate: rate });
    release();
  }
  const weights: Weights = await plan.read(graph.parameters.map(({ name }) => name));
  await loader.dispose();
  await plan.dispose();
  return weights;
}
