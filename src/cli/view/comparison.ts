/** Finished runs side by side in the terminal. */
import { type Comparison, compareRuns } from "../../experiments/comparison.ts";
import { columnsFor } from "../../experiments/comparison-table.ts";
import type { Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";

/** Columns to omit on a narrow terminal, in this order. */
const dispensable: readonly string[] = ["time", "structures", "parameters", "seed", "parameters left", "epochs", "aim"];

/** A table for each network. It omits columns that do not fit; the page has all of them. */
export function comparisonLines({ groups }: Comparison, { colours, width }: Terminal): readonly string[] {
  const hasFront = groups.some(({ runs }) => runs.length > 1);
  const tables = groups.flatMap((group) => {
    let shown = columnsFor(group);
    const lines = (): string[] =>
      columns([
        shown.map(({ heading, isNumber }) => (isNumber ? right(heading) : left(heading))),
        ...group.runs.map((row) => shown.map(({ cell, isNumber }) => (isNumber ? right(cell(row)) : left(cell(row))))),
      ]);
    for (const name of dispensable) {
      if (Math.max(...lines().map((line) => line.length)) <= width()) break;
      shown = shown.filter(({ heading }) => heading !== name);
    }
    const [heading = "", ...rows] = lines();
    return ["", `  ${colours.bold(group.model)} on ${colours.bold(group.dataset)}`, "", colours.dim(heading), ...rows];
  });
  return [...tables, ...(hasFront ? ["", colours.dim("  * no other run has this accuracy with fewer MACs")] : [])];
}

/** Compares the finished runs in `places`. There must be at least one. */
export async function finishedLines(places: readonly string[], terminal: Terminal): Promise<readonly string[]> {
  return comparisonLines(await compareRuns(places), terminal);
}
