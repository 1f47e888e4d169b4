/** The report as one HTML page: no script, no outside file, so it can be mailed, printed and kept. */

import { livesFigure } from "./alive-grid.ts";
import { chartsOf } from "./charts.ts";
import { diagram } from "./diagram.ts";
import { document, section } from "./document.ts";
import { factLists } from "./facts.ts";
import { formatDuration } from "./format.ts";
import { describeLevels, heatKey, heatMap, heatOrder, heatPixels } from "./heat.ts";
import type { History } from "./history.ts";
import { pngAddress } from "./picture.ts";
import type { StructureView } from "./structure.ts";
import { certificateCard, headline, summaryTable } from "./summary.ts";
import { element, type Markup } from "./svg.ts";

/** Widths the picture of the network is drawn for: a desktop's page and a phone's. */
const WIDE = 1120;
const NARROW = 358;

/** A tree on a frame: what the name means. */
function logo(): Markup {
  const paths = "M12 22V3M12 17H5V8M12 17h7V8M12 10H8.5V4M12 10h3.5V4";
  return element(
    "svg",
    { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "aria-hidden": "true" },
    element("path", { d: paths, "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}

/** How the network was trained, in the sentence that begins with for how long. */
function manner({ started: { factors, controlOf } }: History): string {
  if (controlOf !== undefined)
    return `as the control of ${controlOf.run}: the architecture of its compact network, from new weights`;
  if (factors.length === 0) return "without scaling factors";
  return "with scaling factors that went to zero on the way; what reached zero was cut out";
}

function notesSection({ cut, notices }: History): Markup | undefined {
  const notes = [...(cut?.notes ?? []), ...notices.map(({ message }) => message)];
  if (notes.length === 0) return undefined;
  return section(
    "Worth knowing",
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
    "Each bar is a layer, as high as it has output channels; the number below is what is left of them. A grouped " +
      "convolution is a grid of its groups. Arches are shortcuts. Where a whole branch was cut, only its shortcut " +
      "carries the images on.",
    element(
      "p",
      { class: "legend" },
      element("span", { class: "entry" }, element("i", { class: "swatch k" }), "after"),
      element("span", { class: "entry" }, element("i", { class: "swatch g" }), "cut"),
    ),
    element("div", { class: "drawing" }, diagram(structure, WIDE, "wide"), diagram(structure, NARROW, "narrow")),
  );
}

/**
 * Every factor over the epochs; undefined for runs without factors, and for those of versions that did not tell them.
 */
function heatSection({ levels }: History): Markup | undefined {
  if (levels.structures === 0 || levels.epochs.length === 0) return undefined;
  const values = Buffer.from(levels.values, "base64");
  const href = pngAddress(heatPixels(levels, values, heatOrder(levels, values)));
  const label = describeLevels(levels, values);
  return section(
    "Scaling factors over time",
    "A row for each structure, layer by layer, a column for each epoch. Where a row turns hatched, its factor has " +
      "reached zero; within a layer, those that fell first stand last.",
    heatKey(levels),
    element(
      "div",
      { class: "drawing" },
      heatMap(levels, label, WIDE, href, "wide"),
      heatMap(levels, label, NARROW, href, "narrow"),
    ),
  );
}

/** The whole document. Without `structure` (a run that was never cut) the picture of the network is left out. */
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
      : element("div", { class: "summary" }, summaryTable(finished.before, finished.after), certificateCard(history)),
    section("The run", undefined, element("div", { class: "charts" }, chartsOf(history))),
    structure === undefined ? undefined : structureSection(structure),
    lives === undefined
      ? undefined
      : section(
          "The structures",
          "Every scaling factor, a row a layer, in the order in which they reached zero. What belongs to a branch " +
            "that was cut went with it, whatever its own factor was.",
          lives,
        ),
    heatSection(history),
    notesSection(history),
    section("How it was made", undefined, factLists(history)),
    element(
      "footer",
      {},
      "MACs are multiply-accumulates of convolutions and linear layers for one image. " +
        "Accuracy is on the whole test split. ",
      "Method: Data-Driven Sparse Structure Selection (Huang and Wang, ECCV 2018).",
    ),
  );
}
