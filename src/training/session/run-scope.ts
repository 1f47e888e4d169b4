/**
 * Opens the resources of a run (ranks, engine, threads, folder), passes them to the work, and closes them afterwards,
 * also after an error.
 */
import { kernelCacheFolder } from "../../core/cache-folder.ts";
import { optional } from "../../core/optional.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { joinCluster } from "../../distributed/join.ts";
import { SingleProcess } from "../../distributed/single-process.ts";
import { EngineHost } from "../../engine/host.ts";
import type { TuningClock } from "../../engine/tuning-clock.ts";
import { Background } from "../background/background.ts";
import type { GammaPolicy } from "../gamma/gamma-policy.ts";
import type { RunHook } from "../hooks/run-hook.ts";
import { RunWriter, type RunWriterOptions } from "../run-folder/run-writer.ts";
import type { Settings } from "../settings/settings.ts";
import type { Session } from "./session.ts";

/** Options of a run that are no settings: how to follow and stop it, its hooks, its γ policy, and its ranks. */
export interface RunOptions extends RunWriterOptions {
  /** Called after each step and epoch, in this order: after the built-in reports, before pruning and saving. */
  readonly hooks?: readonly RunHook[];
  /** Decides γ during the run instead of a constant γ or a budget. It may start from the γ of `select`. */
  readonly gammaPolicy?: GammaPolicy;
  /**
   * Trains on this rank alone, with this many threads: the other ranks have runs of their own. Default: all ranks train
   * the run together.
   */
  readonly alone?: { readonly threads: number };
  /** Shows the progress of kernel timing, before the first event and after a cut. */
  readonly tuningClock?: TuningClock;
}

/** The ranks that train a run. */
export async function clusterFor({ alone }: RunOptions): Promise<Cluster> {
  return alone === undefined ? joinCluster() : new SingleProcess(alone.threads);
}

/** What a run works with whatever it trains: the engine, the thread for long work, and the ranks. */
export type RunResources = Pick<Session, "host" | "background" | "cluster">;

export async function withResources<T>(
  { engine, threads }: Settings,
  { tuningClock }: RunOptions,
  cluster: Cluster,
  work: (resources: RunResources) => Promise<T>,
): Promise<T> {
  const host = await cluster.together(() =>
    EngineHost.start({
      engine,
      cacheFolder: kernelCacheFolder(),
      threads: threads ?? cluster.threads,
      ...optional({ tuningClock: tuningClock?.buffer, collectives: cluster.collectives }),
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

export async function withWriter<T>(
  folder: string,
  options: RunWriterOptions,
  cluster: Cluster,
  work: (writer: RunWriter) => Promise<T>,
): Promise<T> {
  const writer = await cluster.together(async () =>
    cluster.isFirst ? RunWriter.open(folder, options) : RunWriter.silent(folder, options),
  );
  try {
    return await work(writer);
  } finally {
    await writer.close();
  }
}

/** The engine's name, version and settings, and how many ranks sum with it. */
export function engineOf({ host, cluster }: Pick<RunResources, "host" | "cluster">): Readonly<Record<string, string>> {
  return { name: host.name, ...host.description, ...cluster.description };
}
