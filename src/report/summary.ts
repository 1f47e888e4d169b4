/** The top of the report: the results before and after, and the certificate. */
import { viewCount } from "../evaluation/test-time-augmentation.ts";
import type { NetworkSummary, RunFinished } from "../training/events/events.ts";
import {
  formatBytes,
  formatCount,
  formatMilliseconds,
  formatPercent,
  formatQuantity,
  formatSmall,
  percentOf,
} from "./format.ts";
import type { History } from "./history.ts";
import { element, type Markup } from "./svg.ts";

/** One measure of a network, before and after. `left`: percentage that remains, for measures where less is better. */
export interface SummaryRow {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly left: number | undefined;
}

/** The table at the end of a run, for the report and the terminal. `int8`: the pruned network on integers. */
export function summaryRows(
  before: NetworkSummary,
  after: NetworkSummary,
  int8?: NetworkSummary,
): readonly SummaryRow[] {
  const row = (name: string, was: number, is: number, format: (value: number) => string): SummaryRow => ({
    name,
    before: format(was),
    after: format(is),
    left: percentOf(is, was),
  });
  const rows: SummaryRow[] = [
    {
      name: scoreName(before),
      before: formatPercent(before.accuracy, 2),
      after: formatPercent(after.accuracy, 2),
      left: undefined,
    },
    ...augmentedRow(before, after),
    ...balancedRow(before, after),
    ...labelRows(before, after),
    row("MACs of one image", before.macs, after.macs, formatQuantity),
    row("Parameters", before.parameters, after.parameters, formatCount),
    row("ONNX file", before.bytes, after.bytes, formatBytes),
  ];
  if (before.latencyMilliseconds !== null && after.latencyMilliseconds !== null) {
    rows.push(row("Latency of one image", before.latencyMilliseconds, after.latencyMilliseconds, formatMilliseconds));
  }
  return int8 === undefined ? rows : [...rows, ...summaryRows(before, int8).flatMap(onIntegers)];
}

/** The row of the pruned network on integers, for measures that differ from those of its floats. */
function onIntegers(row: SummaryRow): readonly SummaryRow[] {
  const measures = ["Test accuracy", "Mean average precision", "ONNX file", "Latency of one image"];
  if (!measures.includes(row.name)) return [];
  return [{ ...row, name: `${row.name}, INT8` }];
}

/** The accuracy with test-time augmentation, named by it, if it was measured. */
function augmentedRow(before: NetworkSummary, after: NetworkSummary): readonly SummaryRow[] {
  const [was, is] = [before.augmented, after.augmented];
  if (was === undefined || is === undefined) return [];
  const [first, second] = [was, is].map(({ accuracy }) => formatPercent(accuracy, 2));
  const name = `Over ${viewCount(is.views)} views (${is.views})`;
  return [{ name, before: first ?? "", after: second ?? "", left: undefined }];
}

/** The scores of sets of labels, if images may have several. */
function labelRows(before: NetworkSummary, after: NetworkSummary): readonly SummaryRow[] {
  const [was, is] = [before.labels, after.labels];
  if (was === undefined || is === undefined) return [];
  const row = (name: string, first: number, second: number): SummaryRow => ({
    ...{ name, before: formatPercent(first, 2), after: formatPercent(second, 2), left: undefined },
  });
  return [row("Exact match", was.exactMatch, is.exactMatch), row("Mean F1", was.f1, is.f1)];
}

/** What the accuracy of a network is. */
function scoreName({ outputs, labels }: NetworkSummary): string {
  if (labels !== undefined) return "Mean average precision";
  return outputs === undefined ? "Test accuracy" : "Agreement";
}

/** The balanced accuracy, if it says something else than the accuracy. */
function balancedRow(before: NetworkSummary, after: NetworkSummary): readonly SummaryRow[] {
  const [was, is] = [before.balancedAccuracy, after.balancedAccuracy];
  if (was === undefined || is === undefined) return [];
  const differs = [was - before.accuracy, is - after.accuracy].some((gap) => Math.abs(gap) > VISIBLE);
  if (!differs) return [];
  const [first, second] = [formatPercent(was, 2), formatPercent(is, 2)];
  return [{ name: "Balanced accuracy", before: first, after: second, left: undefined }];
}

/** In percent. */
const VISIBLE = 0.1;

/** `60.9 % of the MACs, 82.7 % accurate, the same answers`, as far as it is known. */
export function headline({ finished, certificate }: History): string {
  if (finished === undefined) return "not finished";
  const { before, after } = finished;
  const answers = certificate?.passed === true ? ", the same answers" : "";
  const left = formatPercent(percentOf(after.macs, before.macs));
  const score =
    after.labels !== undefined
      ? "mean average precision"
      : after.outputs === undefined
        ? "accurate"
        : "agreement with the original";
  return `${left} of the MACs, ${formatPercent(after.accuracy)} ${score}${answers}`;
}

function meter(left: number): Markup {
  return element(
    "div",
    { class: "meter" },
    element("div", {}, element("i", { style: `width:${Math.min(100, left).toFixed(1)}%` })),
    element("span", {}, formatPercent(left)),
  );
}

export function summaryTable({ before, after, int8 }: RunFinished): Markup {
  const rows = summaryRows(before, after, int8).map((row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, row.name),
      element("td", { class: "n soft" }, row.before),
      element("td", { class: "n now" }, row.after),
      element("td", { class: "left" }, row.left === undefined ? undefined : meter(row.left)),
    ),
  );
  const heads = element(
    "tr",
    {},
    element("th", { scope: "col" }, ""),
    element("th", { scope: "col", class: "n" }, "before"),
    element("th", { scope: "col", class: "n" }, "after"),
    element("th", { scope: "col", class: "left" }, "left"),
  );
  return element(
    "div",
    { class: "card" },
    element("table", {}, element("thead", {}, heads), element("tbody", {}, rows)),
  );
}

function symbol(passed: boolean): Markup {
  const mark = passed ? "M7 12.5l3.2 3.2L17 9" : "M8 8l8 8M16 8l-8 8";
  return element(
    "svg",
    { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 2, "aria-hidden": "true" },
    element("circle", { cx: 12, cy: 12, r: 10 }),
    element("path", { d: mark, "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}

/** The result of the certificate. */
export function certificateCard({ certificate }: History): Markup | undefined {
  if (certificate === undefined) return undefined;
  const { passed, images, agreeing, relativeDifference, runtime } = certificate;
  const fact = (term: string, value: string): Markup[] => [element("dt", {}, term), element("dd", {}, value)];
  return element(
    "div",
    { class: "card" },
    element(
      "p",
      { class: passed ? "verdict" : "verdict bad" },
      symbol(passed),
      passed ? "Pruning changed no answer" : "The pruned network differs",
    ),
    element(
      "p",
      { class: "soft" },
      `The trained network compared with the compact one on ${formatCount(images)} test images.`,
    ),
    element(
      "dl",
      {},
      fact("same answers", `${formatCount(agreeing)} of ${formatCount(images)}`),
      fact("largest |Δlogit| / range", formatSmall(relativeDifference)),
      fact(
        `same in ${runtime.name ?? "ONNX Runtime"}`,
        `${formatCount(runtime.agreeing)} of ${formatCount(runtime.images ?? images)}`,
      ),
      fact("largest |Δlogit| / range", formatSmall(runtime.relativeDifference)),
    ),
  );
}
