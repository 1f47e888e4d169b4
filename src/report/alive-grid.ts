/**
 * A grid with one row for each layer and one square for each structure: green if it is alive, otherwise coloured by the
 * time when it reached zero. It is HTML instead of SVG, so that rows wrap on a narrow page.
 */
import { formatCount } from "./format.ts";
import type { History, StructureLife } from "./history.ts";
import { element, type Markup } from "./svg.ts";

/** Shades for the time of reaching zero, early to late; the style sheet has the colours `.z0` … `.z4`. */
const SHADES = 5;

function shade(step: number, totalSteps: number): number {
  return Math.min(SHADES - 1, Math.floor((SHADES * step) / Math.max(1, totalSteps)));
}

function row({ layer, kind, zeroedAt }: StructureLife, totalSteps: number): Markup {
  const name = kind === "stream" ? `${layer} (stream)` : layer;
  const alive = zeroedAt.filter((step) => step === null).length;
  // Sorted: alive ones first, then the latest to reach zero. Readers compare lengths, not positions.
  const sorted = [...zeroedAt].sort((a, b) => (b ?? Number.POSITIVE_INFINITY) - (a ?? Number.POSITIVE_INFINITY));
  return element(
    "div",
    { class: "life" },
    element("span", { class: "name", title: name }, name),
    element("span", { class: "cells", role: "img", "aria-label": `${alive} of ${zeroedAt.length} alive` }, [
      sorted.map((step) => element("i", { class: step === null ? "a" : `z${shade(step, totalSteps)}` })),
    ]),
    element("span", { class: "number" }, element("b", {}, formatCount(alive)), ` / ${formatCount(zeroedAt.length)}`),
  );
}

function key(): Markup {
  const shades = Array.from({ length: SHADES }, (_, index) => element("i", { class: `z${index}` }));
  return element(
    "p",
    { class: "legend" },
    element("span", { class: "entry cells" }, element("i", { class: "a" }), "alive"),
    element("span", { class: "entry cells" }, "reached zero early ", shades, " late"),
  );
}

/** One row for each factor parameter. Blocks, with one factor each, share a row. Undefined without factors. */
export function livesFigure({ lives, started }: History): Markup | undefined {
  if (lives.length === 0) return undefined;
  const total = started.totalSteps;
  const blocks = lives.filter(({ kind }) => kind === "block");
  const shared: StructureLife[] =
    blocks.length === 0
      ? []
      : [{ layer: "blocks", kind: "block", zeroedAt: blocks.flatMap(({ zeroedAt }) => zeroedAt) }];
  const rows = [...shared, ...lives.filter(({ kind }) => kind !== "block")];
  return element(
    "div",
    { class: "lives" },
    key(),
    rows.map((life) => row(life, total)),
  );
}
