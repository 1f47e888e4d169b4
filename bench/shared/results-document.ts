/** Writes `docs/results.md` from tables of runs. All its figures are from the tables, and its statements are counts. */

import { type ComparedRun, groupRuns, labelOf } from "../../src/experiments/comparison.ts";
import { removalCost, signed } from "../../src/experiments/comparison-table.ts";
import type { RunSummary } from "../../src/experiments/run-summary.ts";
import {
  formatCount,
  formatDuration,
  formatPercent,
  formatQuantity,
  percentOf,
  plural,
} from "../../src/report/format.ts";
import { baselineOf, type Outcome, outcomesOf, settingsOf } from "./result-outcomes.ts";

/** The runs of one plan. */
export interface ResultTable {
  /** Name of the plan's file. */
  readonly name: string;
  readonly runs: readonly RunSummary[];
}

const heads = [
  ...["network", "structures", "aim", "seed", "images", "epochs", "time", "machine"],
  ...[
    "full network",
    "pruned",
    "from scratch",
    "from scratch, equal MACs",
    "uniformly thinner",
    "MACs left",
    "parameters left",
  ],
  "removal cost",
];

function percent(run: RunSummary | undefined): string {
  return run === undefined ? "" : formatPercent(run.after.accuracy, 2);
}

/** Accuracy of a from-scratch baseline, with the number of its machine if that is not the run's. */
function percentBeside(run: RunSummary, control: RunSummary | undefined, machines: readonly string[]): string {
  if (control === undefined || machineOf(control) === machineOf(run)) return percent(control);
  return `${percent(control)} (machine ${machines.indexOf(machineOf(control)) + 1})`;
}

/** `resnet-20`; for a run that started from a file: `graph, from network.onnx (91.73 %)`. */
function networkOf({ model, startedFrom }: RunSummary): string {
  return startedFrom === undefined
    ? model
    : `${model}, from ${startedFrom.file} (${formatPercent(startedFrom.accuracy, 2)})`;
}

function cells(
  { run, controls }: ComparedRun,
  runs: readonly RunSummary[],
  machines: readonly string[],
): readonly string[] {
  const isBaseline = run.kinds.length === 0;
  const { before, after } = run;
  return [
    networkOf(run),
    run.kinds.map(({ kind }) => `${kind}s`).join(", "),
    labelOf(run),
    String(run.seed),
    formatCount(run.trainImages),
    String(run.epochs),
    formatDuration(run.seconds),
    String(machines.indexOf(machineOf(run)) + 1),
    percent(isBaseline ? run : baselineOf(run, runs)),
    isBaseline ? "" : percent(run),
    percentBeside(run, controls.epochs, machines),
    percentBeside(run, controls.macs, machines),
    percentBeside(run, controls.uniform, machines),
    isBaseline ? formatQuantity(after.macs) : formatPercent(percentOf(after.macs, before.macs)),
    isBaseline ? formatQuantity(after.parameters) : formatPercent(percentOf(after.parameters, before.parameters)),
    signed(removalCost(run)),
  ];
}

/** Epochs from new weights. With fewer, a network stays well below the accuracy it can reach. */
const TRAINED = 15;
/** The network whose recipe needs fewer. */
const FAST = "fastnet-cifar";

/** Runs that began before this were pruned by an older budget controller. */
const PRESENT_CONTROLLER = "2026-11-30T22:00";

/** Counts how often each claim holds, and lists the rows in which it does not. */
function findings(rows: readonly ComparedRun[], runs: readonly RunSummary[]): string[] {
  const pruned = rows.filter(({ run }) => run.kinds.length > 0);
  if (pruned.length === 0) return ["No pruned run is finished yet."];
  const named = ({ run }: ComparedRun): string => `${run.model} at ${labelOf(run)}, seed ${run.seed}`;
  const lasting = ({ run }: ComparedRun): string => `${run.model} for ${plural(run.epochs, "epoch")}`;
  const count = (part: readonly ComparedRun[], whole: readonly ComparedRun[], what: string): string => {
    const rest = whole.filter((row) => !part.includes(row)).map(named);
    const others = rest.length === 0 ? "." : `; not ${rest.join("; ")}.`;
    return `- ${what}: ${part.length} of ${plural(whole.length, "row")}${others}`;
  };
  const exact = pruned.filter(({ run }) => signed(removalCost(run)) === "0.00" && run.certified);
  const controlled = pruned.filter(({ controls }) => controls.epochs !== undefined);
  const better = controlled.filter(({ run, controls }) => run.after.accuracy >= (controls.epochs?.after.accuracy ?? 0));
  const thinner = pruned.filter(({ controls }) => controls.uniform !== undefined);
  const ahead = thinner.filter(({ run, controls }) => run.after.accuracy >= (controls.uniform?.after.accuracy ?? 0));
  const based = pruned.filter(({ run }) => baselineOf(run, runs) !== undefined);
  const near = based.filter(({ run }) => run.after.accuracy >= (baselineOf(run, runs)?.after.accuracy ?? 0) - 0.7);
  const started = pruned.filter(({ run }) => run.startedFrom !== undefined);
  const brief = pruned.filter(({ run }) => run.startedFrom === undefined && run.epochs < TRAINED && run.model !== FAST);
  const older = pruned.filter(({ run }) => run.aim.startsWith("budget") && run.date < PRESENT_CONTROLLER);
  const kept = started.filter(({ run }) => run.after.accuracy >= (run.startedFrom?.accuracy ?? 0) - 0.7);
  return [
    count(exact, pruned, "Removal costs 0.00 points, and the certificate holds"),
    ...(controlled.length === 0
      ? []
      : [count(better, controlled, "At least as good as its from-scratch baseline of equal epochs")]),
    ...(thinner.length === 0
      ? []
      : [count(ahead, thinner, "At least as good as the uniformly thinner network of as many MACs")]),
    ...(based.length === 0 ? [] : [count(near, based, "Within 0.7 points of the full network")]),
    ...(brief.length === 0
      ? []
      : [
          `- Fewer than ${TRAINED} epochs, far below what the network can reach: ` +
            `${brief.length} of ${plural(pruned.length, "row")}, ${[...new Set(brief.map(lasting))].join("; ")}.`,
        ]),
    ...(older.length === 0
      ? []
      : [
          `- Older than the present budget controller: ${older.length} of ${plural(pruned.length, "row")}, ` +
            `${[...new Set(older.map(({ run }) => run.model))].join("; ")}.`,
        ]),
    ...(started.length === 0 ? [] : [count(kept, started, "Within 0.7 points of the file it started from")]),
  ];
}

function machineOf({ machine }: RunSummary): string {
  const { processor, cores, threads = "?", engine, precision, espalier, node } = machine;
  const used = threads === "1" ? "1 thread" : `${threads} threads`;
  const versions = `${engine}, Espalier ${espalier}, Node.js ${node}`;
  return `${processor}, ${plural(Number(cores), "core")}, ${used}, ${precision}, ${versions}`;
}

function row(values: readonly string[]): string {
  return `| ${values.join(" | ")} |`;
}

const introduction = [
  "`npm run results` trains the plans in `bench/results/`, continuing where it stopped, and writes this file from the",
  "tables in `docs/results/`. Do not edit it.",
  "",
  "- *Images* are those of an epoch. Accuracies are on the test split.",
  "- *Full network* was trained without factors, for as many epochs.",
  "- *From scratch* is the from-scratch baseline: the pruned architecture, trained from new weights for as " +
    "many epochs,",
  "  or for as many as take the same MACs. If it was trained on another machine or in another precision, brackets name",
  "  the machine.",
  "- *Removal cost* is the accuracy of the pruned network minus that of the trained one before it was " +
    "pruned, in points.",
  "- *Time* is wall time, with pauses and whatever else was running: how long a run took, not how fast it could be.",
  "- A network that began with the weights of a file has the file's name, and its accuracy before, in brackets.",
];

/** An item of a list in lines of at most 120 columns. */
function filled(item: string): readonly string[] {
  const lines: string[] = [];
  for (const word of item.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length === 0) lines.push(word);
    else if (longer.length <= 120) lines[lines.length - 1] = longer;
    else lines.push(`  ${word}`);
  }
  return lines;
}

const summaryHeads = [
  ...["network", "epochs", "seeds", "MACs left", "full network", "pruned"],
  ...["same layers from scratch", "uniformly thinner from scratch"],
];

/** Mean, and with several seeds the distance from the least to the most; empty if there are none. */
function meanOf(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return "";
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const spread = known.length < 2 ? "" : ` (${(Math.max(...known) - Math.min(...known)).toFixed(2)})`;
  return `${formatPercent(mean, 2)}${spread}`;
}

/** One row a setting: what a reader with a minute has to know. */
function summary(outcomes: readonly Outcome[]): readonly string[] {
  return [
    row(summaryHeads),
    row(summaryHeads.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...settingsOf(outcomes).map(({ name, epochs, outcomes: own }) =>
      row([
        ...[name, String(epochs), String(own.length), meanOf(own.map(({ macsLeft }) => macsLeft))],
        ...[meanOf(own.map(({ full }) => full)), meanOf(own.map(({ run }) => run.after.accuracy))],
        meanOf(own.map(({ full, sameLayers }) => (sameLayers === undefined ? undefined : full + sameLayers))),
        meanOf(own.map(({ full, thinner }) => (thinner === undefined ? undefined : full + thinner))),
      ]),
    ),
  ];
}

/** The whole document. */
export function resultsDocument(tables: readonly ResultTable[]): string {
  const runs = tables.flatMap((table) => table.runs);
  const machines = [...new Set(runs.map(machineOf))];
  const rows = groupRuns(runs).flatMap((group) => group.runs);
  const sections = tables.flatMap(({ name, runs: own }) => [
    `## ${name}`,
    "",
    row(heads),
    row(heads.map((_, index) => (index < 3 ? "---" : "---:"))),
    ...groupRuns(own).flatMap((group) => group.runs.map((compared) => row(cells(compared, own, machines)))),
    "",
  ]);
  return `${[
    "# Results",
    "",
    "![Accuracy that pruning costs, against the MACs that are left](pictures/accuracy.svg)",
    "",
    ...summary(outcomesOf(runs)),
    "",
    "Test accuracy on CIFAR-10. With several seeds, these are means, and the brackets have maximum minus minimum.",
    "A network *from scratch* was trained as long as the pruned one, from new weights: once in the layers that",
    "pruning left, and once in the full network's layers, all thinner by one factor, with as many MACs. Published",
    "points are changes of accuracy that papers report for other methods, after longer training: DSA (Ning et al.,",
    "ECCV 2020), DepGraph (Fang et al., CVPR 2023), LAASP (Ghimire et al., 2023).",
    "",
    "## What these tables say",
    "",
    ...introduction,
    "",
    ...findings(rows, runs).flatMap(filled),
    "",
    ...sections,
    "## Machines",
    "",
    ...machines.map((machine, index) => `${index + 1}. ${machine}`),
  ].join("\n")}\n`;
}
