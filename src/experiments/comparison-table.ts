/** Runs as rows of a table, for the terminal, the comparison page, CSV and docs/results.md: columns and their texts. */

import {
  formatCount,
  formatDuration,
  formatMilliseconds,
  formatPercent,
  formatQuantity,
  percentOf,
} from "../report/format.ts";
import { factorKinds } from "../selection/factors.ts";
import { baselineKinds, baselineNames } from "../training/events/baseline-kinds.ts";
import { type ComparedRun, controlsOf, labelOf, type RunGroup, scoreOf } from "./comparison.ts";
import type { RunSummary } from "./run-summary.ts";

export interface TableColumn {
  readonly heading: string;
  readonly isNumber: boolean;
  readonly cell: (row: ComparedRun) => string;
}

/** Accuracy of a from-scratch baseline, with its difference to `run` in points: `85.20 % (−0.90)`. */
function accuracyBeside(control: RunSummary | undefined, run: RunSummary): string {
  if (control === undefined) return "";
  return `${formatPercent(control.after.accuracy, 2)} (${signed(control.after.accuracy - run.after.accuracy)})`;
}

/** `+0.31`, `−0.90`, `0.00`: percentage points. */
export function signed(points: number): string {
  const text = Math.abs(points).toFixed(2);
  if (Number(text) === 0) return "0.00";
  return `${points < 0 ? "−" : "+"}${text}`;
}

/** Accuracy of the compact network minus that of the trained one, in points. */
export function removalCost({ before, after }: RunSummary): number {
  return after.accuracy - before.accuracy;
}

function structuresOf({ kinds }: RunSummary): string {
  return kinds.map(({ kind, alive, count }) => `${formatCount(alive)}/${formatCount(count)} ${kind}s`).join(", ");
}

/** `30 × 50,000`: epochs × images of an epoch. */
function lengthOf({ epochs, trainImages }: RunSummary): string {
  return `${epochs} × ${formatCount(trainImages)}`;
}

/**
 * Columns for `group`. Columns of from-scratch baselines are only for groups that have some, the length of training
 * only if it differs.
 */
export function columnsFor({ runs, score }: RunGroup): readonly TableColumn[] {
  const number = (heading: string, cell: TableColumn["cell"]): TableColumn => ({ heading, isNumber: true, cell });
  const words = (heading: string, cell: TableColumn["cell"]): TableColumn => ({ heading, isNumber: false, cell });
  const controls = baselineKinds.filter((kind) => runs.some((row) => row.controls[kind] !== undefined));
  return [
    words("run", ({ run, isOnFront }) => `${run.name}${isOnFront && runs.length > 1 ? " *" : ""}`),
    words("aim", ({ run }) => labelOf(run)),
    number("seed", ({ run }) => String(run.seed)),
    ...(new Set(runs.map(({ run }) => lengthOf(run))).size > 1 ? [number("epochs", ({ run }) => lengthOf(run))] : []),
    number(score, ({ run }) => formatPercent(run.after.accuracy, 2)),
    number("MACs", ({ run }) => formatQuantity(run.after.macs)),
    number("MACs left", ({ run }) => formatPercent(percentOf(run.after.macs, run.before.macs))),
    number("parameters", ({ run }) => formatQuantity(run.after.parameters)),
    number("parameters left", ({ run }) => formatPercent(percentOf(run.after.parameters, run.before.parameters))),
    ...(runs.some(({ run }) => run.after.latency !== undefined)
      ? [
          number("latency", ({ run: { after } }) =>
            after.latency === undefined ? "" : formatMilliseconds(after.latency),
          ),
        ]
      : []),
    ...(runs.some(({ run }) => run.int8 !== undefined)
      ? [
          number(`${score}, INT8`, ({ run: { int8 } }) => (int8 === undefined ? "" : formatPercent(int8.accuracy, 2))),
          number("latency, INT8", ({ run: { int8 } }) =>
            int8?.latency === undefined ? "" : formatMilliseconds(int8.latency),
          ),
        ]
      : []),
    words("structures", ({ run }) => structuresOf(run)),
    number("time", ({ run }) => formatDuration(run.seconds)),
    ...controls.map((kind) => number(baselineNames[kind], ({ run, controls: own }) => accuracyBeside(own[kind], run))),
  ];
}

/** A row of CSV, with unformatted numbers. */
export type FlatRow = Readonly<Record<string, string | number>>;

/** One row for each run, including from-scratch baselines. */
export function flatRows(groups: readonly RunGroup[]): readonly FlatRow[] {
  return allRuns(groups).map(flat);
}

/** One row for each epoch, kind and run: structures alive, and γ. */
export function epochRows(groups: readonly RunGroup[]): readonly FlatRow[] {
  return allRuns(groups).flatMap((run) =>
    run.kinds.flatMap(({ kind, count, alivePercent, gamma, gammaCourse }) =>
      alivePercent.map((percent, index) => ({
        ...{ ...nameOf(run), epoch: index + 1, kind, count, alivePercent: percent },
        gamma: gammaCourse?.[index] ?? (index + 1 > (run.gammaAfter ?? 0) ? gamma : 0),
      })),
    ),
  );
}

/** One row for each layer of each run: its channels before and after pruning. */
export function layerRows(groups: readonly RunGroup[]): readonly FlatRow[] {
  return allRuns(groups).flatMap((run) =>
    run.layers.map(({ name: layer, pixels, before, after }) => ({ ...nameOf(run), layer, pixels, before, after })),
  );
}

function allRuns(groups: readonly RunGroup[]): readonly RunSummary[] {
  return groups.flatMap(({ runs }) => runs.flatMap(({ run, controls }) => [run, ...controlsOf(controls)]));
}

function nameOf({ name, group, model, dataset, seed }: RunSummary): FlatRow {
  return { name, sweep: group, model, dataset, seed };
}

/**
 * γ of each kind in the settings, and its largest value at the end of an epoch. With a budget the former only sets the
 * ratio between kinds. Empty for kinds that the run does not have.
 */
function gammaCells({ kinds }: RunSummary): FlatRow {
  return Object.fromEntries(
    factorKinds.flatMap((kind) => {
      const own = kinds.find((each) => each.kind === kind);
      const largest = own === undefined ? "" : Math.max(...(own.gammaCourse ?? [own.gamma]));
      const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}s`;
      return [
        [`gamma${name}`, own?.gamma ?? ""],
        [`gamma${name}Largest`, largest],
      ];
    }),
  );
}

function flat(run: RunSummary): FlatRow {
  const { controlOf, before, after, layers, blocks, kinds, machine } = run;
  return {
    name: run.name,
    sweep: run.group,
    model: run.model,
    dataset: run.dataset,
    date: run.date,
    aim: run.aim,
    controlOf: controlOf?.run ?? "",
    controlSame: controlOf?.same ?? "",
    controlWidths: controlOf?.widths ?? "",
    seed: run.seed,
    epochs: run.epochs,
    batch: run.batch,
    trainImages: run.trainImages,
    score: scoreOf(run),
    accuracyTrained: before.accuracy,
    accuracy: after.accuracy,
    removalCost: Number(removalCost(run).toFixed(4)),
    macsBefore: before.macs,
    macs: after.macs,
    parametersBefore: before.parameters,
    parameters: after.parameters,
    latencyBefore: before.latency ?? "",
    latency: after.latency ?? "",
    accuracyInt8: run.int8?.accuracy ?? "",
    latencyInt8: run.int8?.latency ?? "",
    structures: kinds.map(({ kind, alive, count }) => `${kind}s ${alive}/${count}`).join(" "),
    ...gammaCells(run),
    layersLeft: layers.filter((layer) => layer.after > 0).length,
    layers: layers.length,
    blocksLeft: blocks.left,
    blocks: blocks.count,
    certified: run.certified ? 1 : 0,
    testImages: run.testImages,
    seconds: run.seconds,
    trainingMacs: run.trainingMacs,
    precision: machine["precision"] ?? "",
    threads: machine["threads"] ?? "",
    processor: machine["processor"] ?? "",
  };
}
