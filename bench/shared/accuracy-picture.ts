/**
 * The picture of `docs/results.md`: what pruning costs in accuracy, against the MACs that are left. Zero is the full
 * network of each run. Beside the runs stand their baselines from scratch, and published results of other methods.
 */
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { asFile, type MarkKind, mark, markNames, text, widthOf } from "../../src/experiments/plots/frame.ts";
import { element, type Markup } from "../../src/report/svg.ts";
import type { Outcome } from "./result-outcomes.ts";

const [WIDTH, HEIGHT] = [880, 440];
const AREA = { left: 64, right: 856, top: 84, bottom: 384 } as const;

/** A result of a paper: what its pruning changed of the accuracy, in points. */
interface Published {
  readonly method: string;
  readonly network: string;
  /** In percent. */
  readonly macsLeft: number;
  readonly points: number;
}

/** On CIFAR-10. Their networks were trained for longer than ours. */
const published: readonly Published[] = [
  { method: "DSA", network: "resnet-20", macsLeft: 50, points: -0.8 },
  { method: "DepGraph", network: "resnet-56", macsLeft: 47, points: 0.24 },
  { method: "LAASP", network: "vgg-16", macsLeft: 39.5, points: -0.17 },
];

interface Point {
  readonly macsLeft: number;
  readonly points: number;
}

interface Dot extends Point {
  readonly kind: MarkKind;
}

/** The pruned runs of a network that were trained for as many epochs, those with the fewest MACs first. */
interface Course {
  readonly label: string;
  readonly runs: readonly Outcome[];
}

const FULL: Point = { macsLeft: 100, points: 0 };
/** Pixels between the base lines of labels. */
const LINE = 15;

function dotsOf({ macsLeft, points, thinner, sameLayers }: Outcome): readonly Dot[] {
  const beside = (kind: MarkKind, gained: number | undefined): readonly Dot[] =>
    gained === undefined ? [] : [{ kind, macsLeft, points: gained }];
  return [
    ...beside("control-uniform", thinner),
    ...beside("control", sameLayers),
    { kind: "pruned", macsLeft, points },
  ];
}

function coursesOf(outcomes: readonly Outcome[]): readonly Course[] {
  const labelOf = ({ name, run }: Outcome): string => `${name}, ${run.epochs} epochs`;
  return [...new Set(outcomes.map(labelOf))].map((label) => ({
    label,
    runs: outcomes.filter((one) => labelOf(one) === label).toSorted((a, b) => a.macsLeft - b.macsLeft),
  }));
}

/** The picture as a file; `outcomes`: at least one. */
export function accuracyPicture(outcomes: readonly Outcome[]): string {
  const [dots, courses] = [outcomes.flatMap(dotsOf), coursesOf(outcomes)];
  const all = [...dots, ...published].map(({ points }) => points);
  const x = scaleLinear([0, 100], [AREA.left, AREA.right]);
  const y = scaleLinear([Math.min(...all) - 0.3, Math.max(0.5, ...all) + 0.3], [AREA.bottom, AREA.top]).nice(6);
  const label = "Accuracy that pruning costs, in points, against the MACs that are left";
  return asFile({
    ...{ width: WIDTH, height: HEIGHT, label },
    content: [
      text(AREA.left - 48, 24, label, { class: "title" }),
      entries(dots),
      grid(x, y),
      ...published.map(({ method, network, macsLeft, points }) => [
        element("circle", { cx: x(macsLeft), cy: y(points), r: 4.5, class: "gone" }),
        text(x(macsLeft) + 10, y(points) + 4, `${method}, ${network}`),
      ]),
      ...courses.map((course) => path(course, x, y)),
      ...dots.map(({ kind, macsLeft, points }) => mark(kind, x(macsLeft), y(points))),
      ...labels(courses, x, y),
    ],
  });
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;

/** A line from the full network through the pruned ones. */
function path({ runs }: Course, x: Scale, y: Scale): Markup {
  const through = line<Point>(
    ({ macsLeft }) => x(macsLeft),
    ({ points }) => y(points),
  ).digits(1);
  return element("path", { class: "front", d: through([...runs, FULL]) ?? "" });
}

/** Each label stands left of the course's first mark, below the label above it. */
function labels(courses: readonly Course[], x: Scale, y: Scale): readonly Markup[] {
  const placed = courses.flatMap(({ label, runs: [first] }) =>
    first === undefined ? [] : [{ label, left: x(first.macsLeft) - 10, top: y(first.points) + 4 }],
  );
  let above = Number.NEGATIVE_INFINITY;
  return placed
    .toSorted((a, b) => a.top - b.top)
    .map(({ label, left, top }) => {
      above = Math.max(top, above + LINE);
      return text(left, above, label, { class: "label", "text-anchor": "end" });
    });
}

function entries(dots: readonly Dot[]): readonly Markup[] {
  const kinds = (["pruned", "control", "control-uniform"] as const).filter((kind) =>
    dots.some((dot) => dot.kind === kind),
  );
  let at = AREA.left - 40;
  const entry = (drawing: Markup, name: string): Markup => {
    const drawn = element("g", { transform: `translate(${at} 50)` }, drawing, text(12, 4, name));
    at += 12 + widthOf(name) + 24;
    return drawn;
  };
  return [
    ...kinds.map((kind) => entry(mark(kind, 0, 0), markNames[kind])),
    entry(element("circle", { cx: 0, cy: 0, r: 4.5, class: "gone" }), "published, of other methods"),
  ];
}

function grid(x: Scale, y: Scale): readonly Markup[] {
  return [
    ...y.ticks(6).flatMap((value) => [
      element("line", {
        x1: AREA.left,
        x2: AREA.right,
        y1: y(value),
        y2: y(value),
        class: value === 0 ? "axis" : "rule",
      }),
      text(AREA.left - 8, y(value) + 4, value === 0 ? "full" : `${value > 0 ? "+" : "−"}${Math.abs(value)}`, {
        "text-anchor": "end",
      }),
    ]),
    ...x.ticks(5).map((value) => text(x(value), AREA.bottom + 20, `${value} %`, { "text-anchor": "middle" })),
    element("line", { x1: AREA.left, x2: AREA.right, y1: AREA.bottom, y2: AREA.bottom, class: "axis" }),
    text(AREA.right, AREA.bottom + 42, "MACs left", { "text-anchor": "end" }),
  ];
}
