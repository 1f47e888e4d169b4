/** Runs as rows of one table, for the terminal, the page, CSV and the results: what is shown and in which words. */
import { formatCount, formatDuration, formatPercent, formatQuantity, percentOf } from "../report/format.ts";
import { type ComparedRun, labelOf, type RunGroup } from "./comparison.ts";
import type { RunSummary } from "./run-summary.ts";

export interface TableColumn {
  readonly heading: string;
  readonly isNumber: boolean;
  readonly cell: (row: ComparedRun) => string;
}

/** `86.10 %`, and against `run`: `85.20 % (−0.90)`. */
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

/** What removing the zeros changed: accuracy of the compact network minus that of the trained one, in points. */
export function removalCost({ before, after }: RunSummary): number {
  return after.accuracy - before.accuracy;
}

function structuresOf({ kinds }: RunSummary): string {
  return kinds.map(({ kind, alive, count }) => `${formatCount(alive)}/${formatCount(count)} ${kind}s`).join(", ");
}

/** Columns for `group`; those of controls only where there are some. */
export function columnsFor({ runs }: RunGroup): readonly TableColumn[] {
  const number = (heading: string, cell: TableColumn["cell"]): TableColumn => ({ heading, isNumber: true, cell });
  const words = (heading: string, cell: TableColumn["cell"]): TableColumn => ({ heading, isNumber: false, cell });
  const controls = (["epochs", "macs"] as const).filter((same) => runs.some((row) => row.controls[same] !== undefined));
  return [
    words("run", ({ run, isOnFront }) => `${run.name}${isOnFront ? " *" : ""}`),
    words("aim", ({ run }) => labelOf(run)),
    number("seed", ({ run }) => String(run.seed)),
    number("accuracy", ({ run }) => formatPercent(run.after.accuracy, 2)),
    number("MACs", ({ run }) => formatQuantity(run.after.macs)),
    number("left", ({ run }) => formatPercent(percentOf(run.after.macs, run.before.macs))),
    number("parameters", ({ run }) => formatQuantity(run.after.parameters)),
    number("left", ({ run }) => formatPercent(percentOf(run.after.parameters, run.before.parameters))),
    words("structures", ({ run }) => structuresOf(run)),
    number("time", ({ run }) => formatDuration(run.seconds)),
    ...controls.map((same) =>
      number(same === "epochs" ? "control" : "control, equal MACs", ({ run, controls: own }) =>
        accuracyBeside(own[same], run),
      ),
    ),
  ];
}

/** Every run, controls among them, as a flat row with numbers as they are, for CSV. */
export function flatRows(groups: readonly RunGroup[]): readonly Readonly<Record<string, string | number>>[] {
  return groups.flatMap(({ runs }) =>
    runs.flatMap(({ run, controls }) =>
      [run, controls.epochs, controls.macs].filter((each) => each !== undefined).map((each) => flat(each)),
    ),
  );
}

function flat(run: RunSummary): Readonly<Record<string, string | number>> {
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
    seed: run.seed,
    epochs: run.epochs,
    batch: run.batch,
    trainImages: run.trainImages,
    accuracyTrained: before.accuracy,
    accuracy: after.accuracy,
    removalCost: Number(removalCost(run).toFixed(4)),
    macsBefore: before.macs,
    macs: after.macs,
    parametersBefore: before.parameters,
    parameters: after.parameters,
    structures: kinds.map(({ kind, alive, count }) => `${kind}s ${alive}/${count}`).join(" "),
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
