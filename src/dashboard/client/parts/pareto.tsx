/** Accuracy against MACs, a point for each run. A line joins the Pareto front: no other run is better in both. */
import { scaleLinear } from "d3-scale";
import { formatPercent, formatQuantity } from "../../../report/format.ts";
import type { RunSummary } from "../../protocol.ts";
import { addresses } from "../router.ts";

interface Point {
  readonly name: string;
  readonly macs: number;
  readonly accuracy: number;
  readonly isFinished: boolean;
}

const WIDTH = 720;
const HEIGHT = 300;
const MARGIN = { top: 14, right: 24, bottom: 44, left: 58 } as const;

/** The Pareto front of `points`, by increasing MACs: no other point has fewer MACs and a higher accuracy. */
export function paretoFront<P extends Pick<Point, "macs" | "accuracy">>(points: readonly P[]): readonly P[] {
  const sorted = [...points].sort((a, b) => a.macs - b.macs || b.accuracy - a.accuracy);
  let best = Number.NEGATIVE_INFINITY;
  return sorted.filter(({ accuracy }) => {
    const isBetter = accuracy > best;
    best = Math.max(best, accuracy);
    return isBetter;
  });
}

export function Pareto({ runs }: { readonly runs: readonly RunSummary[] }) {
  const points = runs.flatMap(({ name, after, accuracy, state }): Point[] =>
    after === null || accuracy === null ? [] : [{ name, macs: after.macs, accuracy, isFinished: state === "finished" }],
  );
  if (points.length === 0) return <p class="soft">None of these runs has an accuracy yet.</p>;
  const most = Math.max(...points.map(({ macs }) => macs));
  const accuracies = points.map(({ accuracy }) => accuracy);
  const x = scaleLinear([0, most * 1.05], [MARGIN.left, WIDTH - MARGIN.right]);
  const span = Math.max(2, Math.max(...accuracies) - Math.min(...accuracies));
  const y = scaleLinear(
    [Math.max(0, Math.min(...accuracies) - 0.15 * span), Math.min(100, Math.max(...accuracies) + 0.15 * span)],
    [HEIGHT - MARGIN.bottom, MARGIN.top],
  );
  const front = paretoFront(points);
  const isFront = new Set(front.map(({ name }) => name));
  const path = front
    .map(({ macs, accuracy }, index) => `${index === 0 ? "M" : "L"}${x(macs).toFixed(1)} ${y(accuracy).toFixed(1)}`)
    .join("");
  return (
    <figure class="pareto">
      <p class="legend">
        <span class="entry">
          <svg viewBox="0 0 22 10" width="22" height="10" aria-hidden="true">
            <path d="M0 5H22" class="line s1" />
            <circle cx="11" cy="5" r="4" class="dot s1" />
          </svg>
          no run is better in both
        </span>
        <span class="entry">
          <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
            <rect x="2" y="2" width="8" height="8" class="beaten" />
          </svg>
          others
        </span>
        <span class="entry">hollow: not finished</span>
      </p>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label="Accuracy against MACs of the runs">
        {y.ticks(5).map((tick) => (
          <g key={tick}>
            <line x1={MARGIN.left} x2={WIDTH - MARGIN.right} y1={y(tick)} y2={y(tick)} class="rule" />
            <text x={MARGIN.left - 8} y={y(tick) + 4} text-anchor="end">
              {tick} %
            </text>
          </g>
        ))}
        {x.ticks(6).map((tick) => (
          <text key={tick} x={x(tick)} y={HEIGHT - MARGIN.bottom + 18} text-anchor="middle">
            {formatQuantity(tick)}
          </text>
        ))}
        <line
          x1={MARGIN.left}
          x2={WIDTH - MARGIN.right}
          y1={HEIGHT - MARGIN.bottom}
          y2={HEIGHT - MARGIN.bottom}
          class="axis"
        />
        <text x={WIDTH - MARGIN.right} y={HEIGHT - 6} text-anchor="end" class="faint">
          MACs of one image
        </text>
        <path d={path} class="line s1" />
        {points.map(({ name, macs, accuracy, isFinished }) => {
          const label = `${name}: ${formatPercent(accuracy, 2)}, ${formatQuantity(macs)} MACs`;
          const className = isFinished ? "" : " hollow";
          return (
            <a key={name} href={addresses.run(name)} aria-label={label}>
              <title>{label}</title>
              {isFront.has(name) ? (
                <circle cx={x(macs)} cy={y(accuracy)} r="6" class={`dot s1${className}`} />
              ) : (
                <rect x={x(macs) - 5} y={y(accuracy) - 5} width="10" height="10" class={`beaten${className}`} />
              )}
            </a>
          );
        })}
      </svg>
    </figure>
  );
}
