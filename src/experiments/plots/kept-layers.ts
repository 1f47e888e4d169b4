/** Channels kept: one row for each run, one bar for each layer, as high as the share of its channels that is left. */
import { formatPercent, percentOf } from "../../report/format.ts";
import { element, type Markup } from "../../report/svg.ts";
import { labelOf, type RunGroup } from "../comparison.ts";
import type { LayerSummary, RunSummary } from "../run-summary.ts";
import { legend, type Plot, text, widthOf } from "./frame.ts";

/** Smallest width on the left, for the labels of the runs. */
const NARROWEST = 176;
const RIGHT = 150;
const TOP = 76;
const ROW = 44;
const BAR = 30;
/** Width of all columns together, and the largest width of one. */
const COLUMNS = 660;
const WIDEST = 34;
/** Width of bold text relative to normal text. */
const BOLD = 1.1;

export function keptLayers({ model, dataset, runs }: RunGroup): Plot | undefined {
  const rows = runs.map(({ run }) => run).filter(({ aim, layers }) => aim !== "" && layers.length > 0);
  const layers = rows[0]?.layers ?? [];
  if (layers.length === 0) return undefined;
  const pitch = Math.min(WIDEST, COLUMNS / layers.length);
  const left = Math.max(NARROWEST, ...rows.map((run) => 32 + BOLD * widthOf(labelOf(run))));
  const right = left + pitch * layers.length;
  const title = `Channels kept in each layer: ${model} on ${dataset}`;
  return {
    width: Math.ceil(Math.max(right, left + 380) + RIGHT),
    height: TOP + ROW * rows.length + 16,
    label: title,
    content: [
      text(16, 20, title, { class: "title" }),
      legend(16, 40, [
        [element("rect", { x: 8, y: -6, width: 8, height: 12, class: "bar" }), "kept"],
        [element("rect", { x: 8, y: -6, width: 8, height: 12, class: "full" }), "cut"],
        [element("rect", { x: 8, y: -6, width: 8, height: 12, class: "gone" }), "the whole layer is gone"],
      ]),
      stages(layers, left, pitch),
      rows.map((run, index) => row(run, TOP + ROW * index, pitch, [left, right])),
    ],
  };
}

/** Image sizes, each above the layers that have this size. */
function stages(layers: readonly LayerSummary[], start: number, pitch: number): Markup[] {
  return layers.flatMap(({ pixels }, index): Markup[] => {
    if (index > 0 && layers[index - 1]?.pixels === pixels) return [];
    const x = start + pitch * index;
    const next = layers.findIndex((layer, at) => at > index && layer.pixels !== pixels);
    const width = pitch * ((next < 0 ? layers.length : next) - index);
    const name = pixels === "" ? "linear" : pixels;
    return [
      element("line", { x1: x, x2: x, y1: TOP - 16, y2: TOP - 8, class: "tick" }),
      ...(width >= 6 * name.length || index === 0 || next < 0 ? [text(x + 3, TOP - 8, name)] : []),
    ];
  });
}

function row(run: RunSummary, y: number, pitch: number, [start, end]: readonly [number, number]): Markup {
  const { layers, blocks, before, after, seed } = run;
  const left = layers.filter((layer) => layer.after > 0).length;
  const bars = layers.map((layer, index) => {
    const share = layer.after / Math.max(1, layer.before);
    const [x, width] = [start + pitch * index + pitch * 0.12, pitch * 0.76];
    const hover = element("title", {}, `${layer.name}: ${layer.after} of ${layer.before} channels`);
    if (layer.after === 0) {
      return element("g", {}, hover, element("rect", { x, width, y: y + 0.5, height: BAR - 1, class: "gone" }));
    }
    const height = Math.max(1.5, BAR * share);
    return element(
      "g",
      {},
      hover,
      element("rect", { x, width, y, height: BAR, class: "full" }),
      element("rect", { x, width, y: y + BAR - height, height, class: "bar" }),
    );
  });
  const depth = [
    `${left} of ${layers.length} layers`,
    ...(blocks.count > 0 ? [`${blocks.left} of ${blocks.count} blocks`] : []),
  ];
  return element(
    "g",
    {},
    text(16, y + 13, labelOf(run), { class: "strong" }),
    text(16, y + 28, `seed ${seed}, ${formatPercent(percentOf(after.macs, before.macs))} of MACs`),
    bars,
    depth.map((line, index) => text(end + 12, y + 13 + 15 * index, line)),
  );
}
