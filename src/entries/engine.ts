/**
 * `espalier/engine`: the training step of a network as a graph, and an engine that runs graphs in its own thread. It
 * also measures accuracy and latency, and certifies that a compact network gives the same answers.
 */
export type { TrainingGraphOptions } from "../autodiff/training-graph.ts";
export { trainingGraph } from "../autodiff/training-graph.ts";
export type { EngineName, EngineSpec } from "../engine/create.ts";
export type { Feeds, Precision, PrepareOptions, Results } from "../engine/engine.ts";
export type { PlanHandle } from "../engine/host.ts";
export { EngineHost } from "../engine/host.ts";
export type { Accuracy } from "../evaluation/accuracy.ts";
export { measureAccuracy } from "../evaluation/accuracy.ts";
export type { Certificate } from "../evaluation/certificate.ts";
export { certify, requireExact } from "../evaluation/certificate.ts";
export type { Classifier } from "../evaluation/classifier.ts";
export { engineClassifier } from "../evaluation/classifier.ts";
export type { Latency, LatencyOptions } from "../evaluation/latency.ts";
export { measureLatency } from "../evaluation/latency.ts";
export type { LatencyTableOptions } from "../evaluation/latency-table.ts";
export { measureLatencyTable } from "../evaluation/latency-table.ts";
