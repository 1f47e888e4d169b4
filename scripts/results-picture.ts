/**
 * The README's picture, drawn from the kept results: what a run leaves of each layer of ResNet-20, and what that does
 * to its accuracy. `npm run docs` writes it.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { scaleLinear } from "d3-scale";
import { z } from "zod";
import { required } from "../src/core/errors.ts";
import { asFile, type MarkKind, mark, text } from "../src/experiments/plots/frame.ts";
import { type RunSummary, runSummarySchema } from "../src/experiments/run-summary.ts";
import { element, type Markup } from "../src/report/svg.ts";
import { baselineKindOf } from "../src/training/events/baseline-kinds.ts";

const [WIDTH, HEIGHT] = [880, 330];
const [TOP, BOTTOM] = [76, 280];
const LAYERS = { left: 8, right: 420 } as const;
const CHART = { left: 510, right: 866 } as const;

const isBaseline = ({ controlOf, aim }: RunSummary): boolean => controlOf === undefined && aim === "";
const million = (count: number): string => `${Math.round(count / 1e6)} M`;

/** A bar a convolution, as high as it has channels: the outline before the run, filled what is left of it. */
function layers({ layers: all, aim, before, after }: RunSummary): readonly Markup[] {
  const convolutions = all.filter(({ pixels }) => pixels !== "");
  const x = scaleLinear([0, convolutions.length], [LAYERS.left, LAYERS.right]);
  const y = scaleLinear([0, Math.max(...convolutions.map(({ before: channels }) => channels))], [0, BOTTOM - TOP]);
  const width = x(1) - x(0) - 6;
  const bar = (place: number, channels: number, kind: string): Markup =>
    element("rect", { x: x(place) + 3, y: BOTTOM - y(channels), width, height: y(channels), class: kind });
  return [
    text(LAYERS.left, 20, "Channels of each convolution", { class: "title" }),
    text(LAYERS.left, 40, `${aim} of the MACs: ${million(before.macs)} → ${million(after.macs)}`),
    ...convolutions.flatMap((layer, place) => [bar(place, layer.before, "gone"), bar(place, layer.after, "bar")]),
    element("line", { x1: LAYERS.left, x2: LAYERS.right, y1: BOTTOM, y2: BOTTOM, class: "axis" }),
    text(LAYERS.left, BOTTOM + 18, "first layer"),
    text(LAYERS.right, BOTTOM + 18, "last layer", { "text-anchor": "end" }),
    text((LAYERS.left + LAYERS.right) / 2, BOTTOM + 40, "dashed: pruned away", { "text-anchor": "middle" }),
  ];
}

/** The kinds of runs, with their names and places in the legend. */
const legend = [
  ["baseline", "full network", 0],
  ["pruned", "pruned", 100],
  ["control", "same layers", 165],
  ["control-uniform", "uniformly thinner", 260],
] as const satisfies readonly (readonly [MarkKind, string, number])[];

function kindOf(run: RunSummary): MarkKind {
  if (run.controlOf === undefined) return isBaseline(run) ? "baseline" : "pruned";
  return baselineKindOf(run.controlOf) === "uniform" ? "control-uniform" : "control";
}

/** Accuracy against MACs: the full network, and at each budget the pruned one and its from-scratch baselines. */
function chart(runs: readonly RunSummary[]): readonly Markup[] {
  const accuracies = runs.map(({ after }) => after.accuracy);
  const x = scaleLinear([0, Math.max(...runs.map(({ after }) => after.macs)) * 1.08], [CHART.left, CHART.right]);
  const y = scaleLinear([Math.floor(Math.min(...accuracies)), Math.ceil(Math.max(...accuracies))], [BOTTOM, TOP]);
  const at = (run: RunSummary): Markup => mark(kindOf(run), x(run.after.macs), y(run.after.accuracy));
  const kinds = new Set(runs.map(kindOf));
  return [
    text(CHART.left - 40, 20, "Test accuracy against MACs of one image", { class: "title" }),
    ...legend
      .filter(([kind]) => kinds.has(kind))
      .flatMap(([kind, name, shift]) => [
        mark(kind, CHART.left - 34 + shift, 36),
        text(CHART.left - 24 + shift, 40, name),
      ]),
    ...y
      .ticks(5)
      .flatMap((value) => [
        element("line", { x1: CHART.left, x2: CHART.right, y1: y(value), y2: y(value), class: "rule" }),
        text(CHART.left - 8, y(value) + 4, `${value} %`, { "text-anchor": "end" }),
      ]),
    ...x.ticks(5).map((value) => text(x(value), BOTTOM + 18, million(value), { "text-anchor": "middle" })),
    element("line", { x1: CHART.left, x2: CHART.right, y1: BOTTOM, y2: BOTTOM, class: "axis" }),
    ...runs.map(at),
  ];
}

/** ResNet-20 on CIFAR-10, as `docs/results/resnet-20.json` has it. */
export function resultsPicture(): string {
  const file = fileURLToPath(new URL("../docs/results/resnet-20.json", import.meta.url));
  const runs = z.array(runSummarySchema).parse(JSON.parse(readFileSync(file, "utf8")));
  const half = required(
    runs.find(({ aim }) => aim === "budget 50 %"),
    "the run at half of the MACs",
  );
  const { epochs, seed } = half;
  const label = `ResNet-20 on CIFAR-10, ${epochs} epochs, seed ${seed}: channels left, and accuracy against MACs`;
  const note = text(CHART.left - 40, BOTTOM + 40, `ResNet-20 on CIFAR-10, ${epochs} epochs, seed ${seed}`);
  return asFile({ width: WIDTH, height: HEIGHT, label, content: [layers(half), chart(runs), note] });
}
