/**
 * Prints the results of a bench: tables with a line of conditions, for a terminal, as Markdown for
 * `docs/performance.md`, or as JSON.
 */
import { availableParallelism, cpus } from "node:os";
import Table from "cli-table3";

export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Sentences under the table. */
  readonly notes?: readonly string[];
}

export interface Output {
  /** Machine, versions, command. */
  readonly conditions: readonly string[];
  readonly sections: readonly Section[];
  /** The measured figures, for `--json`. */
  readonly data: unknown;
}

/** Options of `parseArgs` that every bench has. */
export const outputOptions = {
  json: { type: "boolean", default: false },
  markdown: { type: "boolean", default: false },
} as const;

export function print(
  output: Output,
  { json, markdown }: { readonly json: boolean; readonly markdown: boolean },
): void {
  if (json) {
    console.log(JSON.stringify({ conditions: output.conditions, ...Object(output.data) }));
    return;
  }
  console.log(output.conditions.join(markdown ? "; " : "\n"));
  for (const section of output.sections) console.log(`\n${markdown ? asMarkdown(section) : asText(section)}`);
}

function asText({ title, head, rows, notes = [] }: Section): string {
  const table = new Table({ style: { head: [], border: [] }, head: [...head] });
  for (const row of rows) table.push([...row]);
  return [title, table.toString(), ...notes].join("\n");
}

function asMarkdown({ title, head, rows, notes = [] }: Section): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const table = [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
  return [`### ${title}`, table, ...(notes.length > 0 ? [notes.join(" ")] : [])].join("\n\n");
}

/** The conditions of every figure: processor, Node's version, and the command. */
export function machineConditions(script: string, more: readonly string[]): readonly string[] {
  const parameters = process.argv.slice(2).filter((parameter) => !/^--(json|markdown)$/.test(parameter));
  return [
    `npm run ${script}${parameters.length > 0 ? ` -- ${parameters.join(" ")}` : ""}`,
    `${cpus()[0]?.model ?? "unknown processor"}, ${availableParallelism()} cores`,
    `Node ${process.versions.node}`,
    ...more,
  ];
}

export function milliseconds(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/** Stands for a figure that is unknown or was not measured. */
export const NOTHING = "–";

/** `ratio` and whether it reaches `target`. */
export function againstTarget(ratio: number | undefined, target: number | undefined): string {
  if (ratio === undefined) return NOTHING;
  if (target === undefined) return ratio.toFixed(2);
  return `${ratio.toFixed(2)} (target ${target}: ${ratio >= target ? "met" : "missed"})`;
}
