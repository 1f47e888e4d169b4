/** Accuracy against cost: the runs, their from-scratch baselines (joined by lines), and the Pareto front. */
import { scaleLinear } from "d3-scale";
import { curveStepAfter, line } from "d3-shape";
import { formatMilliseconds, formatPercent, formatQuantity } from "../../report/format.ts";
import { element, type Markup } from "../../report/svg.ts";
import { type BaselineKind, baselineKindOf } from "../../training/events/baseline-kinds.ts";
import { type CostMeasure, controlsOf, labelOf, paretoFront, type RunGroup } from "../comparison.ts";
import type { RunSummary } from "../run-summary.ts";
import { legend, type MarkKind, mark, markNames, type Plot, text, widthOf } from "./frame.ts";

const WIDTH = 620;
const HEIGHT = 400;
const MARGIN = { top: 62, right: 24, bottom: 46, left: 58 } as const;
/** Approximate size of a mark. */
const MARK = 10;
const LINE = 14;

const measureNames: Readonly<Record<CostMeasure, string>> = {
  macs: "MACs of one image",
  parameters: "parameters",
  latency: "milliseconds for one image",
};

const scoreNames: Readonly<Record<RunGroup["score"], string>> = {
  accuracy: "Accuracy",
  agreement: "Agreement",
  mAP: "Mean average precision",
};

interface Dot {
  readonly run: RunSummary;
  readonly kind: MarkKind;
  readonly x: number;
  readonly y: number;
}

const controlMarks: Readonly<Record<BaselineKind, MarkKind>> = {
  epochs: "control",
  macs: "control-macs",
  uniform: "control-uniform",
};

function kindOf({ controlOf, aim }: RunSummary): MarkKind {
  if (controlOf !== undefined) return controlMarks[baselineKindOf(controlOf)];
  return aim === "" ? "baseline" : "pruned";
}

/** The plot of `group`; undefined if some run was not measured. */
export function scatter({ model, dataset, score, runs }: RunGroup, measure: CostMeasure): Plot | undefined {
  const all = runs.flatMap(({ run, controls }) => [run, ...controlsOf(controls)]);
  const costOf = ({ after }: RunSummary): number => after[measure] ?? 0;
  if (all.some(({ after }) => after[measure] === undefined)) return undefined;
  const accuracies = all.map(({ after }) => after.accuracy);
  const [low, high] = [Math.min(...accuracies), Math.max(...accuracies)];
  const room = Math.max(0.5, 0.08 * (high - low));
  const most = Math.max(...all.map(costOf));
  const x = scaleLinear([0, most * 1.04], [MARGIN.left, WIDTH - MARGIN.right]);
  const y = scaleLinear(
    [Math.max(0, low - room), Math.min(100, high + room)],
    [HEIGHT - MARGIN.bottom, MARGIN.top],
  ).nice(5);
  const dotOf = (run: RunSummary): Dot => ({
    run,
    kind: kindOf(run),
    x: x(costOf(run)),
    y: y(run.after.accuracy),
  });
  const dots = all.map(dotOf);
  const title = `${scoreNames[score]} against ${measureNames[measure]}: ${model} on ${dataset}`;
  const front = paretoFront(
    runs.map(({ run }) => run).filter(({ controlOf }) => controlOf === undefined),
    measure,
  );
  return {
    width: WIDTH,
    height: HEIGHT,
    label: title,
    content: [
      text(MARGIN.left, 20, title, { class: "title" }),
      legend(MARGIN.left - 8, 40, legendEntries(dots)),
      grid(x, y, measure),
      element("path", { class: "front", d: frontPath(front.map(dotOf), WIDTH - MARGIN.right) }),
      runs.flatMap(({ run, controls }) => controlsOf(controls).map((other) => tie(dotOf(run), dotOf(other)))),
      // From-scratch baselines first, so that runs are drawn above them.
      dots
        .toSorted((a, b) => Number(b.run.controlOf !== undefined) - Number(a.run.controlOf !== undefined))
        .map((dot) => mark(dot.kind, dot.x, dot.y, titleOf(dot.run))),
      labels(dots),
    ],
  };
}

function legendEntries(dots: readonly Dot[]): readonly (readonly [Markup, string])[] {
  const kinds = (Object.keys(markNames) as MarkKind[]).filter((kind) => dots.some((dot) => dot.kind === kind));
  return [
    ...kinds.map((kind) => [mark(kind, 14, 0), markNames[kind]] as const),
    [element("path", { class: "front", d: "M2 4H12V-4H24" }), "front"] as const,
  ];
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;

function grid(x: Scale, y: Scale, measure: CostMeasure): Markup[] {
  const [bottom, end] = [HEIGHT - MARGIN.bottom, WIDTH - MARGIN.right];
  const format = y.tickFormat(5);
  return [
    ...y
      .ticks(5)
      .flatMap((value) => [
        element("line", { x1: MARGIN.left, x2: end, y1: y(value), y2: y(value), class: "rule" }),
        text(MARGIN.left - 8, y(value) + 4, `${format(value)} %`, { "text-anchor": "end" }),
      ]),
    ...x
      .ticks(6)
      .flatMap((value) => [
        element("line", { x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4, class: "tick" }),
        text(x(value), bottom + 18, tickLabel(value, measure), { "text-anchor": "middle" }),
      ]),
    element("line", { x1: MARGIN.left, x2: end, y1: bottom, y2: bottom, class: "axis" }),
    text(end, HEIGHT - 8, measureNames[measure], { "text-anchor": "end" }),
  ];
}

function tickLabel(value: number, measure: CostMeasure): string {
  return measure === "latency" ? String(value) : formatQuantity(value).replace(/\.0+(?= |$)/, "");
}

function frontPath(front: readonly Dot[], end: number): string {
  const last = front.at(-1);
  if (last === undefined) return "";
  const draw = line<readonly [number, number]>().curve(curveStepAfter).digits(1);
  return draw([...front.map(({ x, y }) => [x, y] as const), [end, last.y] as const]) ?? "";
}

function tie(from: Dot, to: Dot): Markup {
  return element("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: "tie" });
}

function titleOf(run: RunSummary): string {
  const { after, name } = run;
  const [macs, parameters] = [formatQuantity(after.macs), formatQuantity(after.parameters)];
  const time = after.latency === undefined ? "" : `, ${formatMilliseconds(after.latency)}`;
  return `${name}: ${formatPercent(after.accuracy, 2)}, ${macs} MACs, ${parameters} parameters${time}`;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * A label beside each run that is not a from-scratch baseline, if there is room. The others are named on hovering and
 * in the table.
 */
function labels(dots: readonly Dot[]): Markup[] {
  const taken: Box[] = dots.map(({ x, y }) => ({
    left: x - MARK / 2,
    right: x + MARK / 2,
    top: y - MARK / 2,
    bottom: y + MARK / 2,
  }));
  return dots.flatMap((dot): Markup[] => {
    if (dot.run.controlOf !== undefined) return [];
    const content = labelOf(dot.run);
    const width = widthOf(content);
    const starts: readonly (readonly [number, number])[] = [
      [dot.x + 10, dot.y + 4],
      [dot.x - 10 - width, dot.y + 4],
      [dot.x - width / 2, dot.y - 10],
      [dot.x - width / 2, dot.y + 19],
      [dot.x + 8, dot.y - 8],
      [dot.x + 8, dot.y + 17],
    ];
    for (const [x, y] of starts) {
      const box = { left: x, right: x + width, top: y - LINE + 3, bottom: y + 3 };
      const isInside =
        box.left >= MARGIN.left &&
        box.right <= WIDTH - 4 &&
        box.top >= MARGIN.top - 12 &&
        box.bottom <= HEIGHT - MARGIN.bottom;
      if (!isInside || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      return [text(x, y, content, { class: "label" })];
    }
    return [];
  });
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
