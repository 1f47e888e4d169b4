/**
 * The summary of a run for comparisons: a small record, read from its folder. It is plain JSON with a schema, so that
 * tables of runs can be stored without their folders.
 */

import { access } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { requireArguments } from "../core/arguments.ts";
import { optional } from "../core/optional.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import { formatQuantity } from "../report/format.ts";
import { type History, historyOf } from "../report/history.ts";
import { structureOf } from "../report/structure.ts";
import { costKinds, costNames } from "../selection/cost-model.ts";
import { type FactorKind, factorKinds } from "../selection/factors.ts";
import { controlOf } from "../training/events/event-parts.ts";
import type { ControlOf, NetworkSummary, RunEvent, StructureKind } from "../training/events/events.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { readRunRecord } from "../training/run-folder/run-record.ts";
import { trainingMacs } from "./control.ts";

/** Summary of all factors of one kind. */
export interface KindSummary {
  readonly kind: FactorKind;
  /** γ of the settings, before a budget changes it or costs scale it. */
  readonly gamma: number;
  readonly count: number;
  /** Structures alive at the end. */
  readonly alive: number;
  /** Structures alive at the end of each epoch, in percent of `count`. */
  readonly alivePercent: readonly number[];
  /** With a budget: the last reported γ of each epoch. */
  readonly gammaCourse?: readonly number[];
}

/** A convolution or linear layer of the main path: channels before and after pruning; 0 if the layer is gone. */
export interface LayerSummary {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** Height and width of its output, as `32×32`; empty for a linear layer. */
  readonly pixels: string;
}

export interface CostSummary {
  /** On the whole test split, in percent. */
  readonly accuracy: number;
  readonly macs: number;
  readonly parameters: number;
  /** Measured milliseconds of one image in ONNX Runtime; absent if they were not measured. */
  readonly latency?: number;
}

/** The file of trained weights that a run started from. */
export interface StartSummary {
  /** Name without the folder. */
  readonly file: string;
  /** On the whole test split, in percent. */
  readonly accuracy: number;
}

export interface RunSummary {
  readonly name: string;
  /** Name of the parent folder: the sweep, if the run is part of one. */
  readonly group: string;
  readonly model: string;
  readonly dataset: string;
  /** Time of its end, ISO 8601. */
  readonly date: string;
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Training images of an epoch, after the settings' limit. */
  readonly trainImages: number;
  readonly controlOf?: ControlOf;
  /** The network was taught its own original outputs: its accuracies are its agreement with them. */
  readonly isTaught?: true;
  /** Images may have several labels: its accuracies are mean average precisions. */
  readonly isMultiLabel?: true;
  /** Only if it is known: `run.json` has just the hash of the weights. */
  readonly startedFrom?: StartSummary;
  /**
   * The aim of the run, in words: `γ neurons 0.001`, `budget 50 %` (of the MACs), `budget 100 k parameters, after 3
   * epochs`; empty without factors.
   */
  readonly aim: string;
  /** Epochs before the penalty starts; absent if it started with the first step. */
  readonly gammaAfter?: number;
  readonly kinds: readonly KindSummary[];
  /** The trained network, the compact network, and the number of images that both were scored on. */
  readonly before: CostSummary;
  readonly after: CostSummary;
  /** The compact network on 8-bit integers, if the run wrote it. */
  readonly int8?: CostSummary;
  readonly testImages: number;
  readonly certified: boolean;
  /** Wall time of all its sessions, scoring and export included. */
  readonly seconds: number;
  /** MACs of the forward passes over all training images. */
  readonly trainingMacs: number;
  readonly layers: readonly LayerSummary[];
  readonly blocks: { readonly left: number; readonly count: number };
  /** Processor, cores, threads, precision, versions. */
  readonly machine: Readonly<Record<string, string>>;
}

const count = z.int().nonnegative();
const costSummary = z.object({
  accuracy: z.number(),
  macs: count,
  parameters: count,
  latency: z.number().exactOptional(),
});

const budgetSchema = z.object({
  of: z.enum(costKinds),
  share: z.number().exactOptional(),
  count: z.number().exactOptional(),
});

/** Schema of `RunSummary`. */
export const runSummarySchema: z.ZodType<RunSummary> = z.object({
  name: z.string(),
  group: z.string(),
  model: z.string(),
  dataset: z.string(),
  date: z.iso.datetime(),
  seed: count,
  epochs: count,
  batch: count,
  trainImages: count,
  controlOf: controlOf.exactOptional(),
  isTaught: z.literal(true).exactOptional(),
  isMultiLabel: z.literal(true).exactOptional(),
  startedFrom: z.object({ file: z.string(), accuracy: z.number() }).exactOptional(),
  aim: z.string(),
  gammaAfter: z.number().exactOptional(),
  kinds: z.array(
    z.object({
      kind: z.enum(factorKinds),
      gamma: z.number(),
      count,
      alive: count,
      alivePercent: z.array(z.number()),
      gammaCourse: z.array(z.number()).exactOptional(),
    }),
  ),
  before: costSummary,
  after: costSummary,
  int8: costSummary.exactOptional(),
  testImages: count,
  certified: z.boolean(),
  seconds: z.number(),
  trainingMacs: count,
  layers: z.array(z.object({ name: z.string(), before: count, after: count, pixels: z.string() })),
  blocks: z.object({ left: count, count }),
  machine: z.record(z.string(), z.string()),
});

/**
 * Reads the run in `folder`; undefined if it is not finished.
 * @throws UserError "missing-file" if `folder` is not a run, "bad-file" if it is damaged.
 */
export async function summarizeRun(folder: string): Promise<RunSummary | undefined> {
  requireArguments("summarizeRun", { folder: [folder, "text"] });
  const path = resolve(folder);
  const { settings, name, data, controlOf, model, environment, engine } = await readRunRecord(path);
  // A run that was stopped before its first event has no log yet.
  if (!(await exists(join(path, runFiles.events)))) return undefined;
  const events = await readEvents(path);
  const history = events.length === 0 ? undefined : historyOf(events);
  if (history?.finished === undefined) return undefined;
  const { finished, started, epochs, certificate } = history;
  const [network, compact] = await Promise.all(
    [runFiles.network, runFiles.compact].map(async (file) => (await loadOnnx(join(path, file))).graph),
  );
  const { layers, blocks } =
    network === undefined || compact === undefined ? { layers: [], blocks: [] } : structureOf(network, compact);
  const lastEpoch = epochs.at(-1);
  const kinds = factorKinds
    .map((kind): KindSummary => {
      const own = started.factors.filter((factor) => factor.kind === kind);
      const total = own.reduce((sum, factor) => sum + factor.count, 0);
      const alive = epochs.map((epoch) => aliveOf(epoch.layers, kind));
      return {
        kind,
        gamma: own[0]?.gamma ?? 0,
        count: total,
        alive: lastEpoch === undefined ? total : aliveOf(lastEpoch.layers, kind),
        alivePercent: alive.map((left) => Math.round((1000 * left) / Math.max(1, total)) / 10),
        ...optional({ gammaCourse: gammaCourse(history, kind) }),
      };
    })
    .filter((kind) => kind.count > 0);
  const { precision, threads, gammaAfter } = settings;
  return {
    name,
    group: basename(join(path, "..")),
    model,
    dataset: data.name,
    date: finished.time,
    seed: settings.seed,
    epochs: settings.epochs,
    batch: settings.batch,
    trainImages: started.dataset.trainImages,
    ...optional({ controlOf }),
    ...(finished.after.outputs === undefined ? {} : { isTaught: true }),
    ...(finished.after.labels === undefined ? {} : { isMultiLabel: true }),
    aim: aimOf(kinds, { ...settings }),
    ...optional({ gammaAfter }),
    kinds,
    before: costOf(finished.before),
    after: costOf(finished.after),
    ...(finished.int8 === undefined ? {} : { int8: costOf(finished.int8) }),
    testImages: finished.testImages,
    certified: certificate?.passed === true,
    seconds: wallSeconds(events),
    trainingMacs: trainingMacs(history, settings.batch),
    layers: layers.map(({ name: layer, widthBefore, widthAfter, pixels }) => ({
      ...{ name: layer, before: widthBefore, after: widthAfter, pixels },
    })),
    blocks: { left: blocks.filter(({ isCut }) => !isCut).length, count: blocks.length },
    machine: {
      ...environment,
      engine: [engine["name"], engine["library"]].filter((part) => part !== undefined).join(" "),
      precision: engine["precision"] ?? precision,
      ...(threads === undefined ? {} : { threads: String(threads) }),
    },
  };
}

/** The last reported γ of `kind` in each epoch; undefined without a budget. */
function gammaCourse({ budgets, epochs }: History, kind: FactorKind): readonly number[] | undefined {
  if (budgets.length === 0) return undefined;
  return epochs.map(({ epoch }) => {
    const gamma = budgets.findLast((budget) => budget.epoch <= epoch)?.gamma[kind] ?? 0;
    return Number(gamma.toPrecision(4));
  });
}

/** The aim of the run, in words. */
function aimOf(kinds: readonly KindSummary[], settings: Readonly<Record<string, unknown>>): string {
  if (kinds.length === 0) return "";
  const { gammaBy, gammaAfter, budgetBy, fixBatchNormScale, distill } = settings;
  return [
    goalOf(kinds, settings["budget"]) + (gammaBy === "none" ? "" : ` by ${String(gammaBy)}`),
    ...(gammaAfter === undefined ? [] : [`after ${String(gammaAfter)} ${gammaAfter === 1 ? "epoch" : "epochs"}`]),
    ...(budgetBy === undefined ? [] : [`met by epoch ${String(budgetBy)}`]),
    ...(fixBatchNormScale === true ? ["batch norms' scales fixed"] : []),
    ...(distill === undefined || distill === false ? [] : ["distilled"]),
  ].join(", ");
}

function goalOf(kinds: readonly KindSummary[], budget: unknown): string {
  const sought = budgetSchema.safeParse(budget);
  if (sought.success) {
    const { of, share, count: number = 0 } = sought.data;
    if (share !== undefined)
      return `budget ${Math.round(1000 * share) / 10} %${of === "macs" ? "" : ` ${costNames[of]}`}`;
    return of === "latency" ? `budget ${number} ms` : `budget ${formatQuantity(number)} ${costNames[of]}`;
  }
  const gammas = new Set(kinds.map(({ gamma }) => gamma));
  const parts = gammas.size === 1 ? [String(kinds[0]?.gamma)] : kinds.map(({ kind, gamma }) => `${kind}s ${gamma}`);
  return `γ ${parts.join(", ")}`;
}

function costOf({ accuracy, macs, parameters, latencyMilliseconds }: NetworkSummary): CostSummary {
  return { accuracy, macs, parameters, ...optional({ latency: latencyMilliseconds ?? undefined }) };
}

function aliveOf(
  layers: readonly { readonly kind: StructureKind; readonly alive: number }[],
  kind: StructureKind,
): number {
  return layers.filter((layer) => layer.kind === kind).reduce((sum, { alive }) => sum + alive, 0);
}

/** Wall time from the first to the last event of each session, summed over sessions. */
export function wallSeconds(events: readonly RunEvent[]): number {
  let [milliseconds, from, last] = [0, 0, 0];
  for (const { type, time } of events) {
    const now = Date.parse(time);
    if (type === "run.started") {
      milliseconds += last - from;
      from = now;
    }
    last = now;
  }
  return Math.round((milliseconds + last - from) / 1000);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
