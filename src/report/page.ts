/** The report as one HTML page without scripts and external files, so that it can be mailed, printed and archived. */

import { describeBaselineNetwork } from "../training/events/baseline-kinds.ts";
import { agreementWords } from "./agreement-words.ts";
import { livesFigure } from "./alive-grid.ts";
import { chartsOf } from "./charts.ts";
import { recallTable } from "./class-results.ts";
import { diagram } from "./diagram.ts";
import { document, section } from "./document.ts";
import { factLists } from "./facts.ts";
import { formatDuration, formatQuantity } from "./format.ts";
import { describeLevels, heatKey, heatMap, heatOrder, heatPixels } from "./heat.ts";
import type { History } from "./history.ts";
import { latencyCard } from "./latency-card.ts";
import { pngAddress } from "./picture.ts";
import type { StructureView } from "./structure.ts";
import { certificateCard, headline, summaryTable } from "./summary.ts";
import { element, type Markup } from "./svg.ts";

/** Widths of the pictures, for a desktop and for a phone. */
const WIDE = 1120;
const NARROW = 358;

/** An espalier: a tree on a frame. */
function logo(): Markup {
  const paths = "M12 22V3M12 17H5V8M12 17h7V8M12 10H8.5V4M12 10h3.5V4";
  return element(
    "svg",
    { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "aria-hidden": "true" },
    element("path", { d: paths, "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}

/** How the network was trained: the end of the sentence in the report's introduction. */
function manner({ started: { factors, controlOf } }: History): string {
  if (controlOf !== undefined)
    return `as a from-scratch baseline of ${controlOf.run}: ${describeBaselineNetwork(controlOf)} with new weights`;
  if (factors.length === 0) return "without scaling factors";
  return "with scaling factors; the structures whose factors reached zero were pruned";
}

/** How each output agrees with the original's, if outputs were taught. */
/** What the accuracies of the run are, at the start of a sentence. */
function scoreWords({ finished }: History): string {
  if (finished?.after.labels !== undefined) return "The mean average precision of the labels";
  return finished?.after.outputs === undefined ? "Accuracy" : "Agreement with the original network's outputs";
}

function agreementSection({ finished }: History): Markup | undefined {
  const { outputs } = finished?.after ?? {};
  if (outputs === undefined) return undefined;
  const rows = outputs.map((output) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, output.name),
      element("td", { class: "n now" }, agreementWords(output)),
    ),
  );
  return section(
    "Agreement by output",
    "The pruned network's outputs against the original's, on the whole test split.",
    element("div", { class: "card" }, element("table", {}, element("tbody", {}, rows))),
  );
}

function notesSection({ cut, notices }: History): Markup | undefined {
  const notes = [...(cut?.notes ?? []), ...notices.map(({ message }) => message)];
  if (notes.length === 0) return undefined;
  return section(
    "Notes",
    undefined,
    element(
      "ul",
      { class: "notes" },
      [...new Set(notes)].map((note) => element("li", {}, note)),
    ),
  );
}

function structureSection(structure: StructureView): Markup {
  return section(
    "The network",
    "Each bar is a layer. Its height is the number of its output channels; the number below is how many of them are " +
      "left. A grouped convolution is a grid of its groups. Arches are shortcuts. If a whole branch was pruned, " +
      "only its shortcut is left.",
    element(
      "p",
      { class: "legend" },
      element("span", { class: "entry" }, element("i", { class: "swatch k" }), "after"),
      element("span", { class: "entry" }, element("i", { class: "swatch g" }), "pruned"),
    ),
    element("div", { class: "drawing" }, diagram(structure, WIDE, "wide"), diagram(structure, NARROW, "narrow")),
    structure.products === undefined ? undefined : productsLine(structure.products),
  );
}

/** The MACs that no bar of the picture has. */
function productsLine({ macsBefore, macsAfter }: NonNullable<StructureView["products"]>): Markup {
  const left = `${formatQuantity(macsAfter)} of ${formatQuantity(macsBefore)} MACs`;
  return element(
    "p",
    { class: "muted" },
    `Products of values, as those of attention, are between the layers: ${left}.`,
  );
}

/**
 * The heat map of all factors; undefined for runs without factors, and for runs of versions without their values.
 */
function heatSection({ levels }: History): Markup | undefined {
  if (levels.structures === 0 || levels.epochs.length === 0) return undefined;
  const values = Buffer.from(levels.values, "base64");
  const href = pngAddress(heatPixels(levels, values, heatOrder(levels, values)));
  const label = describeLevels(levels, values);
  return section(
    "Scaling factors over time",
    "One row for each structure, layer by layer, one column for each epoch. Hatched parts are factors at zero. " +
      "Within a layer the structures that reached zero first come last.",
    heatKey(levels),
    element(
      "div",
      { class: "drawing" },
      heatMap(levels, label, WIDE, href, "wide"),
      heatMap(levels, label, NARROW, href, "narrow"),
    ),
  );
}

/** The whole document. Without `structure`, for an unfinished run, it has no picture of the network. */
export function reportPage(history: History, structure: StructureView | undefined): string {
  const { started, finished, epochs } = history;
  const title = `${started.model} on ${started.dataset.name}: ${headline(history)}`;
  const trained = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const lives = livesFigure(history);
  return document(
    title,
    "",
    element("p", { class: "mark" }, logo(), `espalier · ${started.run} · ${started.time.slice(0, 10)}`),
    element("h1", {}, title),
    element(
      "p",
      { class: "lead" },
      `Trained once, for ${epochs.length} of ${started.epochs} epochs in ${formatDuration(trained)}, ` +
        `${manner(history)}.`,
    ),
    finished === undefined
      ? undefined
      : element("div", { class: "summary" }, summaryTable(finished), certificateCard(history), latencyCard(history)),
    section("The run", undefined, element("div", { class: "charts" }, chartsOf(history))),
    structure === undefined ? undefined : structureSection(structure),
    lives === undefined
      ? undefined
      : section(
          "The structures",
          "One square for each structure, one row for each layer, sorted by when its scaling factor reached zero. A " +
            "pruned branch takes its structures with it, whatever their factors are.",
          lives,
        ),
    heatSection(history),
    agreementSection(history),
    history.classes === undefined
      ? undefined
      : section(
          history.finished?.after.labels === undefined ? "Recall by class" : "Scores by label",
          "The lowest first, on the whole test split.",
          recallTable(history.classes),
        ),
    notesSection(history),
    section("How it was made", undefined, factLists(history)),
    element(
      "footer",
      {},
      "MACs are multiply-accumulates of convolutions, linear layers and products of values for one image. " +
        `${scoreWords(history)} is on the whole test split. `,
      "Method: Data-Driven Sparse Structure Selection (Huang and Wang, ECCV 2018).",
    ),
  );
}
