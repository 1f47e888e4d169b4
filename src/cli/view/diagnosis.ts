/** Prints a diagnosis: for each finding a mark, its topic, a summary, and advice if the user should do something. */
import type { Diagnosis, Finding, FindingState } from "../diagnosis.ts";
import type { Terminal } from "../terminal.ts";

const marks = { good: "✓", note: "·", poor: "!", bad: "✗" } as const satisfies Record<FindingState, string>;

/** Prints all findings. The last line says whether training will work. */
export function printDiagnosis(diagnosis: Diagnosis, terminal: Terminal): void {
  const { findings } = diagnosis;
  const width = Math.max(...findings.map(({ topic }) => topic.length));
  for (const finding of findings) printFinding(finding, width, terminal);
  terminal.print();
  terminal.print(verdict(diagnosis, terminal));
}

function printFinding(
  { topic, state, summary, details = [], advice }: Finding,
  width: number,
  terminal: Terminal,
): void {
  const { colours, print } = terminal;
  const indent = " ".repeat(width + 4);
  print(`${colourOf(state, terminal)(marks[state])} ${colours.bold(topic.padEnd(width))}  ${summary}`);
  for (const line of details) print(colours.dim(`${indent}${line}`));
  if (advice !== undefined) print(`${indent}${advice}`);
}

function colourOf(state: FindingState, { colours }: Terminal): (text: string) => string {
  return { good: colours.green, note: colours.dim, poor: colours.yellow, bad: colours.red }[state];
}

function verdict({ willTrain, engine, findings }: Diagnosis, { colours }: Terminal): string {
  if (!willTrain) {
    const topics = findings.filter(({ state }) => state === "bad").map(({ topic }) => topic);
    return colours.red(`Training will not work: see ${topics.join(", ")}.`);
  }
  return engine === "onednn"
    ? colours.green("Training will work, with oneDNN.")
    : colours.yellow("Training will work, with the reference engine, which is slow: see oneDNN.");
}
