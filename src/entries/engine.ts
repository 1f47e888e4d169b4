/**
 * `espalier/engine`: a network's training step as a graph, an engine in a thread of its own that runs graphs, and what
 * is measured by running a network: accuracy, the certificate, latency.
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
