/** What a task of `bench:tasks` brings: pictures, a network, how it learns what is right, its file and its score. */
import type { Tensor } from "../../src/core/tensor.ts";
import type { Augmentation, Normalization, StoredSplit } from "../../src/data/dataset.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import type { TaughtTerm } from "../../src/graph/ops.ts";

export interface Score {
  readonly value: number;
  readonly unit: "%" | "dB";
}

/** How the network is trained first, from what is right about each picture. */
export interface Lesson {
  /** Gives the outputs that `terms` compare with what is right. It has at least the parameters of the network. */
  readonly graph: Graph;
  readonly terms: readonly TaughtTerm[];
  readonly epochs: number;
  /** The learning rate at the start; it falls to 0 as a cosine does. */
  readonly peak: number;
  /** Default: none, so that pictures keep their places. */
  readonly augmentation?: Augmentation;
  /** Changes the initial weights. */
  readonly begin?: (weights: Weights) => Weights;
  /** What is right about training picture `index`, by the inputs of the training graph besides the images. */
  feeds(index: number): Readonly<Record<string, Float32Array>>;
}

export interface Task {
  readonly name: string;
  /** Pictures to learn from, and others to score. */
  readonly learnt: StoredSplit;
  readonly held: StoredSplit;
  readonly normalization: Normalization;
  readonly lesson: Lesson;
  /** The trained network as an ONNX file. */
  file(weights: Weights): Uint8Array;
  /** How it is halved: epochs, and more options of `espalier train`. */
  readonly halving: { readonly epochs: number; readonly options?: readonly string[] };
  /** Scores by name, of all outputs of a file for all held pictures. */
  scores(outputs: ReadonlyMap<string, Tensor>): Readonly<Record<string, Score>>;
  /** Sentences about the scores, for the reader. */
  readonly notes?: readonly string[];
}

/** The text of a written file's metadata about `normalization`, which the run reads. */
export function normalizationText({ mean, standardDeviation }: Normalization): string {
  return JSON.stringify({ mean, standardDeviation });
}

export interface BlockOptions {
  readonly strides?: number;
  /** Default "relu". */
  readonly activation?: "relu" | "silu";
}

/** A 3 × 3 convolution, batch norm and activation. */
export function block(
  builder: GraphBuilder,
  name: string,
  src: string,
  channels: number,
  { strides = 1, activation = "relu" }: BlockOptions = {},
): string {
  const convolution = builder.convolution(`${name}.conv`, src, { channels, kernel: 3, strides, padding: 1 });
  const normal = builder.batchNormalization(`${name}.norm`, convolution);
  if (activation === "relu") return builder.relu(`${name}.relu`, normal);
  return builder.multiply(
    `${name}.silu`,
    normal,
    builder.activation(`${name}.sigmoid`, normal, { function: "sigmoid" }),
  );
}

/** The index of the largest of `values`. */
export function largest(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? 0) ? index : best), 0);
}

/** Logits of a teacher that is sure of class `label`. */
export function sureOf(label: number, classes: number): Float32Array {
  return Float32Array.from({ length: classes }, (_, index) => (index === label ? 8 : 0));
}

/** The loss of `sureOf`: the cross-entropy. */
export const sure = { kind: "logits", weight: 1, temperature: 1 } as const;
