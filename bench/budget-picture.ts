/**
 * `npm run picture:budget`: draws docs/pictures/budget.svg, which shows what a budget's controller does during a run.
 * The structures and their costs are those of ResNet-20, the gradients are simulated as in the controller's tests.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { model } from "../src/models/zoo.ts";
import { element, type Markup, svg } from "../src/report/svg.ts";
import { plannedShare, usualWindow } from "../src/selection/budget-controller.ts";
import { type PlantUpdate, steerPlant } from "../test/selection/plant.ts";

const SHARE = 0.5;
/** Of this many neurons, one has a line. */
const EVERY = 12;
const [WIDTH, LEFT, RIGHT] = [760, 64, 26];
const panels = { cost: { top: 34, bottom: 174 }, factors: { top: 222, bottom: 402 } } as const;
const HEIGHT = 446;

/** Every third update: the picture looks the same, and the file is smaller. */
const updates: PlantUpdate[] = [];
let seen = 0;
steerPlant(model("resnet-20", { classes: 10 }), {
  select: { neurons: 1 },
  share: SHARE,
  steps: 2500,
  strength: 2e-3,
  decades: 1,
  noise: 0.6,
  onUpdate: (update) => {
    seen++;
    if (seen % 3 === 0) updates.push(update);
  },
});

const x = scaleLinear([0, 1], [LEFT, WIDTH - RIGHT]);
const percent = (share: number): string => `${Math.round(100 * share)} %`;

type Points = readonly (readonly [number, number])[];

function curve(points: Points, y: (value: number) => number, style: string): Markup {
  const draw = line<readonly [number, number]>(
    ([at]) => x(at),
    ([, value]) => y(value),
  ).digits(1);
  return element("path", { d: draw([...points]) ?? "", class: style });
}

function axis(y: (value: number) => number, ticks: readonly number[], text: (value: number) => string): Markup[] {
  return ticks.flatMap((value) => [
    element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "rule" }),
    element("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, text(value)),
  ]);
}

function word(at: number, y: number, text: string, style = ""): Markup {
  return element("text", { x: x(at), y, class: style }, text);
}

const cost = scaleLinear([0.4, 1.02], [panels.cost.bottom, panels.cost.top]);
const factor = scaleLinear([0, 1.12], [panels.factors.bottom, panels.factors.top]);
const last = updates.at(-1);
const structures = [...(last?.factors ?? [])].flatMap(([parameter, { data }]) =>
  Array.from(data, (_, index) => ({ parameter, index, isChosen: last?.state.chosen[parameter]?.[index] === "1" })),
);
const shown = structures.filter((_, number) => number % EVERY === 0);
const trajectory = ({ parameter, index }: (typeof shown)[number]): Points =>
  updates.map(({ progress, factors }) => [progress, factors.get(parameter)?.data[index] ?? 0]);
const counted = structures.filter(({ isChosen }) => isChosen).length;
const plan: Points = [0, usualWindow.start, usualWindow.end, 1].map((at) => [at, plannedShare(at, SHARE)]);

const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1c2320; }
  .title { font-weight: 650; } .soft { fill: #5c665f; } .green { fill: #0b7a5b; } .orange { fill: #b4540a; }
  .rule { stroke: #e4e3da; } path { fill: none; stroke-width: 1.2; } .kept { stroke: #0b7a5b; opacity: .55; }
  .pruned { stroke: #b4540a; } .plan { stroke: #8a938c; stroke-width: 2; stroke-dasharray: 6 5; }
  .left { stroke: #1c2320; stroke-width: 2.4; }`;

const picture = svg(
  { width: WIDTH, height: HEIGHT, label: "Cost left and scaling factors during a run with a budget of 50 %" },
  element("style", {}, { markup: style }),
  element("rect", { width: WIDTH, height: HEIGHT, fill: "#fcfbf8" }),
  element("text", { x: LEFT, y: 20, class: "title" }, "MACs left"),
  axis(cost, [0.5, 0.75, 1], percent),
  curve(plan, cost, "plan"),
  curve([[0, 1], ...updates.map(({ progress, left }): [number, number] => [progress, left])], cost, "left"),
  word(0.34, cost(0.88), "the plan: a straight line down to the budget", "soft"),
  word(0.6, cost(0.56), "budget met: what is left trains on", "soft"),
  element(
    "text",
    { x: LEFT, y: panels.factors.top - 16, class: "title" },
    `Scaling factors λ of ${shown.length} of ${structures.length} channels`,
  ),
  axis(factor, [0, 0.5, 1], (value) => value.toFixed(1)),
  shown.filter(({ isChosen }) => !isChosen).map((one) => curve(trajectory(one), factor, "kept")),
  shown.filter(({ isChosen }) => isChosen).map((one) => curve(trajectory(one), factor, "pruned")),
  word(0.6, factor(0.66), `kept (${structures.length - counted} channels): γ = 0`, "green"),
  word(0.6, factor(0.05), `chosen (${counted} channels): kept at zero`, "orange"),
  [0, 0.25, 0.5, 0.75, 1].map((at) =>
    element("text", { x: x(at), y: panels.factors.bottom + 18, "text-anchor": "middle" }, percent(at)),
  ),
  element(
    "text",
    { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle", class: "soft" },
    "share of the learning rate spent (Ση so far / Ση of the run)",
  ),
);

mkdirSync("docs/pictures", { recursive: true });
writeFileSync("docs/pictures/budget.svg", `${picture.markup}\n`);
