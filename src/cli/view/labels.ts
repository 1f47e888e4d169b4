/** Prints the scores of a network on images with any number of labels. */
import type { Dataset } from "../../data/dataset.ts";
import type { UnreadableImage } from "../../data/images/unreadable.ts";
import type { Accuracy } from "../../evaluation/accuracy.ts";
import { f1Of, precisionOf } from "../../evaluation/label-scores.ts";
import { formatCount, formatPercent, percentOf } from "../../report/format.ts";
import { type Context, printJson } from "../context.ts";
import { alignRight } from "../terminal.ts";
import { unreadableLines } from "./unreadable.ts";

export interface ShownLabels {
  readonly file: string;
  readonly dataset: Dataset;
  readonly labels: Accuracy;
  readonly unreadable: readonly UnreadableImage[];
  readonly isJson: boolean;
}

/** Labels in the table. */
const MOST_ROWS = 40;

interface LabelRow {
  readonly name: string;
  readonly images: number;
  readonly averagePrecision: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number;
}

function rowsOf({ dataset, labels: { classes, labels } }: ShownLabels): readonly LabelRow[] {
  return dataset.classes.map((name, label) => {
    const tally = classes[label] ?? { images: 0, correct: 0, answers: 0 };
    return {
      name,
      images: tally.images,
      averagePrecision: labels?.averagePrecision[label] ?? null,
      precision: precisionOf(tally),
      recall: tally.images === 0 ? null : percentOf(tally.correct, tally.images),
      f1: f1Of(tally),
    };
  });
}

/** Prints the scores: as lines, or as JSON. */
export function printLabels(context: Context, shown: ShownLabels): void {
  const { file, dataset, unreadable, isJson } = shown;
  const { accuracy, images, correct, labels } = shown.labels;
  const rows = rowsOf(shown);
  const exactMatch = labels?.exactMatch ?? 0;
  const f1 = labels?.f1 ?? 0;
  if (isJson) {
    const scores = { meanAveragePrecision: accuracy, exactMatch, f1, correct, images };
    printJson(context, { file, dataset: dataset.name, task: "multi-label", ...scores, labels: rows, unreadable });
    return;
  }
  const { colours, print } = context.stdout;
  for (const note of dataset.notes ?? []) print(colours.dim(note));
  for (const line of unreadableLines(unreadable)) print(`${colours.yellow("!")} ${line}`);
  print(`${colours.bold(formatPercent(accuracy, 2))} mean average precision on ${formatCount(images)} test images`);
  print(
    `${formatPercent(exactMatch, 2)} of the images have exactly their labels; the mean F1 is ${formatPercent(f1, 2)}`,
  );
  print("");
  const width = Math.max(...rows.map(({ name }) => name.length), 5);
  const cells = (values: readonly string[]): string => values.map((value) => alignRight(value, 11)).join("");
  print(colours.dim(`${"label".padEnd(width)}${cells(["images", "average p.", "precision", "recall", "F1"])}`));
  const percent = (value: number | null): string => (value === null ? "–" : formatPercent(value));
  const sorted = rows.toSorted((a, b) => (a.averagePrecision ?? 101) - (b.averagePrecision ?? 101));
  for (const { name, images: count, averagePrecision, precision, recall, f1: own } of sorted.slice(0, MOST_ROWS)) {
    const values = [averagePrecision, precision, recall, count === 0 ? null : own].map(percent);
    print(`${name.padEnd(width)}${cells([formatCount(count), ...values])}`);
  }
  if (rows.length > MOST_ROWS) print(colours.dim(`and ${rows.length - MOST_ROWS} labels more, in --json`));
}
