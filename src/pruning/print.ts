/** A cut list as text, for people. */
import type { Cost } from "../graph/cost.ts";
import type { BypassedNode, CutList } from "./cut-list.ts";

/** `1234567` → `1.23 M`, three digits. */
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

function ratio(name: keyof Cost, before: Cost, after: Cost): string {
  const percent = before[name] === 0 ? 100 : (100 * after[name]) / before[name];
  return `${short(before[name])} → ${short(after[name])} (${percent.toFixed(1)} %)`;
}

function bypassedLine({ node, by, constant }: BypassedNode): string {
  if (constant === undefined) return `  ${node}: handed on from ${by}`;
  const nonzero = constant.filter((value) => value !== 0).length;
  return `  ${node}: ${by} plus a constant, ${nonzero} of ${constant.length} channels not zero`;
}

/**
 * What `list` takes out, in lines: cost before and after, kept channels of each layer, what became of additions (a
 * block that is handed on is its shortcut), and notes.
 */
export function printCuts(list: CutList): string {
  const width = Math.max(0, ...list.layers.map(({ layer }) => layer.length));
  const bypassed = list.steps.flatMap((step) => (step.kind === "bypass" ? step.nodes : []));
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [title, ...lines];
  return [
    `${list.network}: MACs ${ratio("macs", list.before, list.after)}, parameters ${ratio("parameters", list.before, list.after)}`,
    ...section(
      "Output channels kept",
      list.layers.map(({ layer, total, kept }) => {
        const state = kept === 0 ? "  removed" : kept === total ? "" : `  −${total - kept}`;
        return `  ${layer.padEnd(width)}  ${kept}/${total}${state}`;
      }),
    ),
    ...section("Left out", bypassed.map(bypassedLine)),
    ...section(
      "Notes",
      list.notes.map((note) => `  ${note}`),
    ),
  ].join("\n");
}
