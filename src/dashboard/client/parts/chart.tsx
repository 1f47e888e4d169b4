/** A line chart of many points, by uPlot, in the page's colours. All charts of a page show the same stretch and the same cursor. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface ChartSeries {
  readonly name: string;
  /** Which of the page's four line styles: each has its own colour and its own dashes. */
  readonly style: 1 | 2 | 3 | 4;
  /** Values at `x`; null where there is none. */
  readonly values: readonly (number | null)[];
  readonly dots?: boolean;
}

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface ChartProps {
  readonly title: string;
  /** In epochs, growing. */
  readonly x: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly format: (value: number) => string;
  /** Values that are always in view. */
  readonly include: readonly [number, number];
  readonly stretch: Stretch;
  /** A stretch was chosen by dragging. */
  readonly onStretch?: (stretch: Stretch) => void;
  /** Where the slider of the page stands. */
  readonly mark?: number;
}

const COLOURS = { 1: "--one", 2: "--two", 3: "--three", 4: "--four" } as const;
const DASHES: Readonly<Record<1 | 2 | 3 | 4, number[]>> = { 1: [], 2: [6, 4], 3: [2, 4], 4: [9, 3, 2, 3] };
const HEIGHT = 190;
const FONT = "11.5px system-ui, sans-serif";
const cursors = uPlot.sync("runs");

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function lastOf(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

function optionsOf(props: () => ChartProps, width: number): uPlot.Options {
  const { series, format, include } = props();
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
          const least = Math.min(include[0], low ?? include[0]);
          const most = Math.max(include[1], high ?? include[1]);
          return uPlot.rangeNum(least, most > least ? most : least + 1, {
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
      setSelect: [
        (chart) => {
          const { left, width: wide } = chart.select;
          if (wide < 4) return;
          props().onStretch?.({ from: chart.posToVal(left, "x"), to: chart.posToVal(left + wide, "x") });
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      draw: [
        (chart) => {
          const { mark } = props();
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
        },
      ],
    },
  };
}

export function Chart(props: ChartProps) {
  const { title, x, series, format, stretch, mark } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const names = series.map(({ name }) => name).join();
  useEffect(() => {
    const at = place.current;
    if (at === null) return;
    const made = new uPlot(
      optionsOf(() => latest.current, Math.max(200, at.clientWidth)),
      [[]],
      at,
    );
    chart.current = made;
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
  useEffect(() => {
    chart.current?.setData([[...x], ...series.map(({ values }) => [...values])], true);
  }, [names, x.length, x.at(-1), stretch.from, stretch.to, mark, series.map(({ values }) => values.at(-1)).join()]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <p class="legend">
        {series.map(({ name, style, values }) => {
          const last = lastOf(values);
          return (
            <span class="entry" key={name}>
              <svg viewBox="0 0 22 8" width="22" height="8" aria-hidden="true">
                <line x1="0" x2="22" y1="4" y2="4" class={`line s${style}`} />
              </svg>
              {name} <b>{last === null ? "" : format(last)}</b>
            </span>
          );
        })}
      </p>
      <div class="plot" ref={place} role="img" aria-label={`${title} over the epochs`} />
    </figure>
  );
}
