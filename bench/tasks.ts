/**
 * Shows `--teach outputs` whole: networks for made tasks are trained until they are good, then halved without labels.
 * Prints the score of both on the real task beside each other, and how well their outputs agree.
 *
 *     npm run bench:tasks -- [--task segmentation|heads] [--epochs 15] [--markdown | --json]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { taughtInput } from "../src/autodiff/loss.ts";
import { trainingGraph } from "../src/autodiff/training-graph.ts";
import { required } from "../src/core/errors.ts";
import { filled, type Tensor, tensor } from "../src/core/tensor.ts";
import { TrainingLoader } from "../src/data/loader.ts";
import { EngineHost } from "../src/engine/host.ts";
import { answersOf, engineClassifier } from "../src/evaluation/classifier.ts";
import { saveOnnx } from "../src/formats/onnx/index.ts";
import { GraphBuilder } from "../src/graph/builder.ts";
import type { Graph, Network, Weights } from "../src/graph/graph.ts";
import type { TaughtTerm } from "../src/graph/ops.ts";
import { initialize } from "../src/models/initialize.ts";
import { train } from "../src/training/train.ts";
import { type MadePictures, madePictures, SIDE, unlabelled } from "./shared/made-shapes.ts";
import { count } from "./shared/options.ts";
import { machineConditions, outputOptions, percent, print } from "./shared/output.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const BATCH = 32;
const PIXELS = SIDE * SIDE;

interface Task {
  readonly name: string;
  readonly graph: Graph;
  /** How the network is trained first, from what is right. */
  readonly terms: readonly TaughtTerm[];
  /** What is right about picture `index`, a row for each output. */
  readonly targets: (pictures: MadePictures, index: number) => readonly Float32Array[];
  /** Scores by name, in percent, of outputs in rows. */
  readonly scores: (rows: Tensor, pictures: MadePictures) => Readonly<Record<string, number>>;
}

function block(builder: GraphBuilder, name: string, src: string, channels: number): string {
  const convolution = builder.convolution(`${name}.conv`, src, { channels, kernel: 3, padding: 1 });
  return builder.relu(`${name}.relu`, builder.batchNormalization(`${name}.norm`, convolution));
}

/** A U-Net of three levels, one channel out: where the shape is. */
function unet(): Graph {
  const builder = new GraphBuilder("unet");
  const images = builder.input("images", ["N", 3, SIDE, SIDE]);
  const fine = block(builder, "down1b", block(builder, "down1a", images, 16), 16);
  const middle = block(builder, "down2", builder.maxPooling("pool1", fine, { kernel: 2, strides: 2 }), 32);
  const deep = block(builder, "deep", builder.maxPooling("pool2", middle, { kernel: 2, strides: 2 }), 48);
  const up2 = builder.concatenation("join2", [builder.upsampling("up2", deep, 2), middle]);
  const up1 = builder.concatenation("join1", [builder.upsampling("up1", block(builder, "back2", up2, 32), 2), fine]);
  const last = block(builder, "back1", up1, 16);
  builder.output(builder.convolution("mask", last, { channels: 1, kernel: 1, padding: 0, bias: true }));
  return builder.build();
}

/** A classifier with two heads: the shape and its colour. */
function twoHeads(): Graph {
  const builder = new GraphBuilder("two-heads");
  let value = builder.input("images", ["N", 3, SIDE, SIDE]);
  for (const [index, channels] of [16, 32, 64].entries()) {
    value = block(builder, `block${index + 1}`, value, channels);
    value = builder.maxPooling(`pool${index + 1}`, value, { kernel: 2, strides: 2 });
  }
  const flat = builder.flatten("flat", builder.globalAveragePooling("mean", block(builder, "last", value, 64)));
  builder.output(builder.linear("shape_logits", flat, 2));
  builder.output(builder.linear("colour_logits", flat, 3));
  return builder.build();
}

function oneHot(label: number, classes: number): Float32Array {
  // Logits of a teacher that is sure.
  return Float32Array.from({ length: classes }, (_, index) => (index === label ? 8 : 0));
}

function largest(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? 0) ? index : best), 0);
}

function percentRight(rows: Tensor, from: number, classes: number, labels: Int32Array): number {
  const [images = 0, width = 0] = rows.shape;
  let right = 0;
  for (let image = 0; image < images; image++) {
    const start = image * width + from;
    if (largest(rows.data.subarray(start, start + classes)) === labels[image]) right++;
  }
  return (100 * right) / images;
}

/** Intersection over union of the shape, over all pictures. */
function overlap(rows: Tensor, { masks }: MadePictures): number {
  let [both, either] = [0, 0];
  for (const [index, value] of rows.data.entries()) {
    const [found, right] = [value > 0.5, (masks.data[index] ?? 0) > 0.5];
    if (found && right) both++;
    if (found || right) either++;
  }
  return (100 * both) / either;
}

const sure = { kind: "logits", weight: 1, temperature: 1 } as const;
const tasks: readonly Task[] = [
  {
    name: "segmentation",
    graph: unet(),
    terms: [{ kind: "values", weight: 1, variance: 0.1 }],
    targets: ({ masks }, index) => [masks.data.subarray(index * PIXELS, (index + 1) * PIXELS)],
    scores: (rows, pictures) => ({ IoU: overlap(rows, pictures) }),
  },
  {
    name: "heads",
    graph: twoHeads(),
    terms: [sure, sure],
    targets: ({ shapes, colours }, index) => [oneHot(shapes[index] ?? 0, 2), oneHot(colours[index] ?? 0, 3)],
    scores: (rows, { shapes, colours }) => ({
      shape: percentRight(rows, 0, 2, shapes),
      colour: percentRight(rows, 2, 3, colours),
    }),
  },
];

/** Trains the task's network on what is right, without augmentation, so that pictures keep their places. */
async function trained(task: Task, host: EngineHost, pictures: MadePictures, epochs: number): Promise<Network> {
  const { graph, terms } = task;
  const step = trainingGraph(graph, {
    ...{ batch: BATCH, sgd: { momentum: 0.9, weightDecay: 1e-4 }, factors: { momentum: 0.9, keepLast: new Set() } },
    ...{ loss: { taught: terms }, clipNorm: 1 },
  });
  const plan = await host.prepare(step, { batch: BATCH });
  await plan.write(initialize(graph, 1));
  const { normalization } = unlabelled(pictures.split, pictures.split);
  // The label of a picture is its number, which says what is right about it.
  const numbered = { ...pictures.split, labels: pictures.split.labels.map((_, index) => index) };
  const loader = new TrainingLoader({
    ...{ split: numbered, normalization, augmentation: { pad: 0, flip: false }, batch: BATCH, seed: 1 },
  });
  const steps = epochs * Math.floor(pictures.split.count / BATCH);
  for (let done = 0; done < steps; done++) {
    const { images, labels, release } = await loader.next();
    const rows = [...labels.data].map((index) => task.targets(pictures, index));
    const given = graph.outputs.map((name, output): [string, Tensor] => {
      const { shape = [] } = step.inputs.find((input) => input.name === taughtInput(name)) ?? {};
      const target = tensor([BATCH, ...shape.slice(1).map(Number)]);
      for (const [row, parts] of rows.entries()) {
        const values = required(parts[output], name);
        target.data.set(values, row * values.length);
      }
      return [taughtInput(name), target];
    });
    const learning = filled([], 0.02 * (1 + Math.cos((Math.PI * done) / steps)));
    await plan.run({ images, ...Object.fromEntries(given), learning_rate: learning });
    release();
  }
  const weights: Weights = await plan.read(graph.parameters.map(({ name }) => name));
  await loader.dispose();
  await plan.dispose();
  return { graph, weights };
}

async function scoresOf(task: Task, host: EngineHost, network: Network, test: MadePictures) {
  const classifier = await engineClassifier(host, network, BATCH);
  const { normalization } = unlabelled(test.split, test.split);
  const { logits } = await answersOf(classifier, test.split, normalization);
  await classifier.dispose();
  return task.scores(logits, test);
}

const { values: options } = parseArgs({
  options: { task: { type: "string" }, epochs: { type: "string", default: "15" }, ...outputOptions },
});
const epochs = count(options.epochs, "epochs");
const [learnt, held] = [madePictures(2048, 1), madePictures(512, 2)];
const host = await EngineHost.start({ engine: "onednn" });
interface Result {
  readonly task: string;
  readonly score: string;
  /** In percent. */
  readonly original: number;
  readonly pruned: number;
  readonly agreement: number;
  /** Share of the MACs that is left, 0 … 1. */
  readonly macs: number;
  readonly isCertified: boolean;
}

const results: Result[] = [];
for (const task of tasks.filter(({ name }) => options.task === undefined || name === options.task)) {
  const original = await trained(task, host, learnt, epochs);
  const before = await scoresOf(task, host, original, held);
  const run = await inTemporaryFolder(async (folder) => {
    const file = join(folder, "original.onnx");
    const { mean, standardDeviation } = unlabelled(learnt.split, held.split).normalization;
    await saveOnnx(original, file, { metadata: { normalization: JSON.stringify({ mean, standardDeviation }) } });
    return train(file, {
      ...{ data: unlabelled(learnt.split, held.split), teach: "outputs", budget: "50%", epochs, batch: BATCH },
      ...{ latency: false, folder: join(folder, "run") },
    });
  });
  const after = await scoresOf(task, host, run.compact, held);
  for (const [score, value] of Object.entries(before)) {
    results.push({
      ...{ task: task.name, score, original: value, pruned: after[score] ?? 0, agreement: run.after.accuracy },
      ...{ macs: run.after.macs / run.before.macs, isCertified: run.certificate.passed },
    });
  }
}
await host.dispose();
print(
  {
    conditions: machineConditions("bench:tasks", [
      `${learnt.split.count} made pictures to learn, ${held.split.count} others to score, ${epochs} epochs`,
    ]),
    sections: [
      {
        title: "Tasks without labels, halved",
        head: ["task", "score", "original", "pruned", "MACs", "agreement", "certificate"],
        rows: results.map((one) => [
          ...[one.task, one.score, percent(one.original / 100), percent(one.pruned / 100), percent(one.macs)],
          ...[percent(one.agreement / 100), one.isCertified ? "passed" : "failed"],
        ]),
      },
    ],
    data: { results },
  },
  options,
);
