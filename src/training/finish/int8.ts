/**
 * The compact network on 8-bit integers, at the end of a run that simulated them: written with the ranges that training
 * followed, scored and timed beside its floats.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { required } from "../../core/errors.ts";
import { type Tensor, tensor } from "../../core/tensor.ts";
import { accuracyOf } from "../../evaluation/accuracy.ts";
import { balancedAccuracy } from "../../evaluation/class-tally.ts";
import { type Answers, answersOf, type Classifier, engineClassifier } from "../../evaluation/classifier.ts";
import { compareLogits } from "../../evaluation/comparison.ts";
import { hasOnnxRuntime, onnxRuntimeVersion } from "../../evaluation/runtime-library.ts";
import { runtimeLogits } from "../../evaluation/runtime-logits.ts";
import { measureLatencyAside } from "../../evaluation/runtime-thread.ts";
import { inTwoClasses } from "../../evaluation/two-classes.ts";
import { withoutCarried } from "../../formats/onnx/carried/network-file.ts";
import { cost } from "../../graph/cost.ts";
import type { Network, Weights } from "../../graph/graph.ts";
import { calibratedRanges } from "../../quantization/calibrate.ts";
import type { Range } from "../../quantization/ranges.ts";
import { type Simulation, simulateIntegers } from "../../quantization/simulate.ts";
import type { EventOf, NetworkSummary } from "../events/events.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import type { Session } from "../session/session.ts";
import { keptFloats } from "../settings/integers.ts";
import { latencyFigures } from "./figures.ts";
import type { TrainedNetwork } from "./run.ts";

export interface Int8Results {
  /** The compact network, and its answers on all test images. */
  readonly compact: TrainedNetwork;
  readonly answers: Answers;
  /** By value: the ranges that training followed; undefined if no step simulated integers. */
  readonly ranges: Weights | undefined;
  /** Steps that simulated integers. */
  readonly steps: number;
}

/** Writes `compact-int8.onnx`, measures it, and emits `int8`. Throws the errors of writing a file. */
export async function finishInt8(
  session: Session,
  writer: RunWriter,
  { compact, answers, ranges, steps }: Int8Results,
): Promise<NetworkSummary> {
  const { background, stepsPerEpoch, settings, host } = session;
  const { graph, weights, metadata } = compact;
  const network = { graph, weights };
  const path = join(writer.folder, runFiles.int8);
  const { keep } = keptFloats(settings);
  const simulation = simulateIntegers(graph, { keep });
  const known = await allRanges(session, network, simulation, ranges);
  await writer.write(async () => {
    await background.call("saveQuantized", { network, ranges: known, keep, path, metadata });
  });
  const simulated = simulatedNetwork(network, simulation, known);
  const { own, latency } = await measureIntegers(session, network, known, simulated);
  const { sameAnswers, images } = compareLogits(answers.logits, own.logits);
  const { accuracy, classes } = accuracyOf(own);
  const { size: bytes } = await stat(path);
  writer.emitter.emit({
    type: "int8",
    ...{ path: runFiles.int8, bytes, images, accuracy, latency },
    runtime: hasOnnxRuntime() ? `ONNX Runtime ${onnxRuntimeVersion()}` : `${host.name}, simulated`,
    epochs: steps / stepsPerEpoch,
    floatAccuracy: accuracyOf(answers).accuracy,
    agreeing: sameAnswers,
    layers: simulation.layers.length,
    floats: simulation.floats,
  });
  return {
    accuracy,
    balancedAccuracy: balancedAccuracy(classes),
    ...cost(graph),
    bytes,
    latencyMilliseconds: latency?.integers.median ?? null,
  };
}

interface Measured {
  /** The answers of the network on integers. */
  readonly own: Answers;
  readonly latency: EventOf<"int8">["latency"];
}

/** Measures in ONNX Runtime, or without it the answers of `simulated` in the engine. */
async function measureIntegers(
  session: Session,
  network: Network,
  ranges: ReadonlyMap<string, Range>,
  simulated: Network,
): Promise<Measured> {
  const { host, settings, evaluationBatch } = session;
  const { graph } = network;
  if (!hasOnnxRuntime()) {
    const classifier = await engineClassifier(host, simulated, evaluationBatch);
    return { own: await answersAndDispose(session, inTwoClasses(classifier, graph)), latency: null };
  }
  const temporary = await mkdtemp(join(tmpdir(), "espalier-int8-"));
  try {
    const files = await filesToMeasure(session, temporary, network, ranges);
    const threads = availableParallelism();
    const classifier = await runtimeLogits(files.integers, withoutCarried(graph), evaluationBatch, threads);
    const own = await answersAndDispose(session, classifier);
    return { own, latency: settings.latency ? await latencyBeside(files) : null };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

interface Files {
  readonly floats: string;
  readonly integers: string;
}

/** Both files without what is carried around the network, for ONNX Runtime. */
async function filesToMeasure(
  { background, settings }: Session,
  folder: string,
  { graph, weights }: Network,
  ranges: ReadonlyMap<string, Range>,
): Promise<Files> {
  const network = { graph: withoutCarried(graph), weights };
  const files = { floats: join(folder, runFiles.compact), integers: join(folder, runFiles.int8) };
  await background.call("saveNetwork", { network, path: files.floats });
  await background.call("saveQuantized", { network, ranges, ...keptFloats(settings), path: files.integers });
  return files;
}

/** The ranges of all values that are rounded. Those that training did not follow are calibrated. */
async function allRanges(
  { host, dataset }: Session,
  network: Network,
  { ranges }: Simulation,
  followed: Weights = new Map(),
): Promise<ReadonlyMap<string, Range>> {
  const isFollowed = [...ranges.keys()].every((value) => followed.has(value));
  const calibrated = isFollowed ? new Map<string, Range>() : await calibratedRanges(host, network, dataset);
  return new Map([...calibrated, ...[...followed].map(([value, range]) => [value, rangeFrom(range)] as const)]);
}

function rangeFrom({ data }: Tensor): Range {
  return [Math.min(0, data[0] ?? 0), Math.max(0, data[1] ?? 0)];
}

/** `network` as it computes on integers, in the engine. */
function simulatedNetwork(
  { weights }: Network,
  { graph, ranges }: Simulation,
  known: ReadonlyMap<string, Range>,
): Network {
  const values = [...ranges].map(
    ([value, parameter]) =>
      [parameter, tensor([2], Float32Array.from(required(known.get(value), `range of "${value}"`)))] as const,
  );
  return { graph, weights: new Map([...weights, ...values]) };
}

async function answersAndDispose({ dataset }: Session, classifier: Classifier): Promise<Answers> {
  try {
    return await answersOf(classifier, dataset.test, dataset.normalization);
  } finally {
    await classifier.dispose();
  }
}

/** Both files in turns, one image on one thread. */
async function latencyBeside({ floats, integers }: Files): Promise<EventOf<"int8">["latency"]> {
  const [before, after] = await measureLatencyAside([floats, integers], { threads: 1 });
  return {
    threads: 1,
    floats: latencyFigures(required(before, "before")),
    integers: latencyFigures(required(after, "after")),
  };
}
