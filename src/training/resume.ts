/** `resume` continues a stopped run from its last checkpoint, bit for bit. */
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { type Cluster, inCluster } from "../distributed/cluster.ts";
import type { RunEvent } from "./events/events.ts";
import type { Run } from "./finish/run.ts";
import { type RunHook, requireOwners, requireOwnNames } from "./hooks/run-hook.ts";
import { partOfBatch } from "./ranks/parts.ts";
import { requireSameInputs } from "./ranks/same-inputs.ts";
import { loadTogether, readLatestTogether } from "./run-folder/broadcast.ts";
import { readEventsSoFar } from "./run-folder/event-log.ts";
import { hasEnded } from "./run-folder/finished.ts";
import { requireKeptFiles } from "./run-folder/kept-files.ts";
import { checkChanges, type RunChanges, recordChanges, reopened } from "./run-folder/run-changes.ts";
import { runFiles } from "./run-folder/run-folder.ts";
import { type RunRecord, readRunRecord } from "./run-folder/run-record.ts";
import { requireSealed } from "./run-folder/seal.ts";
import { type PreparedRun, runToEnd } from "./run-to-end.ts";
import { clusterFor, engineOf, type RunOptions, type RunResources } from "./session/run-scope.ts";
import type { Settings } from "./settings/settings.ts";
import { reopenData } from "./start/data/run-data.ts";
import { hasTeacher } from "./start/distillation.ts";
import { needsLatency, readLatencyTable } from "./start/latency-table.ts";
import type { RunStart } from "./start/run-start.ts";

export interface ResumeOptions extends RunOptions, RunChanges {}

/**
 * Continues the run in `folder` from its last undamaged checkpoint. On the same machine with the same data the result
 * is bit for bit the one of an uninterrupted run.
 *
 * @throws UserError "missing-file" or "bad-file" if `folder` is not a run; "bad-checkpoint" if all checkpoints are
 * damaged; "checksum" if the data or `run.json` has changed; "bad-option" if the run is finished and gets no more
 * epochs, or for a change that is not possible; and the errors of `train`.
 */
export async function resume(folder: string, options: ResumeOptions = {}): Promise<Run> {
  requireArguments("resume", { folder: [folder, "text"], options: [options, "object"] });
  const cluster = await clusterFor(options);
  return inCluster(cluster, () => resumeOn(cluster, folder, options));
}

async function resumeOn(cluster: Cluster, folder: string, options: ResumeOptions): Promise<Run> {
  const startedAt = performance.now();
  const path = resolve(folder);
  const { record, hasBegun } = await cluster.onFirst(async () => {
    const found = await readRunRecord(path);
    const events = await readEventsSoFar(path);
    checkChanges(found, options);
    if (options.epochs === undefined) refuseFinished(path, found, events);
    return { record: found, hasBegun: events.length > 0 };
  });
  const { epochs = record.settings.epochs, threads = options.alone?.threads } = options;
  const settings = { ...withoutOtherThreads(record, cluster, threads), epochs };
  const { hooks = [], gammaPolicy } = options;
  const own = gammaPolicy === undefined ? hooks : [...hooks, gammaPolicy];
  await cluster.together(async () => {
    requireOwnNames(own);
    requirePolicy(record, options);
  });
  const stopped: StoppedRun = { path, record, hasBegun, settings, own };
  const prepare = async (resources: RunResources): Promise<PreparedRun> => ({
    settings,
    folder: async () => path,
    open: () => reopen(stopped, resources, options),
  });
  return runToEnd({ cluster, settings, startedAt, prepare }, options);
}

interface StoppedRun {
  readonly path: string;
  readonly record: RunRecord;
  /** Whether an earlier session has emitted an event. */
  readonly hasBegun: boolean;
  /** With the changes that the caller asks for. */
  readonly settings: Settings;
  /** The caller's hooks and γ policy. */
  readonly own: readonly RunHook[];
}

/** Reads the state to continue from, checks that nothing was changed meanwhile, and records the caller's changes. */
async function reopen(
  { path, record, hasBegun, settings, own }: StoppedRun,
  resources: RunResources,
  options: ResumeOptions,
): Promise<RunStart> {
  const { cluster } = resources;
  const engine = engineOf(resources);
  await cluster.onFirst(() => requireKeptFiles(path, record.files));
  const teacher = hasTeacher(settings) ? await loadTogether(join(path, runFiles.teacher), cluster) : undefined;
  const latencyTable = await cluster.onFirst(async () =>
    needsLatency(settings) ? readLatencyTable(join(path, runFiles.latencyTable)) : null,
  );
  const damaged: string[] = [];
  const latest = await readLatestTogether(path, ({ message }) => damaged.push(message), cluster);
  await cluster.together(async () => requireOwners(latest.hooks, own));
  await cluster.onFirst(() => requireSealed(path, latest.seal));
  const dataset = await cluster.together(async () => {
    partOfBatch(settings.batch, cluster);
    return reopenData(record, options.data);
  });
  await requireSameInputs(cluster, { settings, dataset, network: latest.network, engine });
  const { step } = latest.progress;
  const changed = await cluster.onFirst(() => recordChanges(path, record, options, step));
  // The next checkpoints belong to the changed record.
  const seal = await cluster.onFirst(() => requireSealed(path, undefined));
  const { epochs } = record.settings;
  return {
    ...{ record: changed, dataset, isNew: false, resumedFrom: hasBegun ? step : null },
    checkpoint: { ...latest, seal, progress: reopened(latest.progress, changed) },
    ...optional({ teacher, latencyTable: latencyTable ?? undefined }),
    notices: [
      ...damaged.map((message) => `${message}; the run continues from step ${step} instead`),
      ...engineChanges(record.engine, engine),
      ...(settings.epochs === epochs
        ? []
        : [`The run gets ${settings.epochs} epochs instead of ${epochs}, from step ${step} on`]),
    ],
  };
}

/** @throws UserError "bad-option" unless the γ policy is the one that the run started with. */
function requirePolicy({ gammaPolicy: began }: RunRecord, { gammaPolicy }: RunOptions): void {
  if (began === gammaPolicy?.name) return;
  const message =
    began === undefined ? "the run was started without a γ policy" : `the run was started with the γ policy "${began}"`;
  throw new UserError("bad-option", message, {
    about: "gammaPolicy",
    expected: began ?? "none",
    received: gammaPolicy?.name ?? "none",
    hint: began === undefined ? "Leave it out" : "Pass it again: resume(folder, { gammaPolicy })",
  });
}

/** Drops the recorded number of threads if the number of ranks has changed. */
function withoutOtherThreads({ settings, engine }: RunRecord, cluster: Cluster, share: number | undefined): Settings {
  if (share !== undefined && settings.engine !== "reference") return { ...settings, threads: share };
  if ((engine["ranks"] ?? "1") === `${cluster.size}`) return settings;
  const { threads: _, ...others } = settings;
  return others;
}

function refuseFinished(folder: string, record: RunRecord, events: readonly RunEvent[]): void {
  if (!hasEnded(record, events)) return;
  throw new UserError("bad-option", "the run is finished: there is nothing to continue", {
    about: folder,
    hint: "Its results are compact.onnx and report.html. To train it for longer, give more --epochs than it had",
  });
}

/**
 * Another library or number of threads rounds differently: that is a notice, not an error. Settings fix the precision,
 * which only the record has beside the engine.
 */
function engineChanges({ precision: _, ...began }: RunRecord["engine"], now: RunRecord["engine"]): readonly string[] {
  const changed = Object.keys({ ...began, ...now }).filter((key) => began[key] !== now[key]);
  if (changed.length === 0) return [];
  const changes = changed.map((key) => `${key} ${began[key] ?? "none"} → ${now[key] ?? "none"}`).join(", ");
  return [`The engine changed (${changes}): the run continues, but not bit for bit`];
}
