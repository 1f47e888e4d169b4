/** Prints a cut list as text. */
import { requireArguments } from "../core/arguments.ts";
import type { Cost } from "../graph/cost.ts";
import type { BypassedNode, CutList } from "./cut-list.ts";

/** `count` with three digits and a unit: 1234567 becomes `1.23 M`. */
function short(count: number): string {
  for (const [unit, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  }
  return `${count}`;
}

function ratio(name: "macs" | "parameters", before: Cost, after: Cost): string {
  const percent = before[name] === 0 ? 100 : (100 * after[name]) / before[name];
  return `${short(before[name])} → ${short(after[name])} (${percent.toFixed(1)} %)`;
}

function bypassedLine({ node, by, constant }: BypassedNode): string {
  if (constant === undefined) return `  ${node}: replaced by ${by}`;
  const nonzero = constant.filter((value) => value !== 0).length;
  return `  ${node}: replaced by ${by} plus a constant, ${nonzero} of ${constant.length} channels not zero`;
}

/**
 * The changes of `list` as lines of text: cost before and after, kept channels of each layer, removed nodes with their
 * replacements, and notes. A removed block is replaced by its shortcut.
 */
export function printCuts(list: CutList): string {
  requireArguments("printCuts", { list: [list, "cut list"] });
  const width = Math.max(0, ...list.layers.map(({ layer }) => layer.length));
  const bypassed = list.steps.flatMap((step) => (step.kind === "bypass" ? step.nodes : []));
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [title, ...lines];
  const { network, before, after } = list;
  return [
    `${network}: MACs ${ratio("macs", before, after)}, parameters ${ratio("parameters", before, after)}`,
    ...section(
      "Output channels kept",
      list.layers.map(({ layer, total, kept }) => {
        const state = kept === 0 ? "  removed" : kept === total ? "" : `  −${total - kept}`;
        return `  ${layer.padEnd(width)}  ${kept}/${total}${state}`;
      }),
    ),
    ...section("Removed nodes", bypassed.map(bypassedLine)),
    ...section(
      "Notes",
      list.notes.map((note) => `  ${note}`),
    ),
  ].join("\n");
}
