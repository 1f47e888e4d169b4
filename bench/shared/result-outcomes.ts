/** What each pruned run of the results cost in accuracy, beside what one could have had without pruning. */
import { type ComparedRun, groupRuns } from "../../src/experiments/comparison.ts";
import type { RunSummary } from "../../src/experiments/run-summary.ts";
import { percentOf } from "../../src/report/format.ts";

/** A pruned run. Differences are in points, from the full network's accuracy. */
export interface Outcome {
  readonly run: RunSummary;
  readonly name: string;
  /** In percent. */
  readonly macsLeft: number;
  /** Of the full network, in percent. */
  readonly full: number;
  readonly points: number;
  /** Of the pruned architecture, trained from scratch for as many epochs. */
  readonly sameLayers?: number;
  /** Of the uniformly thinner network, trained from scratch for as many epochs. */
  readonly thinner?: number;
}

/** The run without factors of the same network and as many epochs; of the same seed, if there is one. */
export function baselineOf(run: RunSummary, runs: readonly RunSummary[]): RunSummary | undefined {
  const plain = runs.filter(
    ({ controlOf, kinds, model, dataset, epochs }) =>
      controlOf === undefined &&
      kinds.length === 0 &&
      model === run.model &&
      dataset === run.dataset &&
      epochs === run.epochs,
  );
  return plain.find(({ seed }) => seed === run.seed) ?? plain[0];
}

/** The outcomes of `runs`: those whose full network's accuracy is known. */
export function outcomesOf(runs: readonly RunSummary[]): readonly Outcome[] {
  return groupRuns(runs).flatMap((group) => group.runs.flatMap((compared) => outcomeOf(compared, runs) ?? []));
}

/** `resnet20` of `resnet20-12fca82f.bn-preserve`: files of trained weights often have a hash in their names. */
function withoutHash(model: string): string {
  return model.replace(/-[0-9a-f]{8}\b.*$/, "");
}

function outcomeOf({ run, controls }: ComparedRun, runs: readonly RunSummary[]): Outcome | undefined {
  if (run.kinds.length === 0) return undefined;
  const { before, after, startedFrom } = run;
  const full = startedFrom?.accuracy ?? baselineOf(run, runs)?.after.accuracy;
  if (full === undefined) return undefined;
  const gained = (control: RunSummary | undefined): number | undefined =>
    control === undefined ? undefined : control.after.accuracy - full;
  const [sameLayers, thinner] = [gained(controls.epochs), gained(controls.uniform)];
  return {
    ...{ run, full, name: startedFrom === undefined ? run.model : `${withoutHash(run.model)} from trained weights` },
    macsLeft: percentOf(after.macs, before.macs),
    points: after.accuracy - full,
    ...(sameLayers === undefined ? {} : { sameLayers }),
    ...(thinner === undefined ? {} : { thinner }),
  };
}

/** Outcomes of the same setting with several seeds. */
export interface Setting {
  readonly name: string;
  readonly aim: string;
  readonly epochs: number;
  readonly outcomes: readonly Outcome[];
}

/** The outcomes by network, aim and epochs, in their order. */
export function settingsOf(outcomes: readonly Outcome[]): readonly Setting[] {
  const settings = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const { name, run } = outcome;
    const key = `${name} ${run.aim} ${run.epochs}`;
    settings.set(key, [...(settings.get(key) ?? []), outcome]);
  }
  return [...settings.values()].flatMap((own) => {
    const [first] = own;
    return first === undefined
      ? []
      : [{ name: first.name, aim: first.run.aim, epochs: first.run.epochs, outcomes: own }];
  });
}
