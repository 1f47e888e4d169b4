/**
 * γ over the epochs of runs with a budget: one small chart for each run, one line for each kind, as a share of its
 * maximum.
 */
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { formatSmall } from "../../report/format.ts";
import { element, type Markup } from "../../report/svg.ts";
import { labelOf, type RunGroup } from "../comparison.ts";
import type { RunSummary } from "../run-summary.ts";
import { type Plot, text } from "./frame.ts";
import { INNER, PANEL, panels, styles } from "./kinds-alive.ts";

export function gammaCourse({ model, dataset, runs }: RunGroup): Plot | undefined {
  const shown = runs.map(({ run }) => run).filter(({ kinds }) => kinds.some((kind) => kind.gammaCourse !== undefined));
  return panels(`γ over the epochs, relative to its maximum: ${model} on ${dataset}`, shown, panel);
}

function panel(run: RunSummary): Markup[] {
  const courses = run.kinds.flatMap(({ kind, gammaCourse: course = [] }) => {
    const largest = Math.max(...course);
    return largest > 0 ? [{ kind, course, largest }] : [];
  });
  const x = scaleLinear([0, run.epochs], [INNER.left, PANEL.width - INNER.right]);
  const y = scaleLinear([0, 100], [PANEL.height - INNER.bottom, INNER.top]);
  const draw = line<number>(
    (_, index) => x(index + 1),
    (percent) => y(percent),
  ).digits(1);
  return [
    text(16, 14, `${labelOf(run)}, seed ${run.seed}`, { class: "strong" }),
    text(16, 30, courses.map(({ kind, largest }) => `${kind}s up to ${formatSmall(largest)}`).join(", ")),
    ...[0, 50, 100].flatMap((percent) => [
      element("line", { x1: INNER.left, x2: PANEL.width - INNER.right, y1: y(percent), y2: y(percent), class: "rule" }),
      text(INNER.left - 7, y(percent) + 4, `${percent} %`, { "text-anchor": "end" }),
    ]),
    ...[0, run.epochs].map((epoch) => text(x(epoch), PANEL.height - 8, String(epoch), { "text-anchor": "middle" })),
    text((x(0) + x(run.epochs)) / 2, PANEL.height - 8, "epoch", { "text-anchor": "middle" }),
    ...courses.map(({ kind, course, largest }) =>
      element("path", {
        class: `line s${styles[kind]}`,
        d: draw(course.map((gamma) => (100 * gamma) / largest)) ?? "",
      }),
    ),
  ];
}
