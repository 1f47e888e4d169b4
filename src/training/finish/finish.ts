/**
 * The end of a run: cut, export, certify, score, measure latency. All of it can be repeated from the last checkpoint,
 * so a run that is stopped here can be resumed.
 */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import { required } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { type Accuracy, accuracyOf } from "../../evaluation/accuracy.ts";
import { type Certificate, certify, requireExact } from "../../evaluation/certificate.ts";
import { labelReadingOf } from "../../evaluation/label-scores.ts";
import { hasOnnxRuntime } from "../../evaluation/runtime-library.ts";
import type { Weights } from "../../graph/graph.ts";
import type { Compact } from "../../pruning/compact.ts";
import { layerStructures } from "../progress/alive-tracker.ts";
import type { Score } from "../progress/score.ts";
import type { Pace } from "../progress/throughput.ts";
import { reportUnreadableCount } from "../progress/unreadable.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";
import type { Session } from "../session/session.ts";
import { withMergedNorms } from "../start/batch-norms/restored-norms.ts";
import { metadataOf } from "../start/data/file-metadata.ts";
import { reportCertificate } from "./certificate.ts";
import { finishInt8 } from "./int8.ts";
import { measureLatencies, warnIfLatencyMissed } from "./latency.ts";
import { type Run, TrainedNetwork } from "./run.ts";
import { agreementOnTest, answersOnTest, classResultsOf, summaryOf } from "./scores.ts";

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
 * compact one here. The certificate uses the compact network's logits of the first of them.
 * @throws UserError "not-exact" if the networks do not give the same answers, "interrupted", and the errors of writing
 * a file.
 */
export async function finishRun(
  session: Session,
  writer: RunWriter,
  trained: Trained,
  startedAt: number,
): Promise<Run> {
  const { dataset, settings, cluster, teaching } = session;
  const { folder, emitter } = writer;
  const name = basename(folder);
  const stopIfAborted = (): void => {
    if (writer.isAborted) throw writer.interrupted(trained.steps);
  };
  const cut = await cutAtEnd(session, writer);
  const { network, compact, ranges } = cut;
  if (!cluster.isFirst) return { folder, name, network, compact, ...(await shareResults(cluster)) };
  const files = await exportBoth(session, writer, network, compact);

  stopIfAborted();
  const reading = teaching === undefined ? labelReadingOf(dataset, compact.graph) : undefined;
  const { answers, augmented } = teaching === undefined ? await answersOnTest(session, compact, reading) : {};
  stopIfAborted();
  const certificate = await certifyFiles(session, writer, {
    ...{ cut, files },
    compactLogits: answers?.logits,
    threshold: reading?.threshold,
  });

  const score: Score = answers === undefined ? await agreementOnTest(session, compact) : accuracyOf(answers, reading);
  reportUnreadableCount(dataset, emitter);
  stopIfAborted();
  const latencies =
    settings.latency && hasOnnxRuntime()
      ? await measureLatencies(session, writer, network, files.compact.path)
      : undefined;
  if (latencies !== undefined) warnIfLatencyMissed(session, writer, latencies);
  if (teaching === undefined) emitter.emit(classResultsOf(dataset, trained.accuracy, score));
  const int8 =
    trained.int8Steps === undefined || answers === undefined
      ? undefined
      : await finishInt8(session, writer, { compact, answers, ranges, steps: trained.int8Steps });

  const views = settings.testTimeAugmentation;
  const before = summaryOf(network, {
    ...{ score: trained.accuracy, augmented: trained.augmented, views },
    ...{ bytes: files.network.bytes, latencyMilliseconds: latencies?.before },
  });
  const after = summaryOf(compact, {
    ...{ score, augmented, views },
    ...{ bytes: files.compact.bytes, latencyMilliseconds: latencies?.after },
  });
  const { steps, waits, waitedMilliseconds } = trained.pace;
  emitter.emit({
    type: "run.finished",
    seconds: (performance.now() - startedAt) / 1000,
    ...{ steps, waits, waitedMilliseconds },
    blockedMilliseconds: session.eventLoop.longest,
    testImages: score.images,
    before,
    after,
    ...optional({ int8 }),
  });
  const results = { certificate, before, after, ...optional({ int8 }) };
  await shareResults(cluster, results);
  return { folder, name, network, compact, ...results };
}

interface CutAtEnd {
  /** As trained, with its factors. */
  readonly network: TrainedNetwork;
  readonly compact: TrainedNetwork;
  readonly kept: Compact["kept"];
  /** By value: the ranges of simulated integers; undefined if none were simulated. */
  readonly ranges: Weights | undefined;
}

/** Reads the trained network, frees its plans and cuts what is zero. */
async function cutAtEnd(session: Session, { emitter }: RunWriter): Promise<CutAtEnd> {
  const { graph, dataset, settings, background, rounding, factors, network: live, restoredNorms = [] } = session;
  // Classes of the data mean nothing to a network that is taught its own outputs.
  const described = settings.teach === undefined ? dataset : { ...dataset, isUnlabelled: true as const };
  const metadata = metadataOf(described, graph);
  const trained = withMergedNorms({ graph, weights: await live.readResults() }, restoredNorms);
  const ranges = await live.readRanges();
  await live.dispose();
  const { network, cuts, kept } = await background.call("compact", { network: trained, round: rounding });
  emitter.emit({
    type: "cut",
    before: cuts.before,
    after: cuts.after,
    layers: layerStructures(factors, trained.weights),
    notes: cuts.notes,
  });
  return {
    network: new TrainedNetwork(trained, metadata),
    compact: new TrainedNetwork(network, metadata),
    kept,
    ranges,
  };
}

interface ExportedFile {
  readonly path: string;
  readonly bytes: number;
}

interface ExportedFiles {
  readonly network: ExportedFile;
  readonly compact: ExportedFile;
}

/** Writes both networks as ONNX files. */
async function exportBoth(
  { background }: Session,
  writer: RunWriter,
  network: TrainedNetwork,
  compact: TrainedNetwork,
): Promise<ExportedFiles> {
  const { folder, emitter } = writer;
  const paths = { network: join(folder, runFiles.network), compact: join(folder, runFiles.compact) };
  const save = ({ graph, weights, metadata }: TrainedNetwork, path: string): Promise<undefined> =>
    background.call("saveNetwork", { network: { graph, weights }, path, metadata });
  await writer.write(async () => {
    await save(network, paths.network);
    await save(compact, paths.compact);
  });
  const fileAt = async (path: string): Promise<ExportedFile> => ({ path, bytes: (await stat(path)).size });
  const files = { network: await fileAt(paths.network), compact: await fileAt(paths.compact) };
  emitter.emit({
    type: "exported",
    files: [
      { role: "network", path: runFiles.network, bytes: files.network.bytes },
      { role: "compact", path: runFiles.compact, bytes: files.compact.bytes },
    ],
  });
  return files;
}

interface Certified {
  readonly cut: CutAtEnd;
  readonly files: ExportedFiles;
  /** The compact network's logits of all test images; undefined if outputs are taught. */
  readonly compactLogits: Tensor | undefined;
  /** With several labels: the logit or probability above which a class counts as present. */
  readonly threshold: number | undefined;
}

/** Compares both networks, writes the certificate and reports it. @throws UserError "not-exact". */
async function certifyFiles(
  { settings, host, dataset, evaluationBatch, teaching }: Session,
  writer: RunWriter,
  { cut: { network, compact, kept }, files, compactLogits, threshold }: Certified,
): Promise<Certificate> {
  const certificate = await certify({
    ...{ original: network, originalFile: files.network.path, compact, compactFile: files.compact.path },
    ...{ kept, host, dataset },
    images: settings.certificateImages,
    // The batch of scoring: its kernels are chosen and timed already.
    batch: evaluationBatch,
    ...optional({ compactLogits, outputs: teaching?.outputs, threshold }),
  });
  await reportCertificate(writer, certificate);
  requireExact(certificate);
  return certificate;
}

type Results = Pick<Run, "certificate" | "before" | "after" | "int8">;

/**
 * Gives all ranks the results of rank 0. They wait for them, so that rank 0 measures latency while no other process
 * exits.
 */
function shareResults(cluster: Cluster, own?: Results): Promise<Results> {
  return cluster.onFirst(async () => required(own, "the results of rank 0"));
}
