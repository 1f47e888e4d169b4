/** A network's structures as lines: a table a kind, repeated layers as one row, and below each row what goes with it. */
import { formatCount, formatPercent, formatQuantity, percentOf, plural } from "../../report/format.ts";
import type { InspectedFactor, StructureReport } from "../structures.ts";
import type { Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";
import { nameRanges } from "./name-ranges.ts";

/** Factors that say the same of layers that are counted through. */
interface Row {
  readonly layers: string[];
  /** Of the first layer; the others' is the same. */
  readonly factor: InspectedFactor;
}

/** `names` as seen from `layer`: those beside it by the last part of their name. */
function relative(names: readonly string[], layer: string): readonly string[] {
  const prefix = layer.slice(0, layer.lastIndexOf(".") + 1);
  return names.map((name) => (prefix !== "" && name.startsWith(prefix) ? name.slice(prefix.length) : name));
}

/** `a, b`, or how many and the first few. */
function listed(names: readonly string[], most = 6): string {
  const ranges = nameRanges(names);
  if (ranges.length <= most) return ranges.join(", ");
  return `${plural(names.length, "layer")} (${ranges.slice(0, most - 1).join(", ")}, …)`;
}

/** What goes with a structure besides what its own layer computes. */
function companions({ layer, kind, outputsOf, inputsOf }: InspectedFactor): string {
  const near = (names: readonly string[]): readonly string[] => (kind === "stream" ? names : relative(names, layer));
  const outputs = near(outputsOf.filter((name) => name !== layer));
  const inputs = near(inputsOf);
  if (kind === "block") return `goes with ${listed(outputs)}`;
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

/** `12`, `12…48` where structures differ, by their index. */
function spread({ each }: InspectedFactor, key: "macs" | "parameters"): string {
  const values = each.map((run) => run[key]);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? formatCount(least) : `${formatCount(least)}…${formatCount(most)}`;
}

function rowsOf(factors: readonly InspectedFactor[]): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const factor of factors) {
    const { layer, count, each, all } = factor;
    const shape = layer.replaceAll(/\d+/g, "#");
    const key = JSON.stringify([shape, count, each, all, companions(factor), guard(factor)]);
    const row = rows.get(key);
    if (row === undefined) rows.set(key, { layers: [layer], factor });
    else row.layers.push(layer);
  }
  return [...rows.values()];
}

/** `text` in lines of at most `width` columns, broken at blanks. */
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
    ...rows.map(({ layers, factor }) => [
      left(nameRanges(layers).join(", ")),
      right(layers.length === 1 ? `${factor.count}` : `${layers.length} × ${factor.count}`),
      right(spread(factor, "macs")),
      right(spread(factor, "parameters")),
      right(formatPercent(percentOf(factor.all.macs * layers.length, cost.macs))),
    ]),
  ]);
  const share = (key: "macs" | "parameters"): string => formatPercent(percentOf(all[key], cost[key]));
  return [
    "",
    `  ${colours.bold(plural(count, kind))}  ${colours.dim(`all together ${share("macs")} of the MACs, ${share("parameters")} of the parameters`)}`,
    colours.dim(heading),
    ...rows.flatMap(({ factor }, index) => {
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
