/** Writes a comparison of runs: an HTML page, the plots as SVG files, the figures as CSV. */
import { join } from "node:path";
import { stringify } from "csv-stringify/sync";
import { requireArguments } from "../core/arguments.ts";
import { makeFolder, writeBytes } from "../formats/file.ts";
import { document, section } from "../report/document.ts";
import { plural } from "../report/format.ts";
import { element, type Markup } from "../report/svg.ts";
import type { Comparison, RunGroup } from "./comparison.ts";
import { columnsFor, epochRows, type FlatRow, flatRows, layerRows } from "./comparison-table.ts";
import { asFile, inPage, type Plot, plotStyle } from "./plots/frame.ts";
import { gammaCourse } from "./plots/gamma-course.ts";
import { keptLayers } from "./plots/kept-layers.ts";
import { kindsAlive } from "./plots/kinds-alive.ts";
import { scatter } from "./plots/scatter.ts";

const css = `${plotStyle}
.pair { display: grid; gap: 24px; margin-top: 18px; }
.pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.plots svg { width: 100%; height: auto; } .plots { margin-top: 22px; overflow-x: auto; }
.plots svg.plot { min-width: 560px; } .pair .plots { margin-top: 0; } .pair .plots svg.plot { min-width: 400px; }
.wide table { font-size: 13.5px; } .wide { overflow-x: auto; margin-top: 14px; }
.wide td, .wide th { white-space: nowrap; }
`;

interface NamedPlot {
  readonly name: string;
  readonly plot: Plot;
}

function plotsOf(group: RunGroup): readonly NamedPlot[] {
  const { model, dataset, score } = group;
  const stem = [model, dataset, ...(score === "accuracy" ? [] : [score])].join("-").replaceAll(/[^\w.-]+/g, "-");
  const named = (name: string, plot: Plot | undefined): NamedPlot[] =>
    plot === undefined ? [] : [{ name: `${stem}-${name}`, plot }];
  return [
    ...named("accuracy-macs", scatter(group, "macs")),
    ...named("accuracy-latency", scatter(group, "latency")),
    ...named("accuracy-parameters", scatter(group, "parameters")),
    ...named("layers", keptLayers(group)),
    ...named("alive", kindsAlive(group)),
    ...named("gamma", gammaCourse(group)),
  ];
}

function table(group: RunGroup): Markup {
  const columns = columnsFor(group);
  const heads = columns.map(({ heading, isNumber }) =>
    element("th", { scope: "col", class: isNumber ? "n" : undefined }, heading),
  );
  const rows = group.runs.map((row) =>
    element(
      "tr",
      {},
      columns.map(({ cell, isNumber, heading }) =>
        element("td", { class: heading === group.score ? "n now" : isNumber ? "n" : undefined }, cell(row)),
      ),
    ),
  );
  return element(
    "div",
    { class: "wide" },
    element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows)),
  );
}

function groupSection(group: RunGroup): Markup {
  // Plots of few runs are narrow. The maximum width keeps the page from enlarging them.
  const drawn = plotsOf(group).map(({ plot }) =>
    element("div", { class: "plots", style: `max-width: ${Math.ceil(1.15 * plot.width)}px` }, inPage(plot)),
  );
  return section(
    `${group.model} on ${group.dataset}`,
    "A star marks the runs on the front: no other run is as accurate with fewer MACs. A from-scratch baseline is the " +
      "compact architecture of its run, trained from new weights; in brackets: its difference to the run, in points.",
    table(group),
    element("div", { class: "pair" }, drawn.slice(0, 2)),
    element("div", {}, drawn.slice(2)),
  );
}

/** The page: a table and the plots for each network. */
export function comparisonPage({ groups, unfinished }: Comparison, date: Date): string {
  const count = groups.reduce((sum, { runs }) => sum + runs.length, 0);
  const title = `${plural(count, "run")} of ${groups.map(({ model, dataset }) => `${model} on ${dataset}`).join(", ")}`;
  return document(
    title,
    css,
    element("p", { class: "mark" }, `espalier · comparison · ${date.toISOString().slice(0, 10)}`),
    element("h1", {}, title),
    unfinished.length === 0
      ? undefined
      : element("p", { class: "lead" }, `These runs are not finished and not shown: ${unfinished.join(", ")}.`),
    groups.map(groupSection),
    element(
      "footer",
      {},
      "MACs are multiply-accumulates of convolutions, linear layers and products of values for one image. " +
        "Accuracy is that of the compact network on the whole test split. Time is the wall time of all sessions.",
    ),
  );
}

/** `rows` as CSV with a heading. */
function csv(rows: readonly FlatRow[]): string {
  return stringify([...rows], { header: true });
}

/** The figures of all runs, including from-scratch baselines, as CSV with a heading. */
export function comparisonCsv({ groups }: Comparison): string {
  return csv(flatRows(groups));
}

/**
 * Writes `comparison.html`, `comparison.csv`, `epochs.csv`, `layers.csv` and the plots into `folder`, and creates the
 * folder if needed.
 * @returns the paths of the files: page, tables, plots.
 */
export async function writeComparison(folder: string, comparison: Comparison): Promise<readonly string[]> {
  requireArguments("writeComparison", { folder: [folder, "text"], comparison: [comparison, "comparison"] });
  await makeFolder(folder);
  const files = [
    ["comparison.html", comparisonPage(comparison, new Date())],
    ["comparison.csv", comparisonCsv(comparison)],
    ["epochs.csv", csv(epochRows(comparison.groups))],
    ["layers.csv", csv(layerRows(comparison.groups))],
    ...comparison.groups.flatMap(plotsOf).map(({ name, plot }) => [`${name}.svg`, asFile(plot)] as const),
  ] as const;
  const paths: string[] = [];
  for (const [name, content] of files) {
    const path = join(folder, name);
    await writeBytes(path, new TextEncoder().encode(content));
    paths.push(path);
  }
  return paths;
}
