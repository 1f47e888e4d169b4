/** The lines after training: the pruning, the certificate, the table of results, and the files. */
import { relative } from "node:path";
import Table from "cli-table3";
import { formatCount, formatEpochs, formatPercent, formatSmall, percentOf, plural } from "../../report/format.ts";
import { summaryRows } from "../../report/summary.ts";
import type { CertificateMeasured, Cut, Int8Measured, RunFinished } from "../../training/events/events.ts";
import type { Terminal } from "../terminal.ts";
import { floatNodesText } from "./float-nodes.ts";

export function cutLines({ before, after, layers, notes }: Cut, { colours }: Terminal): string[] {
  const gone = layers.reduce((sum, { alive, count }) => sum + count - alive, 0);
  if (gone === 0 && after.macs === before.macs) return notes.map((note) => colours.dim(`    ${note}`));
  const left = formatPercent(percentOf(after.macs, before.macs));
  return [
    `  ${colours.green("✓")} pruned ${plural(gone, "structure")}: ${left} of the MACs are left`,
    ...notes.map((note) => colours.dim(`    ${note}`)),
  ];
}

export function certificateLines(certificate: CertificateMeasured, { colours }: Terminal): string[] {
  const { passed, images, agreeing, relativeDifference, runtime } = certificate;
  const detail = (name: string, answers: number, of: number, difference: number): string => {
    const same = `${formatCount(answers)} of ${formatCount(of)} answers the same`;
    return colours.dim(`    ${name}: ${same}, |Δlogit| ≤ ${formatSmall(difference)} of their range`);
  };
  return [
    passed
      ? `  ${colours.green("✓")} certificate: pruning changed no answer`
      : `  ${colours.red("✗")} certificate: the pruned network differs`,
    detail("our engine", agreeing, images, relativeDifference),
    detail(runtime.name ?? "ONNX Runtime", runtime.agreeing, runtime.images ?? images, runtime.relativeDifference),
  ];
}

/** What the pruned network on 8-bit integers keeps of its answers, and which nodes stay on floats. */
export function int8Lines(result: Int8Measured, { colours }: Terminal): string[] {
  const { images, agreeing, accuracy, floatAccuracy, runtime, epochs, floats } = result;
  const trained = epochs > 0 ? `simulated in the last ${formatEpochs(epochs)}` : "ranges calibrated, not trained";
  return [
    `  ${colours.green("✓")} 8-bit integers: ${formatPercent(accuracy, 2)} accurate, ` +
      `${formatPercent(floatAccuracy, 2)} on floats`,
    colours.dim(`    ${runtime}: ${formatCount(agreeing)} of ${formatCount(images)} answers the same; ${trained}`),
    ...(floats.length === 0 ? [] : [colours.dim(`    nodes that stay floats: ${floatNodesText(floats)}`)]),
  ];
}

const NO_FRAME = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: " ", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
} as const;

/** The networks before and after pruning, as a table without a frame. */
export function summaryLines({ before, after, int8 }: RunFinished, { colours }: Terminal): string[] {
  const table = new Table({
    chars: NO_FRAME,
    style: { head: [], border: [], "padding-left": 1, "padding-right": 1 },
    colAligns: ["left", "right", "right", "right"],
    head: ["", "before", "after", "left"].map((heading) => colours.dim(heading)),
  });
  for (const row of summaryRows(before, after, int8)) {
    table.push([
      row.name,
      row.before,
      colours.bold(row.after),
      row.left === undefined ? "" : colours.green(formatPercent(row.left)),
    ]);
  }
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

/** A line for each named file, with its path relative to the current folder. */
export function fileLines(files: readonly (readonly [string, string])[], { colours }: Terminal): string[] {
  const width = Math.max(...files.map(([name]) => name.length));
  return files.map(([name, path]) => `  ${colours.dim(name.padEnd(width))}  ${colours.cyan(nearPath(path))}`);
}

/** `path` relative to the current folder if it is inside it, else `path`. */
export function nearPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}
