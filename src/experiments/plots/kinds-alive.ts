/** Structures alive over the epochs: one small chart for each run, one line for each kind. */
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { formatCount } from "../../report/format.ts";
import { element, type Markup } from "../../report/svg.ts";
import { type FactorKind, factorKinds } from "../../selection/factors.ts";
import { labelOf, type RunGroup } from "../comparison.ts";
import type { RunSummary } from "../run-summary.ts";
import { legend, type Plot, text } from "./frame.ts";

const COLUMNS = 3;
export const PANEL = { width: 300, height: 178 } as const;
export const INNER = { top: 40, right: 16, bottom: 26, left: 48 } as const;
const TOP = 56;

export const styles: Readonly<Record<FactorKind, number>> = { neuron: 1, block: 2, group: 3, stream: 4 };

export function kindsAlive({ model, dataset, runs }: RunGroup): Plot | undefined {
  const shown = runs.map(({ run }) => run).filter(({ kinds }) => kinds.length > 0);
  return panels(`Structures alive over the epochs: ${model} on ${dataset}`, shown, panel);
}

/** One small chart for each run, made by `draw`; undefined without runs. */
export function panels(
  title: string,
  runs: readonly RunSummary[],
  draw: (run: RunSummary) => Markup[],
): Plot | undefined {
  if (runs.length === 0) return undefined;
  return {
    width: PANEL.width * Math.min(COLUMNS, Math.max(2, runs.length)),
    height: TOP + PANEL.height * Math.ceil(runs.length / COLUMNS),
    label: title,
    content: [
      text(16, 20, title, { class: "title" }),
      kindLegend(runs),
      runs.map((run, index) => {
        const [x, y] = [PANEL.width * (index % COLUMNS), TOP + PANEL.height * Math.floor(index / COLUMNS)];
        return element("g", { transform: `translate(${x} ${y})` }, draw(run));
      }),
    ],
  };
}

/** Legend with the kinds of `shown`. */
function kindLegend(shown: readonly RunSummary[]): Markup[] {
  const present = factorKinds.filter((kind) => shown.some(({ kinds }) => kinds.some((own) => own.kind === kind)));
  const entries = present.map(
    (kind) => [element("line", { x1: 0, x2: 24, y1: 0, y2: 0, class: `line s${styles[kind]}` }), `${kind}s`] as const,
  );
  return legend(16, 40, entries);
}

function panel(run: RunSummary): Markup[] {
  const x = scaleLinear([0, run.epochs], [INNER.left, PANEL.width - INNER.right]);
  const y = scaleLinear([0, 100], [PANEL.height - INNER.bottom, INNER.top]);
  const draw = line<number>(
    (_, index) => x(index),
    (percent) => y(percent),
  ).digits(1);
  const ends = run.kinds.map(({ kind, alive, count }) => `${formatCount(alive)} of ${formatCount(count)} ${kind}s`);
  return [
    text(16, 14, `${labelOf(run)}, seed ${run.seed}`, { class: "strong" }),
    text(16, 30, ends.join(", ")),
    ...[0, 50, 100].flatMap((percent) => [
      element("line", { x1: INNER.left, x2: PANEL.width - INNER.right, y1: y(percent), y2: y(percent), class: "rule" }),
      text(INNER.left - 7, y(percent) + 4, `${percent} %`, { "text-anchor": "end" }),
    ]),
    ...[0, run.epochs].map((epoch) => text(x(epoch), PANEL.height - 8, String(epoch), { "text-anchor": "middle" })),
    text((x(0) + x(run.epochs)) / 2, PANEL.height - 8, "epoch", { "text-anchor": "middle" }),
    ...run.kinds.map(({ kind, alivePercent }) =>
      element("path", { class: `line s${styles[kind]}`, d: draw([100, ...alivePercent]) ?? "" }),
    ),
  ];
}
