/** The confusion matrix as lines, if it fits into the terminal, and the most frequent mistakes. */
import { type ClassResult, type Confusion, classResults, mistakesOf } from "../../evaluation/confusion.ts";
import { formatCount, formatPercent, percentOf } from "../../report/format.ts";
import type { Terminal } from "../terminal.ts";
import { columns, left, right } from "./columns.ts";

const MISTAKES = 5;
/** A matrix of more classes is not printed: nobody could read it in a terminal. */
const MOST_CLASSES = 20;
const LONGEST_NAME = 14;

function shortened(name: string): string {
  return name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 1)}…`;
}

/** A row for each label, a column for each answer, in the same order. Empty if it is wider than the terminal. */
function matrixLines({ counts }: Confusion, names: readonly string[], terminal: Terminal): string[] {
  if (counts.length > MOST_CLASSES) return [];
  const results = classResults({ counts });
  const [heading = "", ...rows] = columns(
    [
      [left(""), left(""), ...counts.map((_, answer) => right(String(answer))), right("found")],
      ...counts.map((row, label) => [
        right(String(label)),
        left(shortened(names[label] ?? "")),
        ...row.map((count) => right(count === 0 ? "·" : String(count))),
        right(formatPercent(percentOf(results[label]?.correct ?? 0, results[label]?.images ?? 0))),
      ]),
    ],
    2,
  );
  if (Math.max(heading.length, ...rows.map((row) => row.length)) > terminal.width()) return [];
  return ["", terminal.colours.dim(heading), ...rows];
}

/** The classes with the lowest recall, where there is no matrix that shows it. */
function recallLines({ counts }: Confusion, name: (label: number) => string, { colours }: Terminal): string[] {
  const recall = ({ correct, images }: ClassResult): number => percentOf(correct, images);
  const sorted = classResults({ counts })
    .filter(({ images }) => images > 0)
    .toSorted((a, b) => recall(a) - recall(b))
    .slice(0, MISTAKES);
  const rows = sorted.map((one) => [
    left(name(one.label)),
    right(`${formatPercent(recall(one))} of ${formatCount(one.images)} found`),
  ]);
  return ["", colours.dim("  lowest recall"), ...columns(rows)];
}

export function confusionLines(confusion: Confusion, names: readonly string[], terminal: Terminal): string[] {
  const { dim, yellow } = terminal.colours;
  const name = (label: number): string => names[label] ?? `class ${label}`;
  const matrix = matrixLines(confusion, names, terminal);
  const mistakes = mistakesOf(confusion).slice(0, MISTAKES);
  const listed = columns(
    mistakes.map(({ label, answer, count }) => [
      left(name(label)),
      left(`answered ${name(answer)}`),
      right(formatCount(count)),
    ]),
  );
  return [
    ...(confusion.unanswered === 0
      ? []
      : [`${yellow("!")} ${formatCount(confusion.unanswered)} images got no answer: a logit was not a number`]),
    ...(matrix.length > 0 ? matrix : recallLines(confusion, name, terminal)),
    ...(mistakes.length === 0 ? [] : ["", dim("  most often mixed up"), ...listed]),
  ];
}
