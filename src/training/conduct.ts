/** What a new run and a resumed one have in common: opening and closing what they work with, and saying who they are. */

import { kernelCacheFolder } from "../core/cache-folder.ts";
import { optional } from "../core/optional.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Cluster } from "../distributed/cluster.ts";
import { joinCluster } from "../distributed/join.ts";
import { SingleProcess } from "../distributed/single-process.ts";
import { EngineHost } from "../engine/host.ts";
import type { TuningClock } from "../engine/tuning-clock.ts";
import { cost } from "../graph/cost.ts";
import { Background } from "./background.ts";
import { Journal, type JournalOptions } from "./journal.ts";
import type { Run } from "./run.ts";
import type { RunRecord } from "./run-record.ts";
import { epochOf, type Session } from "./session.ts";
import type { Settings } from "./settings/settings.ts";
import { tellUnreadable } from "./unreadable.ts";

/** How a run is followed and stopped, and with whom it is trained. */
export interface ConductOptions extends JournalOptions {
  /**
   * Trains on this rank alone, with so many threads, though others were launched with it: they have runs of their own. Default:
   * all ranks train the run together.
   */
  readonly alone?: { readonly threads: number };
  /** Shows how far timing kernels has come, before the first event and after a cut. */
  readonly tuningClock?: TuningClock;
}

/** The ranks that train a run. */
export async function clusterFor({ alone }: ConductOptions): Promise<Cluster> {
  return alone === undefined ? joinCluster() : new SingleProcess(alone.threads);
}

/** The threads that a run works with. */
export type Threads = Pick<Session, "host" | "background" | "cluster">;

export async function withThreads(
  { engine, threads }: Settings,
  { tuningClock }: ConductOptions,
  cluster: Cluster,
  work: (threads: Threads) => Promise<Run>,
): Promise<Run> {
  const host = await cluster.together(() =>
    EngineHost.start({
      engine,
      cacheFolder: kernelCacheFolder(),
      ...optional("tuningClock", tuningClock?.buffer),
      threads: threads ?? cluster.threads,
      ...optional("collectives", cluster.collectives),
    }),
  );
  const background = new Background();
  try {
    return await work({ host, background, cluster });
  } finally {
    await background.dispose();
    await host.dispose();
  }
}

export async function withSession(
  open: () => Promise<Session>,
  work: (session: Session) => Promise<Run>,
): Promise<Run> {
  const session = await open();
  try {
    return await work(session);
  } finally {
    session.eventLoop.stop();
    await session.loader.dispose();
  }
}

export async function withJournal(
  folder: string,
  options: JournalOptions,
  cluster: Cluster,
  work: (journal: Journal) => Promise<Run>,
): Promise<Run> {
  const journal = await cluster.together(async () =>
    cluster.isFirst ? Journal.open(folder, options) : Journal.silent(folder, options),
  );
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

export function engineOf({ host, cluster }: Pick<Session, "host" | "cluster">): Readonly<Record<string, string>> {
  return { name: host.name, ...host.description, ...cluster.description };
}

export function announce(session: Session, { emitter }: Journal, record: RunRecord, resumedFrom: number | null): void {
  const { dataset, settings, graph, factors, totalSteps } = session;
  emitter.moveTo(resumedFrom ?? 0, epochOf(resumedFrom ?? 0, session));
  emitter.emit({
    type: "run.started",
    run: record.name,
    model: record.model,
    dataset: describeData(dataset),
    options: { ...settings },
    epochs: settings.epochs,
    stepsPerEpoch: session.stepsPerEpoch,
    totalSteps,
    cost: cost(graph),
    factors: factors.map(({ parameter, layer, kind, count, gamma }) => ({ parameter, layer, kind, count, gamma })),
    engine: engineOf(session),
    environment: record.environment,
    ...optional("controlOf", record.controlOf),
    resumedFrom,
  });
  for (const message of dataset.notes ?? []) emitter.emit({ type: "notice", message });
  tellUnreadable(dataset, emitter);
  for (const message of session.trainee.notices) emitter.emit({ type: "notice", message });
}

function describeData({ name, classes, train, test }: Dataset): {
  readonly name: string;
  readonly classes: number;
  readonly trainImages: number;
  readonly testImages: number;
} {
  return { name, classes: classes.length, trainImages: train.count, testImages: test.count };
}
