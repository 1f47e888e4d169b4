/**
 * An evaluation as one HTML page: accuracy, confusion matrix, worst mistakes.
 */
import { balancedAccuracy } from "../evaluation/class-tally.ts";
import { type ClassResult, type Confusion, classResults, mistakesOf } from "../evaluation/confusion.ts";
import { document, section } from "./document.ts";
import { formatCount, formatPercent, formatSmall, percentOf, plural } from "./format.ts";
import { picture } from "./picture.ts";
import { element, type Markup } from "./svg.ts";

export interface EvaluationPage {
  readonly network: string;
  readonly dataset: string;
  readonly classes: readonly string[];
  readonly confusion: Confusion;
  readonly date: Date;
}

/** With more classes than this, cells are too small for numbers. */
const MOST_NUMBERED = 24;
/** With more classes than this, the matrix is too wide for a page: only the most frequent mistakes are listed. */
const MOST_DRAWN = 200;
const MISTAKES = 12;

const css = `
.matrix { overflow-x: auto; margin-top: 14px; } .matrix table { width: auto; font-size: 12.5px; }
.matrix td { width: 44px; height: 32px; padding: 0; text-align: center; border: 1px solid var(--paper);
  border-radius: 4px; }
.matrix th { border: 0; padding: 2px 8px; white-space: nowrap; }
.matrix thead th { vertical-align: bottom; writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  padding: 6px 0; }
.matrix tbody th { text-align: right; }
.matrix.small td { width: 6px; height: 6px; min-width: 6px; border: 0; border-radius: 0; font-size: 0; line-height: 0; }
.matrix.small thead { display: none; } .matrix.small th { display: none; } .matrix td.zero { color: transparent; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 30px; margin-top: 14px; }
.found { width: 34%; } @media (max-width: 640px) { .found { width: auto; } .found .meter div { display: none; }
.found .meter span { text-align: left; } }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(138px, 1fr)); gap: 18px 14px;
  margin-top: 16px; }
.gallery img { width: 100%; height: auto; image-rendering: pixelated; border-radius: 6px; background: var(--rule); }
.gallery figcaption { font-weight: 400; font-size: 13px; margin-top: 4px; line-height: 1.35; }
.gallery .place { overflow-wrap: anywhere; } .gallery .share { white-space: nowrap; }
.gallery b { color: var(--bad); font-weight: 600; }
`;

function nameOf(classes: readonly string[], label: number): string {
  return classes[label] ?? `class ${label}`;
}

/** The confusion matrix. The strength of a cell's colour is its share of the row. */
function matrix({ counts }: Confusion, classes: readonly string[]): Markup {
  const isSmall = counts.length > MOST_NUMBERED;
  const cell = (row: readonly number[], label: number, answer: number): Markup => {
    const count = row[answer] ?? 0;
    const total = row.reduce((sum, each) => sum + each, 0);
    const share = percentOf(count, Math.max(1, total));
    // Even few wrong answers must be visible; right answers are usually most of a row.
    const strength = count === 0 ? 0 : label === answer ? share * 0.7 : Math.min(100, 12 + share * 3);
    const colour = label === answer ? "--kept" : "--two";
    const names = `${nameOf(classes, label)}, classified as ${nameOf(classes, answer)}`;
    return element(
      "td",
      {
        class: count === 0 ? "zero" : undefined,
        title: `${names}: ${plural(count, "image")}, ${formatPercent(share)}`,
        style: `background:color-mix(in srgb, var(${colour}) ${strength.toFixed(0)}%, var(--card))`,
      },
      isSmall ? "" : formatCount(count),
    );
  };
  const rows = counts.map((row, label) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, nameOf(classes, label)),
      row.map((_, answer) => cell(row, label, answer)),
    ),
  );
  const heads = counts.map((_, answer) => element("th", { scope: "col" }, nameOf(classes, answer)));
  const head = element("thead", {}, element("tr", {}, element("td", {}), heads));
  return element(
    "div",
    { class: isSmall ? "matrix small" : "matrix" },
    element("table", {}, head, element("tbody", {}, rows)),
  );
}

function meter(percent: number): Markup {
  return element(
    "div",
    { class: "meter" },
    element("div", {}, element("i", { style: `width:${percent.toFixed(1)}%` })),
    element("span", {}, formatPercent(percent)),
  );
}

/** Results of each class, the lowest recall first. */
function classTable(results: readonly ClassResult[], classes: readonly string[]): Markup {
  const sorted = results
    .filter(({ images }) => images > 0)
    .toSorted((a, b) => percentOf(a.correct, a.images) - percentOf(b.correct, b.images));
  const rows = sorted.map(({ label, images, correct, answers }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, nameOf(classes, label)),
      element("td", { class: "found" }, meter(percentOf(correct, images))),
      element("td", { class: "n soft" }, formatPercent(percentOf(correct, answers))),
      element("td", { class: "n soft" }, formatCount(images)),
    ),
  );
  const heads = ["class", "recall", "precision", "images"].map((text, index) =>
    element("th", { scope: "col", class: index > 1 ? "n" : undefined }, text),
  );
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, rows.slice(0, MOST_DRAWN)),
  );
}

function mistakeTable(confusion: Confusion, classes: readonly string[]): Markup {
  const rows = mistakesOf(confusion)
    .slice(0, MISTAKES)
    .map(({ label, answer, count }) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, nameOf(classes, label)),
        element("td", {}, `classified as ${nameOf(classes, answer)}`),
        element("td", { class: "n now" }, formatCount(count)),
      ),
    );
  const heads = ["image of", "", "images"].map((text, index) =>
    element("th", { scope: "col", class: index > 1 ? "n" : undefined }, text),
  );
  return element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows));
}

function gallery({ worst, sampleShape }: Confusion, classes: readonly string[]): Markup {
  const figures = worst.map(({ index, path, label, answer, answerProbability, labelProbability, pixels }) =>
    element(
      "figure",
      {},
      picture(pixels, sampleShape, `test image ${index}: ${nameOf(classes, label)}`),
      element(
        "figcaption",
        {},
        nameOf(classes, label),
        element("br"),
        "classified as ",
        element("b", {}, nameOf(classes, answer)),
        " ",
        element("span", { class: "share" }, formatPercent(100 * answerProbability)),
        element("br"),
        element(
          "span",
          { class: "soft place", title: `probability of the label: ${formatSmall(labelProbability)}` },
          path ?? `image ${formatCount(index)}`,
        ),
      ),
    ),
  );
  return element("div", { class: "gallery" }, figures);
}

/** The whole document. */
export function evaluationPage({ network, dataset, classes, confusion, date }: EvaluationPage): string {
  const { accuracy, correct, images, loss, unanswered, worst, counts } = confusion;
  const title = `${network} on ${dataset}: ${formatPercent(accuracy, 2)}`;
  const wrong = images - correct;
  const results = classResults(confusion);
  const lead = [
    `${formatCount(correct)} of ${plural(images, "test image")} classified correctly, ` +
      `${formatCount(wrong)} wrongly; ` +
      `mean cross-entropy ${formatSmall(loss)}.`,
    ` Balanced accuracy, the mean recall of the classes: ${formatPercent(balancedAccuracy(results), 2)}.`,
    unanswered > 0 ? ` ${plural(unanswered, "image")} got no answer because a logit was NaN.` : "",
  ].join("");
  return document(
    title,
    css,
    element("p", { class: "mark" }, `espalier · evaluation · ${date.toISOString().slice(0, 10)}`),
    element("h1", {}, title),
    element("p", { class: "lead" }, lead),
    counts.length > MOST_DRAWN
      ? undefined
      : section(
          "Confusion matrix",
          "One row for the images of each class, one column for each answer. Green is correct, orange is wrong. " +
            "Wrong answers are drawn darker than their share, so that rare ones stay visible.",
          matrix(confusion, classes),
        ),
    element(
      "div",
      { class: "two" },
      section("Classes, the lowest recall first", undefined, classTable(results, classes)),
      wrong === 0 ? undefined : section("Most frequent mistakes", undefined, mistakeTable(confusion, classes)),
    ),
    worst.length === 0
      ? undefined
      : section(
          "Worst mistakes",
          "The images whose class got the lowest probability, as the network's input: their class, and the network's " +
            "answer with its probability.",
          gallery(confusion, classes),
        ),
  );
}
