/** The chart of γ in the report: as it was placed, from when it was at work, and as a budget steered it. */
import { scaleLinear } from "d3-scale";
import { describe, expect, test } from "vitest";
import { historyOf } from "../../src/report/history.ts";
import { reportPage } from "../../src/report/page.ts";
import type { BudgetProgress, RunEvent } from "../../src/training/events/events.ts";
import { syntheticRun } from "./synthetic.ts";

const [EPOCHS, STEPS_PER_EPOCH] = [6, 390];

interface Chart {
  readonly legend: string;
  /** (epoch, γ) of each line, read off the drawing against its own axis. */
  readonly lines: readonly (readonly (readonly [number, number])[])[];
}

/** The numbers beside the axis, with how high they stand. */
function ticksOf(figure: string): readonly (readonly [number, number])[] {
  const found = [...figure.matchAll(/<text x="39" y="([\d.]+)" text-anchor="end">([\d.]+)</g)];
  return found.map(([, y, value]) => [Number(value), Number(y) - 4]);
}

function chartOf(events: readonly RunEvent[]): Chart {
  const page = reportPage(historyOf(events), undefined);
  const figure = page.match(/<figure class="chart"><figcaption>Sparsity strength γ<.*?<\/figure>/s)?.[0];
  if (figure === undefined) throw new Error("γ is not drawn");
  const [lowest, highest] = [ticksOf(figure)[0], ticksOf(figure).at(-1)];
  if (lowest === undefined || highest === undefined) throw new Error("the axis has no numbers");
  const value = scaleLinear([lowest[1], highest[1]], [lowest[0], highest[0]]);
  const epoch = scaleLinear([46, 350], [0, EPOCHS]);
  const lines = [...figure.matchAll(/<path d="M([^"]+)" class="line/g)].map(([, path = ""]) =>
    path.split("L").map((point) => {
      const [x = Number.NaN, y = Number.NaN] = point.split(",").map(Number);
      return [Math.round(10 * epoch(x)) / 10, Number(value(y).toPrecision(2))] as const;
    }),
  );
  return { legend: figure.match(/<p class="legend">.*?<\/p>/s)?.[0].replaceAll(/<[^>]+>/g, " ") ?? "", lines };
}

function withOptions(options: Readonly<Record<string, unknown>>): readonly RunEvent[] {
  return syntheticRun().map((event) =>
    event.type === "run.started" ? { ...event, options: { ...event.options, ...options } } : event,
  );
}

function standing(epoch: number, neuron: number, block: number): BudgetProgress {
  const at = { time: "2026-01-02T03:04:05.000Z", step: epoch * STEPS_PER_EPOCH, epoch };
  return { type: "budget", ...at, of: "macs", share: 0.5, left: 0.6, isMet: false, gamma: { neuron, block } };
}

describe("the chart of γ", () => {
  test("is flat where nothing steers it", () => {
    const { legend, lines } = chartOf(syntheticRun());
    expect(legend).toMatch(/neurons\s+0\.00160?\s+blocks\s+0\.020?0?/);
    expect(lines).toEqual([
      [
        [0, 0.0016],
        [6, 0.0016],
      ],
      [
        [0, 0.02],
        [6, 0.02],
      ],
    ]);
  });

  test("stays at zero for the epochs before it", () => {
    const [neurons, blocks] = chartOf(withOptions({ gammaAfter: 2 })).lines;
    expect(neurons?.map(([epoch]) => epoch)).toEqual([0, 2, 2, 6]);
    expect(blocks?.map(([, gamma]) => gamma)).toEqual([0, 0, 0.02, 0.02]);
  });

  test("follows a budget", () => {
    const [started, ...rest] = syntheticRun();
    if (started === undefined) throw new Error("the synthetic run is empty");
    const course = [standing(1, 0.001, 0.01), standing(2, 0.004, 0.04), standing(4, 0, 0)];
    const { legend, lines } = chartOf([started, ...course, ...rest]);
    expect(legend).toMatch(/neurons\s+0\s+blocks\s+0/);
    expect(lines[0]?.map(([epoch]) => epoch)).toEqual([1, 2, 4]);
    expect(lines[0]?.map(([, gamma]) => gamma)).toEqual([0.001, 0.004, 0]);
    expect(lines[1]?.map(([, gamma]) => gamma)).toEqual([0.01, 0.04, 0]);
  });
});
