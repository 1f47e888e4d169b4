/**
 * The end of a run: cut, export, certify, score, measure latency. All of it can be repeated from the last checkpoint,
 * so a run that is stopped here can be resumed.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import writeFileAtomic from "write-file-atomic";
import { required } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { thisProcessor } from "../../core/processor.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { type Accuracy, accuracyOf, measureAccuracy } from "../../evaluation/accuracy.ts";
import { AgreementSums, addAgreement } from "../../evaluation/agreement.ts";
import { type Certificate, certify, requireExact } from "../../evaluation/certificate.ts";
import { type Answers, answersOf, engineClassifier } from "../../evaluation/classifier.ts";
import { type LabelReading, labelReadingOf } from "../../evaluation/label-scores.ts";
import { hasOnnxRuntime, runtimeInstallCommand } from "../../evaluation/runtime-library.ts";
import { measureLatencyAside } from "../../evaluation/runtime-thread.ts";
import { averagingViews } from "../../evaluation/test-time-augmentation.ts";
import { inTwoClasses } from "../../evaluation/two-classes.ts";
import { networkFile, withoutCarried } from "../../formats/onnx/carried/network-file.ts";
import { cost } from "../../graph/cost.ts";
import type { Network } from "../../graph/graph.ts";
import { networkCost } from "../../latency/predict.ts";
import type { Compact } from "../../pruning/compact.ts";
import { budgetShare } from "../../selection/budget.ts";
import type { EventBody, LatencyMeasured, NetworkSummary } from "../events/events.ts";
import { layerStructures } from "../progress/alive-tracker.ts";
import { detailsOf, type Score, scoreOf } from "../progress/score.ts";
import type { Pace } from "../progress/throughput.ts";
import { reportUnreadableCount } from "../progress/unreadable.ts";
import { runFileError } from "../run-folder/file-errors.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import type { Session } from "../session/session.ts";
import { trainImagesOf } from "../start/class-balance.ts";
import { metadataOf } from "../start/file-metadata.ts";
import { withMergedNorms } from "../start/restored-norms.ts";
import { labelFigures, latencyFigures } from "./figures.ts";
import { finishInt8 } from "./finish-int8.ts";
import { type Run, TrainedNetwork } from "./run.ts";

/** The result of training. */
export interface Trained {
  /** Accuracy of the trained network on the whole test split. */
  readonly accuracy: Score;
  /** The same with test-time augmentation, if the settings ask for it. */
  readonly augmented?: Accuracy;
  /** Steps that simulated 8-bit integers, if the settings ask for them. */
  readonly int8Steps?: number;
  /** Steps and waiting times of this session. */
  readonly pace: Pace;
  /** Since the start of the run. */
  readonly steps: number;
}

/**
 * Finishes the run whose last state is in the session's training plan; `startedAt`: `performance.now()` at the start of
 * the session. Each network computes all test images once: the trained one in the loop, after its last step; the
 * compact one here. The certificate uses the first of these logits.
 * @throws UserError "not-exact" if the networks do not give the same answers, "interrupted", and the errors of writing
 * a file.
 */
export async function finishRun(
  session: Session,
  writer: RunWriter,
  trained: Trained,
  startedAt: number,
): Promise<Run> {
  const { graph: trainedGraph, dataset, settings, host, background, evaluationBatch, cluster } = session;
  const { network: live, restoredNorms = [] } = session;
  const { folder, emitter } = writer;
  const stopIfAborted = (): void => {
    if (writer.isAborted) throw writer.interrupted(trained.steps);
  };
  // Classes of the data mean nothing to a network that is taught its own outputs.
  const described = settings.teach === undefined ? dataset : { ...dataset, isUnlabelled: true as const };
  const metadata = metadataOf(described, trainedGraph);
  const trainedWeights = { graph: trainedGraph, weights: await live.readResults() };
  const network = new TrainedNetwork(withMergedNorms(trainedWeights, restoredNorms), metadata);
  const { graph } = network;
  const ranges = await live.readRanges();
  await live.dispose();

  const cut = await background.call("compact", { network: plain(network), round: session.rounding });
  reportCut(session, writer, cut, network);
  const small = new TrainedNetwork(cut.network, metadata);
  if (!cluster.isFirst) {
    return { folder, name: basename(folder), network, compact: small, ...(await shareVerdict(cluster)) };
  }
  const files = { network: join(folder, runFiles.network), compact: join(folder, runFiles.compact) };
  await writer.write(async () => {
    await background.call("saveNetwork", { network: plain(network), path: files.network, metadata });
    await background.call("saveNetwork", { network: cut.network, path: files.compact, metadata });
  });
  const bytes = { network: await sizeOf(files.network), compact: await sizeOf(files.compact) };
  emitter.emit({
    type: "exported",
    files: [
      { role: "network", path: runFiles.network, bytes: bytes.network },
      { role: "compact", path: runFiles.compact, bytes: bytes.compact },
    ],
  });

  stopIfAborted();
  const reading = session.teaching === undefined ? labelReadingOf(dataset, small.graph) : undefined;
  const { answers, augmented } = session.teaching === undefined ? await answersOnTest(session, small, reading) : {};
  stopIfAborted();
  const certificate = await certify({
    original: network,
    originalFile: files.network,
    compact: small,
    compactFile: files.compact,
    kept: cut.kept,
    host,
    dataset,
    images: settings.certificateImages,
    // The batch of scoring: its kernels are chosen and timed already.
    batch: evaluationBatch,
    ...optional({ compactLogits: answers?.logits, outputs: session.teaching?.outputs, threshold: reading?.threshold }),
  });
  await reportCertificate(writer, certificate);
  requireExact(certificate);

  const accuracy: Score = answers === undefined ? await agreementOnTest(session, small) : accuracyOf(answers, reading);
  reportUnreadableCount(dataset, emitter);
  stopIfAborted();
  const latencies =
    settings.latency && hasOnnxRuntime() ? await timeBoth(session, writer, plain(network), files.compact) : undefined;
  if (latencies !== undefined) warnIfMissed(session, writer, latencies);
  if (session.teaching === undefined) emitter.emit(classResultsOf(dataset, trained.accuracy, accuracy));
  const int8 =
    trained.int8Steps === undefined || answers === undefined
      ? undefined
      : await finishInt8(session, writer, { compact: small, answers, ranges, steps: trained.int8Steps });
  const before = {
    accuracy: trained.accuracy.accuracy,
    ...detailsOf(trained.accuracy),
    ...augmentedFigures(settings, trained.augmented),
    ...cost(graph),
    bytes: bytes.network,
    latencyMilliseconds: latencies?.before ?? null,
  };
  const after = {
    accuracy: accuracy.accuracy,
    ...detailsOf(accuracy),
    ...augmentedFigures(settings, augmented),
    ...cost(small.graph),
    bytes: bytes.compact,
    latencyMilliseconds: latencies?.after ?? null,
  };
  const seconds = (performance.now() - startedAt) / 1000;
  const { steps, waits, waitedMilliseconds } = trained.pace;
  emitter.emit({
    type: "run.finished",
    seconds,
    ...{ steps, waits, waitedMilliseconds },
    blockedMilliseconds: session.eventLoop.longest,
    testImages: accuracy.images,
    before,
    after,
    ...optional({ int8 }),
  });
  const verdict = { certificate, before, after, ...optional({ int8 }) };
  await shareVerdict(cluster, verdict);
  return { folder, name: basename(folder), network, compact: small, ...verdict };
}

type Verdict = Pick<Run, "certificate" | "before" | "after" | "int8">;

/**
 * Gives all ranks the results of rank 0. They wait for them, so that rank 0 measures latency while no other process
 * exits.
 */
function shareVerdict(cluster: Cluster, own?: Verdict): Promise<Verdict> {
  return cluster.onFirst(async () => required(own, "the verdict of rank 0"));
}

function reportCut({ factors }: Session, { emitter }: RunWriter, { cuts }: Compact, { weights }: Network): void {
  emitter.emit({
    type: "cut",
    before: cuts.before,
    after: cuts.after,
    layers: layerStructures(factors, weights),
    notes: cuts.notes,
  });
}

async function reportCertificate(writer: RunWriter, certificate: Certificate): Promise<void> {
  const { folder, emitter } = writer;
  const path = join(folder, runFiles.certificate);
  // File names instead of paths: the folder may be moved.
  const files = certificate.files.map((file) => ({ ...file, path: basename(file.path) }));
  const text = `${JSON.stringify({ ...certificate, files }, undefined, 2)}\n`;
  await writer.write(() =>
    writeFileAtomic(path, text).catch((error: unknown) => {
      throw runFileError(error, path);
    }),
  );
  const { witness, onnxRuntime } = certificate;
  const [engine, beside] = certificate.comparisons.map(({ images, relativeDifference, sameAnswers, ties }) => ({
    images,
    figures: { relativeDifference, agreeing: sameAnswers + ties },
  }));
  const { images, figures: onFile } = required(beside, "the comparison on the exported file");
  emitter.emit({
    type: "certificate",
    passed: certificate.passed,
    images: certificate.images,
    ...required(engine, "the comparison in the engine").figures,
    runtime: { ...onFile, ...(onnxRuntime === undefined ? { name: witness, images } : {}) },
    path: runFiles.certificate,
  });
  if (onnxRuntime !== undefined) return;
  const instead = `${witness} has checked the exported file on ${images} images; latency was not measured`;
  emitter.emit({
    type: "notice",
    message: `ONNX Runtime is not installed. ${instead}. To install it, type: ${runtimeInstallCommand}`,
  });
}

/** The accuracy with test-time augmentation, and which. */
function augmentedFigures(
  { testTimeAugmentation: views }: Session["settings"],
  augmented: Accuracy | undefined,
): Pick<NetworkSummary, "augmented"> {
  if (views === undefined || augmented === undefined) return {};
  return { augmented: { views, accuracy: augmented.accuracy } };
}

function classResultsOf(dataset: Dataset, before: Accuracy, after: Accuracy): EventBody {
  const { classes } = dataset;
  const trainImages = trainImagesOf(dataset);
  return {
    type: "classes",
    classes: classes.map((name, label) => ({
      name,
      trainImages: trainImages[label] ?? 0,
      images: before.classes[label]?.images ?? 0,
      before: before.classes[label]?.correct ?? 0,
      after: after.classes[label]?.correct ?? 0,
      ...labelFigures(before, after, label),
    })),
  };
}

/** How well `network` agrees with the original on all test images. */
async function agreementOnTest(session: Session, network: Network): Promise<Score> {
  const { host, evaluationBatch, dataset, teaching } = session;
  const classifier = await engineClassifier(host, network, evaluationBatch);
  try {
    const sums = new AgreementSums(required(teaching, "the original").outputs);
    const pair = { own: classifier, taught: required(teaching, "the original").classifier };
    await addAgreement(sums, pair, dataset.test, dataset.normalization);
    return scoreOf(sums.result());
  } finally {
    await classifier.dispose();
  }
}

/** Drops the class and its metadata, so that the network can be sent to another thread. */
function plain({ graph, weights }: Network): Network {
  return { graph, weights };
}

/** The logits of `network` for all test images. */
async function answersOnTest(
  { host, evaluationBatch, dataset, settings }: Session,
  network: Network,
  reading: LabelReading | undefined,
): Promise<{ readonly answers: Answers; readonly augmented?: Accuracy }> {
  const { test, normalization } = dataset;
  const { testTimeAugmentation: views } = settings;
  const plainly = await engineClassifier(host, network, evaluationBatch);
  const classifier = reading === undefined ? inTwoClasses(plainly, network.graph) : plainly;
  try {
    const answers = await answersOf(classifier, test, normalization);
    if (views === undefined) return { answers };
    return {
      answers,
      augmented: await measureAccuracy(averagingViews(classifier, views), test, normalization, reading),
    };
  } finally {
    await classifier.dispose();
  }
}

/**
 * Median milliseconds of both networks for one image, with one thread; the event has all threads too. The trained
 * network is timed with its factors multiplied into its weights: as separate nodes they would make it slower, and the
 * comparison unfair.
 */
async function timeBoth(
  { background }: Session,
  { emitter }: RunWriter,
  network: Network,
  compactFile: string,
): Promise<{ readonly before: number; readonly after: number }> {
  const temporary = await mkdtemp(join(tmpdir(), "espalier-latency-"));
  try {
    const plainFile = join(temporary, runFiles.network);
    const alone = { ...network, graph: withoutCarried(network.graph) };
    await background.call("saveNetwork", { network: alone, path: plainFile, isBaked: true });
    const compact = await networkFile(compactFile, network.graph);
    const measure = async (threads: number): Promise<LatencyOfBoth> => {
      const [before, after] = await measureLatencyAside([plainFile, compact.path], { threads });
      return {
        threads,
        before: latencyFigures(required(before, "before")),
        after: latencyFigures(required(after, "after")),
      };
    };
    try {
      const cores = availableParallelism();
      const one = await measure(1);
      const allThreads = cores > 1 ? await measure(cores) : undefined;
      emitter.emit({ type: "latency", batch: 1, ...one, ...optional({ allThreads }) });
      return { before: one.before.median, after: one.after.median };
    } finally {
      await compact.dispose();
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** How far the measured latency may be from the budget, as a share of the full network's latency. */
const LATENCY_TOLERANCE = 0.05;

/** Warns if the run has a budget of latency for this machine, and the measured latency misses it. */
function warnIfMissed(
  { settings: { budget }, graph, latencyTable }: Session,
  { emitter }: RunWriter,
  { before, after }: { readonly before: number; readonly after: number },
): void {
  if (budget?.of !== "latency" || latencyTable === undefined) return;
  const { device, provider, threads, batch } = latencyTable;
  if (device !== thisProcessor().model || provider !== "cpu" || threads !== 1 || batch !== 1) return;
  const share = budgetShare(budget, networkCost(graph, latencyTable));
  const measured = after / before;
  if (measured <= share + LATENCY_TOLERANCE) return;
  const [is, was] = [measured, share].map((part) => `${(100 * part).toFixed(1)} %`);
  emitter.emit({
    type: "warning",
    reason: "latency-missed",
    message: `The measured latency is ${is} of the full network's, and the budget is ${was}`,
    hint:
      "The prediction was wrong, or the machine was busy while it measured. Measure again with " +
      "espalier bench --against, and give a smaller budget if the result is the same",
  });
}

type LatencyOfBoth = Required<LatencyMeasured>["allThreads"];

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}
