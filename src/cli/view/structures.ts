/**
 * A network's structures as lines: a table for each kind, with one row for repeated layers. Below a row are the other
 * layers that shrink with it.
 */
import { formatCount, formatPercent, formatQuantity, percentOf, plural } from "../../report/format.ts";
import type { InspectedFactor, StructureReport } from "../structures.ts";
import type { Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";
import { nameRanges } from "./name-ranges.ts";

/** Factors of numbered layers that have the same figures; at least one. */
interface Row {
  readonly factors: InspectedFactor[];
}

/** `names` without the prefix that they share with `layer`. */
function relative(names: readonly string[], layer: string): readonly string[] {
  const prefix = layer.slice(0, layer.lastIndexOf(".") + 1);
  return names.map((name) => (prefix !== "" && name.startsWith(prefix) ? name.slice(prefix.length) : name));
}

/** `a, b`, or for many names their number and the first few. */
function listed(names: readonly string[], most = 6): string {
  const ranges = nameRanges(names);
  if (ranges.length <= most) return ranges.join(", ");
  return `${plural(names.length, "layer")} (${ranges.slice(0, most - 1).join(", ")}, …)`;
}

/** What is removed from other layers when a structure is pruned. */
function companions({ layer, kind, outputsOf, inputsOf }: InspectedFactor): string {
  const near = (names: readonly string[]): readonly string[] => (kind === "stream" ? names : relative(names, layer));
  const outputs = near(outputsOf.filter((name) => name !== layer));
  const inputs = near(inputsOf);
  if (kind === "block") return `removes ${listed(outputs)}`;
  return [
    ...(outputs.length > 0 ? [`outputs of ${listed(outputs)}`] : []),
    ...(inputs.length > 0 ? [`inputs of ${listed(inputs)}`] : []),
  ].join("; ");
}

function guard({ count, keeps }: InspectedFactor): string {
  if (keeps === undefined) return "";
  const [start, end] = keeps;
  return end - start === count ? "one always stays" : `one of ${start}…${end - 1} always stays`;
}

/** `12`, or `12…48` if structures differ. */
function spread({ factors }: Row, key: "macs" | "parameters"): string {
  const values = factors.flatMap(({ each }) => each.map((run) => run[key]));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? formatCount(least) : `${formatCount(least)}…${formatCount(most)}`;
}

/** A table with more rows is too long to read. Layers with different costs then share a row, as in dense blocks. */
const MOST_ROWS = 24;

function rowsOf(factors: readonly InspectedFactor[]): readonly Row[] {
  const rows = groupedBy(factors, ({ layer, count, each, all }) => [layer.replaceAll(/\d+/g, "#"), count, each, all]);
  if (rows.length <= MOST_ROWS) return rows;
  // `block1.layer2.conv1` shares a row with all layers of the block.
  const siblings = (layer: string): string => layer.replace(/\d+(?=[^.\d]*\.[^.]*$)/, "#");
  return groupedBy(factors, ({ layer, count }) => [siblings(layer), count]);
}

function groupedBy(
  factors: readonly InspectedFactor[],
  keyOf: (factor: InspectedFactor) => readonly unknown[],
): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const factor of factors) {
    const key = JSON.stringify([...keyOf(factor), companions(factor), guard(factor)]);
    const row = rows.get(key);
    if (row === undefined) rows.set(key, { factors: [factor] });
    else row.factors.push(factor);
  }
  return [...rows.values()];
}

/** Breaks `text` at blanks into lines of at most `width` columns. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function kindLines(
  { kind, count, all }: StructureReport["kinds"][number],
  { cost, factors }: StructureReport,
  { colours, width }: Terminal,
): string[] {
  const rows = rowsOf(factors.filter((factor) => factor.kind === kind));
  const [heading = "", ...lines] = columns([
    [left("layer"), right("factors"), right("MACs each"), right("parameters each"), right("MACs of all")],
    ...rows.map((row) => {
      const each = `${row.factors[0]?.count}`;
      const macs = row.factors.reduce((sum, { all: together }) => sum + together.macs, 0);
      return [
        left(nameRanges(row.factors.map(({ layer }) => layer)).join(", ")),
        right(row.factors.length === 1 ? each : `${row.factors.length} × ${each}`),
        right(spread(row, "macs")),
        right(spread(row, "parameters")),
        right(formatPercent(percentOf(macs, cost.macs))),
      ];
    }),
  ]);
  const share = (key: "macs" | "parameters"): string => formatPercent(percentOf(all[key], cost[key]));
  const shares = `together ${share("macs")} of the MACs, ${share("parameters")} of the parameters`;
  return [
    "",
    `  ${colours.bold(plural(count, kind))}  ${colours.dim(shares)}`,
    colours.dim(heading),
    ...rows.flatMap(({ factors: [factor] }, index) => {
      if (factor === undefined) return [];
      const also = [companions(factor), guard(factor)].filter((text) => text !== "").join("; ");
      const below = also === "" ? [] : wrapped(also, Math.max(40, width() - 6));
      return [lines[index] ?? "", ...below.map((text) => colours.dim(`      ${text}`))];
    }),
  ];
}

export function structureLines(report: StructureReport, terminal: Terminal): string[] {
  const { colours } = terminal;
  const { name, cost, kinds, refused } = report;
  const sums = `${formatQuantity(cost.macs)} MACs, ${formatQuantity(cost.parameters)} parameters`;
  const reasons = refused.flatMap(({ layers, reason }) => `  ${nameRanges(layers).join(", ")}: ${reason}`);
  return [
    "",
    `  ${colours.bold(name)}  ${colours.dim(sums)}`,
    ...(kinds.length === 0 ? ["", "  no structures that can be selected"] : []),
    ...kinds.flatMap((kind) => kindLines(kind, report, terminal)),
    ...(reasons.length === 0 ? [] : ["", `  ${colours.bold("not selectable")}`, ...reasons]),
  ];
}
