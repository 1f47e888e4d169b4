/**
 * A plan as tables: a row for each step, the sums for each op and direction, and the implementations that were not
 * chosen. If columns do not fit, the least important ones are omitted first.
 */
import type { ExplainedStep } from "../../evaluation/step-time.ts";
import { formatBytes, formatCount, formatPercent, plural } from "../../report/format.ts";
import { type Cell, columns, left, right } from "./columns.ts";

interface Column {
  readonly heading: Cell;
  /** If the terminal is narrow, columns of the lowest rank are omitted first. */
  readonly rank: number;
  readonly cell: (step: ExplainedStep) => string;
  /** Width down to which its texts may be shortened; undefined: never shortened. */
  readonly least?: number;
  /** Where long texts are shortened. Names of layers differ at their end, so they are shortened at the start. */
  readonly cut?: "start" | "end";
}

/** Suffixes of op names and the directions they mean, the longest first. */
const directions = [
  ["_training_backward", "backward"],
  ["_backward_data", "backward data"],
  ["_backward_weights", "backward weights"],
  ["_backward_factor", "backward"],
  ["_backward", "backward"],
  ["_training", "forward"],
  ["_correction", "backward"],
  ["_begin", "begin"],
  ["_end", "end"],
] as const;
const updates: ReadonlySet<string> = new Set([
  "nesterov_sgd",
  "muon",
  "accelerated_proximal_gradient",
  "running_average",
]);

/** `convolution_backward_data` → convolution, backward data. Reorders have no direction. */
export function directionOf(op: string): { readonly op: string; readonly direction: string } {
  const words = (text: string): string => text.replaceAll("_", " ");
  if (op === "reorder") return { op, direction: "" };
  if (updates.has(op)) return { op: words(op), direction: "update" };
  const [ending, direction] = directions.find(([end]) => op.endsWith(end)) ?? ["", "forward"];
  return { op: words(ending === "" ? op : op.slice(0, -ending.length)), direction };
}

/** Layouts of the inputs → layouts of the outputs. A data type other than f32 precedes its layout. */
function layoutsOf({ operands }: ExplainedStep): string {
  const named = (access: "read" | "write"): string => {
    const layouts = operands
      .filter((operand) => operand.access === access && !hidden.has(operand.role))
      .map(({ layout, type }) => (type === "f32" ? layout : `${type} ${layout}`));
    // Layouts of vectors are omitted beside those of images and weights.
    const telling = layouts.filter((layout) => layout !== "x");
    return [...new Set(telling.length > 0 ? telling : layouts)].join(", ");
  };
  return `${named("read")} → ${named("write")}`;
}

/** Operands for the library's own use, whose layouts say nothing. */
const hidden: ReadonlySet<string> = new Set(["workspace", "scratchpad"]);

const table: readonly Column[] = [
  { heading: left("op"), rank: 9, cell: ({ op }) => directionOf(op).op, least: 11 },
  { heading: left("direction"), rank: 8, cell: ({ op }) => directionOf(op).direction, least: 10 },
  { heading: left("node"), rank: 6, cell: ({ node }) => node, least: 12, cut: "start" },
  { heading: left("implementation"), rank: 7, cell: ({ implementation }) => implementation, least: 14 },
  { heading: right("of"), rank: 2, cell: ({ candidates }) => (candidates > 1 ? `${candidates}` : "") },
  { heading: left("layouts"), rank: 3, cell: layoutsOf, least: 26 },
  { heading: left("in"), rank: 1, cell: ({ precision }) => precision },
  { heading: right("moved"), rank: 4, cell: ({ bytes }) => formatBytes(bytes) },
  {
    heading: right("GB/s"),
    rank: 5,
    cell: ({ gigabytesPerSecond }) => (gigabytesPerSecond === 0 ? "" : gigabytesPerSecond.toFixed(1)),
  },
  {
    heading: right("GFLOP/s"),
    rank: 10,
    cell: ({ gigaflops }) => (gigaflops === 0 ? "" : formatCount(gigaflops)),
  },
  { heading: right("ms"), rank: 12, cell: ({ milliseconds }) => milliseconds.toFixed(3) },
  { heading: right("share"), rank: 11, cell: ({ share }) => formatPercent(100 * share) },
];

const GAP = 2;
const MARGIN = 2;

/** A heading and the plan's rows. No line is wider than `width`. */
export function planTable(steps: readonly ExplainedStep[], width: number): string[] {
  // If all steps have the same precision, a line above the table names it.
  const isMixed = new Set(steps.map(({ precision }) => precision)).size > 1;
  const wanted = table
    .filter(({ heading }) => isMixed || heading.text !== "in")
    .map((column) => ({
      column,
      width: Math.max(column.heading.text.length, ...steps.map((step) => column.cell(step).length)),
    }));
  const least = ({ column, width: full }: (typeof wanted)[number]): number =>
    Math.min(full, Math.max(column.least ?? full, column.heading.text.length));
  const room = (columnsKept: typeof wanted): number => width - MARGIN - GAP * (columnsKept.length - 1);
  let kept = wanted;
  while (kept.length > 1 && kept.reduce((sum, entry) => sum + least(entry), 0) > room(kept)) {
    const lowest = Math.min(...kept.map(({ column }) => column.rank));
    kept = kept.filter(({ column }) => column.rank !== lowest);
  }
  // Widen the shortened columns with the room that is left, those of low rank first: a shortened layout is hard to
  // understand, a shortened op is not.
  let spare = room(kept) - kept.reduce((sum, entry) => sum + least(entry), 0);
  const widths = new Map(kept.map((entry) => [entry.column, least(entry)]));
  for (const { column, width: full } of kept.toSorted((a, b) => a.column.rank - b.column.rank)) {
    const more = Math.min(spare, full - (widths.get(column) ?? full));
    widths.set(column, (widths.get(column) ?? 0) + more);
    spare -= more;
  }
  return columns(
    [
      kept.map(({ column }) => column.heading),
      ...steps.map((step) =>
        kept.map(({ column }) => ({
          text: shortened(column.cell(step), widths.get(column) ?? 0, column.cut ?? "end"),
          right: column.heading.right,
        })),
      ),
    ],
    GAP,
  );
}

function shortened(text: string, width: number, cut: "start" | "end"): string {
  if (text.length <= width) return text;
  const kept = Math.max(0, width - 1);
  return cut === "end" ? `${text.slice(0, kept)}…` : `…${text.slice(text.length - kept)}`;
}

/** A heading and the sums over the steps of each op and direction, the longest time first. */
export function planSums(steps: readonly ExplainedStep[]): string[] {
  const groups = new Map<string, ExplainedStep[]>();
  for (const step of steps) {
    const { op, direction } = directionOf(step.op);
    const group = groups.get(`${op} ${direction}`);
    if (group === undefined) groups.set(`${op} ${direction}`, [step]);
    else group.push(step);
  }
  const rows = [...groups.values()].map((group) => {
    const sum = (of: (step: ExplainedStep) => number): number => group.reduce((total, step) => total + of(step), 0);
    const milliseconds = sum((step) => step.milliseconds);
    const perSecond = (amount: number): number => (milliseconds === 0 ? 0 : amount / milliseconds);
    const { op, direction } = directionOf(group[0]?.op ?? "");
    return {
      ...{ op, direction, milliseconds, steps: group.length, share: sum(({ share }) => share) },
      gigaflops: perSecond(sum((step) => step.gigaflops * step.milliseconds)),
      gigabytes: perSecond(sum(({ bytes }) => bytes)) / 1e6,
    };
  });
  return columns(
    [
      [left("op"), left("direction"), right("steps"), right("GB/s"), right("GFLOP/s"), right("ms"), right("share")],
      ...rows
        .toSorted((a, b) => b.milliseconds - a.milliseconds)
        .map((row) => [
          ...[left(row.op), left(row.direction), right(`${row.steps}`)],
          right(row.gigabytes === 0 ? "" : row.gigabytes.toFixed(1)),
          right(row.gigaflops === 0 ? "" : formatCount(row.gigaflops)),
          ...[right(row.milliseconds.toFixed(3)), right(formatPercent(100 * row.share))],
        ]),
    ],
    GAP,
  );
}

/** Why implementations were not chosen: a line for each node and reason. Those that were only slower are counted. */
export function passedOverLines(steps: readonly ExplainedStep[]): string[] {
  const seen = new Set<string>();
  const slower = new Set<string>();
  const lines: string[] = [];
  for (const { node, op, passedOver } of steps) {
    for (const { implementation, reason } of passedOver) {
      const { op: name, direction } = directionOf(op);
      const line = `${[node, name, direction].filter((part) => part !== "").join(" ")}: ${implementation}: ${reason}`;
      if (reason.startsWith("took ")) slower.add(line);
      else if (!seen.has(line)) lines.push(line);
      seen.add(line);
    }
  }
  if (slower.size > 0)
    lines.push(`${plural(slower.size, "implementation")} slower than the chosen one (--json has them)`);
  return lines;
}
