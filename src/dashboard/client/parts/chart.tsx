/**
 * A line chart of many points, drawn by uPlot in the page's colours. All charts of a page show the same range of epochs
 * and the same cursor.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { type Plot, rangeOf, type Series } from "../../../report/plots.ts";

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface ChartProps {
  readonly plot: Plot;
  readonly stretch: Stretch;
  /** Called when the user chooses a range of epochs by dragging. */
  readonly onStretch?: (stretch: Stretch) => void;
  /** The epoch of the page's slider, which is marked. */
  readonly mark?: number;
}

/** Values of all series over a common axis of epochs; null where a series has no value. */
interface Columns {
  readonly x: readonly number[];
  readonly values: readonly (readonly (number | null)[])[];
}

const COLOURS = { 1: "--one", 2: "--two", 3: "--three", 4: "--four" } as const;
const DASHES: Readonly<Record<Series["style"], number[]>> = { 1: [], 2: [6, 4], 3: [2, 4], 4: [9, 3, 2, 3] };
const HEIGHT = 190;
/** A legend of more characters always takes two lines, so that its height does not change with the values. */
const LONG_LEGEND = 24;
const FONT = "11.5px system-ui, sans-serif";
const cursors = uPlot.sync("runs");

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Puts all series on a common axis. */
function columnsOf(series: readonly Series[]): Columns {
  const x = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const values = series.map(({ points }) => {
    const at = new Map(points);
    return x.map((place) => at.get(place) ?? null);
  });
  return { x, values };
}

/** The value of a series at `index`, or else the last value before it. */
function valueAt(values: readonly (number | null)[], index: number): number | null {
  return values.slice(0, index + 1).findLast((value) => value !== null) ?? null;
}

/** Whether any part of `place` is visible. Charts that are not visible are not redrawn. */
function useIsSeen(place: { readonly current: HTMLElement | null }): boolean {
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    if (place.current === null) return;
    const sight = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting === true));
    sight.observe(place.current);
    return () => sight.disconnect();
  }, [place]);
  return isSeen;
}

function drawMark(chart: uPlot, mark: number | undefined): void {
  if (mark === undefined) return;
  const { ctx, bbox } = chart;
  const x = Math.round(chart.valToPos(mark, "x", true)) + 0.5;
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colour("--ink");
  ctx.setLineDash([3, 3]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

function optionsOf(
  props: () => ChartProps,
  width: number,
  onIndex: (index: number | undefined) => void,
): uPlot.Options {
  const { series, format, include } = props().plot;
  const axis = (): uPlot.Axis => ({
    stroke: () => colour("--soft"),
    font: FONT,
    grid: { stroke: () => colour("--rule"), width: 1 },
    ticks: { stroke: () => colour("--edge"), width: 1, size: 4 },
  });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: cursors.key }, drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    scales: {
      x: { time: false, range: () => [props().stretch.from, props().stretch.to] },
      y: {
        range: (_, low, high) => {
          const [least, most] = rangeOf(include, [low, high]);
          return uPlot.rangeNum(least, most, {
            min: { pad: least < include[0] ? 0.05 : 0, mode: 1 },
            max: { pad: most > include[1] ? 0.05 : 0, mode: 1 },
          });
        },
      },
    },
    axes: [
      { ...axis(), size: 30, gap: 2 },
      { ...axis(), size: 58, gap: 4, values: (_, ticks) => ticks.map((tick) => format(tick)) },
    ],
    series: [
      {},
      ...series.map(
        ({ name, style, dots }): uPlot.Series => ({
          label: name,
          stroke: () => colour(COLOURS[style]),
          width: 2,
          dash: DASHES[style],
          spanGaps: true,
          points: { show: dots === true, size: 6, fill: () => colour(COLOURS[style]) },
        }),
      ),
    ],
    hooks: {
      setCursor: [({ cursor: { idx } }) => onIndex(idx ?? undefined)],
      setSelect: [
        (chart) => {
          const { left, width: wide } = chart.select;
          if (wide < 4) return;
          props().onStretch?.({ from: chart.posToVal(left, "x"), to: chart.posToVal(left + wide, "x") });
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      draw: [(chart) => drawMark(chart, props().mark)],
    },
  };
}

export function Chart(props: ChartProps) {
  const { plot, stretch, mark } = props;
  const { title, series, format } = plot;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const [pointed, point] = useState<number>();
  const columns = useMemo(() => columnsOf(series), [series]);
  const names = series.map(({ name }) => name).join();
  useEffect(() => {
    const at = place.current;
    if (at === null) return;
    const made = new uPlot(
      optionsOf(() => latest.current, Math.max(200, at.clientWidth), point),
      [[]],
      at,
    );
    chart.current = made;
    isDrawn.current = false;
    cursors.sub(made);
    const sizes = new ResizeObserver(() => made.setSize({ width: Math.max(200, at.clientWidth), height: HEIGHT }));
    sizes.observe(at);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = (): void => made.redraw(false);
    scheme.addEventListener("change", redraw);
    return () => {
      scheme.removeEventListener("change", redraw);
      sizes.disconnect();
      cursors.unsub(made);
      made.destroy();
    };
  }, [names]);
  const isSeen = useIsSeen(place);
  const isDrawn = useRef(false);
  useEffect(() => {
    // Draw at least once even if the chart is not visible, for printing.
    if (isSeen || !isDrawn.current)
      chart.current?.setData([[...columns.x], ...columns.values.map((values) => [...values])], true);
    isDrawn.current = true;
  }, [columns, names, stretch.from, stretch.to, mark, isSeen]);
  const last = columns.x.length - 1;
  const index = Math.min(last, pointed ?? last);
  const entries = series.map(({ name, style }, at) => {
    const value = valueAt(columns.values[at] ?? [], index);
    return { name, style, text: value === null ? "" : format(value) };
  });
  const onKeyDown = (event: KeyboardEvent): void => {
    const shown = chart.current;
    if (shown === undefined || last < 0) return;
    const inView = columns.x.flatMap((at, place) => (at >= stretch.from && at <= stretch.to ? [place] : []));
    const [first = 0, end = last] = [inView[0], inView.at(-1)];
    // Move by a hundredth of the visible values, but by at least one.
    const step = Math.max(1, Math.round(inView.length / 100)) * (event.shiftKey ? 10 : 1);
    const target = { ArrowRight: index + step, ArrowLeft: index - step, Home: first, End: end }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    const at = columns.x[Math.min(end, Math.max(first, target))] ?? 0;
    shown.setCursor({ left: shown.valToPos(at, "x"), top: 0 });
  };
  const summary = entries.map(({ name, text }) => `${name} ${text}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        {title}
        <span class="soft">{pointed === undefined ? "" : `epoch ${(columns.x[index] ?? 0).toFixed(2)}`}</span>
      </figcaption>
      <p class={names.length > LONG_LEGEND ? "legend long" : "legend"}>
        {entries.map(({ name, style, text }) => (
          <span class="entry" key={name}>
            <svg viewBox="0 0 22 8" width="22" height="8" aria-hidden="true">
              <line x1="0" x2="22" y1="4" y2="4" class={`line s${style}`} />
            </svg>
            {name} <b>{text}</b>
          </span>
        ))}
      </p>
      <div
        class="plot"
        ref={place}
        role="slider"
        tabIndex={0}
        aria-label={`${title} over the epochs; move with the arrow keys`}
        aria-valuemin={stretch.from}
        aria-valuemax={stretch.to}
        aria-valuenow={columns.x[index] ?? stretch.from}
        aria-valuetext={`epoch ${(columns.x[index] ?? 0).toFixed(2)}: ${summary}`}
        onKeyDown={onKeyDown}
        onBlur={() => chart.current?.setCursor({ left: -10, top: -10 })}
      />
    </figure>
  );
}
