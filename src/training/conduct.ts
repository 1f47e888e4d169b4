/** What a new run and a resumed one have in common: opening and closing what they work with, and saying who they are. */

import { kernelCacheFolder } from "../core/cache-folder.ts";
import { optional } from "../core/optional.ts";
import type { Dataset } from "../data/dataset.ts";
import { EngineHost } from "../engine/host.ts";
import { cost } from "../graph/cost.ts";
import { Background } from "./background.ts";
import { Journal, type JournalOptions } from "./journal.ts";
import type { Settings } from "./options.ts";
import type { Run } from "./run.ts";
import type { RunRecord } from "./run-record.ts";
import { epochOf, type Session } from "./session.ts";
import { tellUnreadable } from "./unreadable.ts";

export async function withSession(
  { engine, threads }: Settings,
  open: (threads: Pick<Session, "host" | "background">) => Promise<Session>,
  work: (session: Session) => Promise<Run>,
): Promise<Run> {
  const host = await EngineHost.start({ engine, cacheFolder: kernelCacheFolder(), ...optional("threads", threads) });
  const background = new Background();
  let session: Session | undefined;
  try {
    session = await open({ host, background });
    return await work(session);
  } finally {
    session?.eventLoop.stop();
    await session?.loader.dispose();
    await background.dispose();
    await host.dispose();
  }
}

export async function withJournal(
  folder: string,
  options: JournalOptions,
  work: (journal: Journal) => Promise<Run>,
): Promise<Run> {
  const journal = await Journal.open(folder, options);
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

export function engineOf({ host }: Session): Readonly<Record<string, string>> {
  return { name: host.name, ...host.description };
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
