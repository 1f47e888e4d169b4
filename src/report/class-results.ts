/** Right answers by class at the end of a run: a line for the terminal, a table for the report. */
import type { ClassResults } from "../training/events/events.ts";
import { formatCount, formatPercent, percentOf } from "./format.ts";
import { element, type Markup } from "./svg.ts";

type ClassResult = ClassResults["classes"][number];

/** Classes in the line, and rows of the table. */
const MOST_NAMED = 6;
const MOST_ROWS = 100;

/** Classes that have test images, the lowest score of the pruned network first. */
function sorted({ classes }: ClassResults): readonly ClassResult[] {
  return classes.filter(({ images }) => images > 0).toSorted((a, b) => scoreOf(a) - scoreOf(b));
}

/** Average precision if images may have several labels, else recall. */
function scoreOf({ figures, after, images }: ClassResult): number {
  return figures?.after.averagePrecision ?? percentOf(after, images);
}

/**
 * `recall: cat 81.2 %, bird 84.0 %, …`, as parts; the lowest ones if there are many classes. Of several labels it is
 * the average precision.
 */
export function recallWords(results: ClassResults): string {
  const classes = sorted(results);
  const named = classes.slice(0, MOST_NAMED).map((one) => `${one.name} ${formatPercent(scoreOf(one))}`);
  const measure = classes.some(({ figures }) => figures !== undefined) ? "average precision" : "recall";
  return `${classes.length > MOST_NAMED ? `lowest ${measure}` : measure}: ${named.join(", ")}`;
}

function recallOf(correct: number, { images }: ClassResult): string {
  return formatPercent(percentOf(correct, images));
}

/** Average precision, precision and F1 of the pruned network. */
function figuresOf({ images, figures }: ClassResult): readonly string[] {
  const { averagePrecision = null, precision = null, f1 = null } = figures?.after ?? {};
  return [averagePrecision, precision, images === 0 ? null : f1].map((value) =>
    value === null ? "–" : formatPercent(value),
  );
}

/** The table of all classes, those without test images last. */
export function recallTable(results: ClassResults): Markup {
  const hasFigures = results.classes.some(({ figures }) => figures !== undefined);
  const untested = results.classes.filter(({ images }) => images === 0);
  const rows = [...sorted(results), ...untested]
    .slice(0, MOST_ROWS)
    .map((one) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, one.name),
        element("td", { class: "n soft" }, formatCount(one.trainImages)),
        element("td", { class: "n soft" }, formatCount(one.images)),
        element("td", { class: "n soft" }, one.images === 0 ? "–" : recallOf(one.before, one)),
        element("td", { class: "n now" }, one.images === 0 ? "–" : recallOf(one.after, one)),
        hasFigures ? figuresOf(one).map((text) => element("td", { class: "n soft" }, text)) : [],
      ),
    );
  const names = hasFigures
    ? ["label", "training images", "test images", "recall before", "after", "average precision", "precision", "F1"]
    : ["class", "training images", "test images", "before", "after"];
  const heads = names.map((text, index) => element("th", { scope: "col", class: index > 0 ? "n" : undefined }, text));
  return element(
    "div",
    { class: "card" },
    element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows)),
  );
}
