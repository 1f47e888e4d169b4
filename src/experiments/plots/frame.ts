/**
 * Shared parts of the plots: marks, legend and style sheet. Title and legend are inside the picture, so that it is
 * complete as a file of its own.
 */
import {
  type SymbolType,
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolTriangle,
} from "d3-shape";
import { required } from "../../core/errors.ts";
import { palettes } from "../../report/style.ts";
import { type Child, element, type Markup, svg } from "../../report/svg.ts";
import { baselineNames } from "../../training/events/baseline-kinds.ts";

/** Kinds of marks. Each has its own shape and its own colour. */
export type MarkKind = "pruned" | "baseline" | "control" | "control-macs" | "control-uniform";

const shapes: Readonly<Record<MarkKind, SymbolType>> = {
  pruned: symbolCircle,
  baseline: symbolSquare,
  control: symbolDiamond,
  "control-macs": symbolTriangle,
  "control-uniform": symbolCross,
};

export const markNames: Readonly<Record<MarkKind, string>> = {
  pruned: "pruned",
  baseline: "not pruned",
  control: baselineNames.epochs,
  "control-macs": baselineNames.macs,
  "control-uniform": baselineNames.uniform,
};

/** A mark at (x, y); `title` is shown on hovering. */
export function mark(kind: MarkKind, x: number, y: number, title?: string): Markup {
  return element(
    "path",
    {
      d: symbol(shapes[kind], 70).digits(2)() ?? "",
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
      class: `mark-${kind}`,
    },
    title === undefined ? undefined : element("title", {}, title),
  );
}

/** Style rules that only the plots need; the others are the report's. */
export const plotStyle: string = `
.plot text { font-size: 12px; } .plot .title { font-size: 14px; font-weight: 600; fill: var(--ink); }
.plot .label { fill: var(--ink); stroke: var(--paper); stroke-width: 3px; }
.plot .label { stroke-linejoin: round; paint-order: stroke; }
.plot .strong { fill: var(--ink); font-weight: 600; }
.mark-pruned { fill: var(--one); stroke: var(--paper); }
.mark-baseline { fill: var(--paper); stroke: var(--ink); stroke-width: 2; }
.mark-control { fill: var(--two); stroke: var(--paper); }
.mark-control-macs { fill: var(--three); stroke: var(--paper); }
.mark-control-uniform { fill: var(--four); stroke: var(--paper); }
.front { fill: none; stroke: var(--one); stroke-width: 1.5; stroke-opacity: .55; }
.tie { stroke: var(--soft); stroke-dasharray: 2 3; }
.bar { fill: var(--one); } .full { fill: var(--rule); }
.gone { fill: none; stroke: var(--ghost); stroke-dasharray: 2 2; }
`;

const standing = `
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.paper { fill: var(--paper); }
svg text { fill: var(--soft); } .rule { stroke: var(--rule); } .axis, .tick { stroke: var(--edge); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.s1 { stroke: var(--one); } .line.s2 { stroke: var(--two); stroke-dasharray: 6 4; }
.line.s3 { stroke: var(--three); stroke-dasharray: 1.5 4.5; }
.line.s4 { stroke: var(--four); stroke-dasharray: 9 3 2 3; }
`;

/** A plot, for a page or a file. */
export interface Plot {
  readonly width: number;
  readonly height: number;
  /** Text for screen readers. */
  readonly label: string;
  readonly content: Child;
}

/** `plot` as part of a page that has the report's style sheet and `plotStyle`. */
export function inPage({ width, height, label, content }: Plot): Markup {
  return svg({ width, height, label, className: "plot" }, content);
}

/** `css` with the values of `palette` instead of variables, which many SVG renderers do not support. */
function resolved(css: string, palette: string): string {
  const values = new Map(
    [...palette.matchAll(/--([\w-]+): ([^;]+);/g)].map(([, name = "", value = ""]) => [name, value]),
  );
  return css.replaceAll(/var\(--([\w-]+)\)/g, (_, name: string) => required(values.get(name), `the colour ${name}`));
}

/** `plot` as a file of its own: light or dark as the reader's screen is, on its own paper. */
export function asFile({ width, height, label, content }: Plot): string {
  const rules = standing + plotStyle;
  const [light, dark] = [resolved(rules, palettes.light), resolved(rules, palettes.dark)];
  const attributes = {
    ...{ xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    ...{ role: "img", "aria-label": label, class: "plot" },
  };
  const style = { markup: `<style>${light} @media (prefers-color-scheme: dark) { ${dark} }</style>` };
  return `${element("svg", attributes, style, element("rect", { width, height, class: "paper" }), content).markup}\n`;
}

/** Text starting at (x, y). */
export function text(x: number, y: number, content: string, attributes: Readonly<Record<string, string>> = {}): Markup {
  return element("text", { x, y, ...attributes }, content);
}

/** Approximate width of `content` at the plots' font size: good enough to place labels. */
export function widthOf(content: string): number {
  return 6.6 * content.length;
}

/** Entries of a legend in one line from (x, y). Each is a drawing of width 22 and its name. */
export function legend(x: number, y: number, entries: readonly (readonly [Markup, string])[]): Markup[] {
  let at = x;
  return entries.map(([drawing, name]) => {
    const entry = element("g", { transform: `translate(${at} ${y})` }, drawing, text(28, 4, name));
    at += 28 + widthOf(name) + 12;
    return entry;
  });
}
