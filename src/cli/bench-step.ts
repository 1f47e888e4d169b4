/** `espalier bench --step`: times one training step of a network, and with `--explain` each step of its plan. */
import { kernelCacheFolder } from "../core/cache-folder.ts";
import { optional } from "../core/optional.ts";
import { inCluster } from "../distributed/cluster.ts";
import { joinCluster } from "../distributed/join.ts";
import { defaultEngine, type EngineName } from "../engine/create.ts";
import type { Precision } from "../engine/engine.ts";
import { EngineHost } from "../engine/host.ts";
import { measureStepTime, type StepTime, type StepTimeProgress } from "../evaluation/step-time.ts";
import { imagesPerRank } from "../training/ranks/parts.ts";
import type { GammaRequest } from "../training/settings/codecs.ts";
import { withFactors } from "../training/start/starting-network.ts";
import { type CommonOptions, type Context, printJson, printNotice } from "./context.ts";
import { openNetwork } from "./network.ts";
import { selectionFor } from "./selection.ts";
import { withStatusLine } from "./view/status-line.ts";
import { type StepConditions, stepTimeLines, stepTimeStatus } from "./view/step-time.ts";

export interface StepBenchOptions extends CommonOptions {
  readonly batch?: number;
  readonly precision: Precision;
  readonly runs?: number;
  readonly gamma?: GammaRequest;
  readonly explain?: true;
  readonly syncBn?: true;
  readonly engine?: EngineName;
  readonly threads?: number;
}

/** Number of runs from which `--explain` takes the median time of each step of the plan. */
const EXPLAIN_RUNS = 9;

interface Measured {
  readonly time: StepTime;
  readonly conditions: StepConditions;
}

/** Times a step of the network that `source` names, with the scaling factors that `--gamma` asks for. */
async function measure(
  source: string,
  options: StepBenchOptions,
  onProgress: (progress: StepTimeProgress) => void,
): Promise<Measured> {
  const { batch = 128, precision, runs = 20, gamma = {}, engine = defaultEngine(), threads, syncBn } = options;
  const cluster = await joinCluster();
  imagesPerRank(batch, cluster.size);
  const network = await openNetwork(source);
  const subject = withFactors(network, { select: selectionFor(network, gamma), seed: 1 });
  const host = await EngineHost.start({
    engine,
    cacheFolder: kernelCacheFolder(),
    threads: threads ?? cluster.threads,
    ...optional({ collectives: cluster.collectives }),
  });
  try {
    const explainRuns = options.explain === true ? EXPLAIN_RUNS : 0;
    const time = await inCluster(cluster, () =>
      measureStepTime(host, subject, {
        ...{ batch, precision, runs, explainRuns, onProgress, cluster, syncBatchNorm: syncBn === true },
      }),
    );
    const conditions = {
      model: subject.network.graph.name,
      structures: subject.factors.reduce((sum, { count }) => sum + count, 0),
      // An engine whose description has no threads uses one.
      threads: Number(host.description["threads"] ?? 1),
      engine: { name: host.name, ...host.description },
    };
    return { time, conditions };
  } finally {
    await host.dispose();
  }
}

function asJson({ time, conditions }: Measured, isExplained: boolean): Record<string, unknown> {
  const { median, minimum, maximum, runs, imagesPerSecond, batch, precision, bytes, notices, times, steps } = time;
  const { communication } = time;
  const { model, threads, engine } = conditions;
  return {
    ...{ model, batch, precision, threads, engine },
    ...{ medianMs: median, minMs: minimum, maxMs: maximum, runs, imagesPerSecond, bytes, notices },
    ...optional({ communication }),
    ...(isExplained ? { times, steps } : {}),
  };
}

/** Times a training step of the network that `source` names, and prints the result. */
export async function benchStep(context: Context, source: string, options: StepBenchOptions): Promise<void> {
  const measured = await withStatusLine(context, (show) =>
    measure(source, options, (progress) => show(progress.phase, stepTimeStatus(progress))),
  );
  for (const notice of measured.time.notices) printNotice(context, notice);
  if (options.json === true) return printJson(context, asJson(measured, options.explain === true));
  for (const line of stepTimeLines(measured.time, measured.conditions, context.stdout)) context.stdout.print(line);
}
