/**
 * A small line chart as SVG: scales and curves by d3, colours by the page's style sheet, so that it follows light and
 * dark.
 */
import { scaleLinear } from "d3-scale";
import { curveLinear, curveStepAfter, line } from "d3-shape";
import { type Plot, type Point, rangeOf } from "./plots.ts";
import { element, type Markup, svg } from "./svg.ts";

export interface ChartOptions extends Plot {
  /** Right end of the epoch axis. */
  readonly epochs: number;
}

const WIDTH = 360;
const HEIGHT = 196;
const MARGIN = { top: 10, right: 10, bottom: 34, left: 46 } as const;

function legend({ series, format }: ChartOptions): Markup {
  const entries = series.map(({ name, style, points }) => {
    const last = points.at(-1);
    return element(
      "span",
      { class: "entry" },
      element(
        "svg",
        { viewBox: "0 0 22 8", width: 22, height: 8, "aria-hidden": "true" },
        element("line", { x1: 0, x2: 22, y1: 4, y2: 4, class: `line s${style}` }),
      ),
      name,
      last === undefined ? undefined : element("b", {}, format(last[1])),
    );
  });
  return element("p", { class: "legend" }, entries);
}

/** A `<figure>` with the title, the last value of each series, and the chart. */
export function lineChart(options: ChartOptions): Markup {
  const { title, series, epochs, include, unit = "" } = options;
  const x = scaleLinear([0, Math.max(epochs, 1)], [MARGIN.left, WIDTH - MARGIN.right]);
  const values = series.flatMap(({ points }) => points.map(([, value]) => value));
  const y = scaleLinear(rangeOf(include, values), [HEIGHT - MARGIN.bottom, MARGIN.top]).nice(4);
  const xTicks = x.ticks(6).filter(Number.isInteger);
  const tickText = y.tickFormat(4);
  const rules = y
    .ticks(4)
    .map((value) => [
      element("line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(value), y2: y(value), class: "rule" }),
      element("text", { x: MARGIN.left - 7, y: y(value) + 4, "text-anchor": "end" }, `${tickText(value)}${unit}`),
    ]);
  const marks = xTicks.map((epoch) => [
    element("line", {
      x1: x(epoch),
      x2: x(epoch),
      y1: HEIGHT - MARGIN.bottom,
      y2: HEIGHT - MARGIN.bottom + 4,
      class: "tick",
    }),
    element("text", { x: x(epoch), y: HEIGHT - MARGIN.bottom + 17, "text-anchor": "middle" }, String(epoch)),
  ]);
  const lines = series.map(({ points, style, dots, stepped }) => {
    const draw = line<Point>(
      ([epoch]) => x(epoch),
      ([, value]) => y(value),
    )
      .defined(([, value]) => Number.isFinite(value))
      .curve(stepped === true ? curveStepAfter : curveLinear)
      .digits(1);
    const path = draw([...points]);
    return [
      path === null ? undefined : element("path", { d: path, class: `line s${style}` }),
      dots !== true
        ? undefined
        : points.map(([epoch, value]) =>
            element("circle", { cx: x(epoch), cy: y(value), r: points.length > 40 ? 1.5 : 3, class: `dot s${style}` }),
          ),
    ];
  });
  return element(
    "figure",
    { class: "chart" },
    element("figcaption", {}, title),
    legend(options),
    svg(
      { width: WIDTH, height: HEIGHT, label: `${title} over the epochs` },
      rules,
      marks,
      element("line", {
        x1: MARGIN.left,
        x2: WIDTH - MARGIN.right,
        y1: HEIGHT - MARGIN.bottom,
        y2: HEIGHT - MARGIN.bottom,
        class: "axis",
      }),
      lines,
      element("text", { x: WIDTH - MARGIN.right, y: HEIGHT - 3, "text-anchor": "end", class: "faint" }, "epoch"),
    ),
  );
}
