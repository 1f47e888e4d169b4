/** `docs/results.md` from tables of runs: every figure in it is one of theirs, and what it says of them is counted. */

import { type ComparedRun, groupRuns, labelOf } from "../../src/experiments/comparison.ts";
import { removalCost, signed } from "../../src/experiments/comparison-table.ts";
import type { RunSummary } from "../../src/experiments/run-summary.ts";
import { formatDuration, formatPercent, formatQuantity, percentOf, plural } from "../../src/report/format.ts";

/** The runs of one plan. */
export interface ResultTable {
  /** Of the plan's file. */
  readonly name: string;
  readonly runs: readonly RunSummary[];
}

const heads = [
  ...["network", "structures", "aim", "seed", "epochs", "time"],
  ...["baseline", "pruned", "control", "control, equal MACs", "MACs left", "parameters left", "removal cost"],
];

/** Accuracy of the run of no factors with the same network, epochs and seed, or of any seed if there is none. */
function baselineOf(run: RunSummary, runs: readonly RunSummary[]): RunSummary | undefined {
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

function percent(run: RunSummary | undefined): string {
  return run === undefined ? "" : formatPercent(run.after.accuracy, 2);
}

function cells({ run, controls }: ComparedRun, runs: readonly RunSummary[]): readonly string[] {
  const isBaseline = run.kinds.length === 0;
  const { before, after } = run;
  return [
    run.model,
    run.kinds.map(({ kind }) => `${kind}s`).join(", "),
    labelOf(run),
    String(run.seed),
    String(run.epochs),
    formatDuration(run.seconds),
    percent(isBaseline ? run : baselineOf(run, runs)),
    isBaseline ? "" : percent(run),
    percent(controls.epochs),
    percent(controls.macs),
    isBaseline ? formatQuantity(after.macs) : formatPercent(percentOf(after.macs, before.macs)),
    isBaseline ? formatQuantity(after.parameters) : formatPercent(percentOf(after.parameters, before.parameters)),
    signed(removalCost(run)),
  ];
}

/** How often what is hoped for is so, with the rows in which it is not. */
function findings(rows: readonly ComparedRun[], runs: readonly RunSummary[]): string[] {
  const pruned = rows.filter(({ run }) => run.kinds.length > 0);
  if (pruned.length === 0) return ["No pruned run is finished yet."];
  const named = ({ run }: ComparedRun): string => `${run.model} at ${labelOf(run)}, seed ${run.seed}`;
  const count = (part: readonly ComparedRun[], whole: readonly ComparedRun[], what: string): string => {
    const rest = whole.filter((row) => !part.includes(row)).map(named);
    return `- ${what}: ${part.length} of ${plural(whole.length, "row")}${rest.length === 0 ? "." : `; not ${rest.join("; ")}.`}`;
  };
  const exact = pruned.filter(({ run }) => signed(removalCost(run)) === "0.00" && run.certified);
  const controlled = pruned.filter(({ controls }) => controls.epochs !== undefined);
  const better = controlled.filter(({ run, controls }) => run.after.accuracy >= (controls.epochs?.after.accuracy ?? 0));
  const based = pruned.filter(({ run }) => baselineOf(run, runs) !== undefined);
  const near = based.filter(({ run }) => run.after.accuracy >= (baselineOf(run, runs)?.after.accuracy ?? 0) - 0.7);
  return [
    count(exact, pruned, "Removal costs 0.00 points, and the certificate holds"),
    ...(controlled.length === 0 ? [] : [count(better, controlled, "At least as good as its control of equal epochs")]),
    ...(based.length === 0 ? [] : [count(near, based, "Within 0.7 points of its own baseline")]),
  ];
}

function machinesOf(runs: readonly RunSummary[]): string[] {
  const told = runs.map(({ machine }) => {
    const { processor, cores, threads, engine, precision, espalier, node } = machine;
    return `- ${processor}, ${cores} cores, ${threads ?? "?"} threads, ${precision}, ${engine}, Espalier ${espalier}, Node.js ${node}`;
  });
  return [...new Set(told)];
}

function row(values: readonly string[]): string {
  return `| ${values.join(" | ")} |`;
}

/** The whole document. */
export function resultsDocument(tables: readonly ResultTable[]): string {
  const runs = tables.flatMap((table) => table.runs);
  const rows = groupRuns(runs).flatMap((group) => group.runs);
  const sections = tables.flatMap(({ name, runs: own }) => [
    `## ${name}`,
    "",
    row(heads),
    row(heads.map((_, index) => (index < 3 ? "---" : "---:"))),
    ...groupRuns(own).flatMap((group) => group.runs.map((compared) => row(cells(compared, own)))),
    "",
  ]);
  return `${[
    "# Results",
    "",
    "Written by `npm run results`, which trains the plans in `bench/results/` (it goes on where it was stopped) and makes this file from the",
    "tables in `docs/results/`; do not edit it. Accuracy is that of the compact network on the whole test split. A control is",
    "what is left of the network, trained from new weights for as many epochs, or for as many as take the same MACs. Removal cost is the",
    "accuracy of the compact network minus that of the trained one, in points. Time is wall time of the run, its own share of the machine.",
    "",
    ...findings(rows, runs),
    "",
    ...sections,
    "## Machines",
    "",
    ...machinesOf(runs),
  ].join("\n")}\n`;
}
