/**
 * A heat map of all scaling factors: one row for each structure, in the order of the network, one column for each
 * epoch. Zeros are hatched. The report and the dashboard make an image of the pixels; axes and labels are drawn here
 * for both.
 */
import { scaleLinear } from "d3-scale";
import type { StructureKind } from "../training/events/events.ts";
import { formatCount, formatSmall } from "./format.ts";
import { element, type Markup, svg } from "./svg.ts";

/** The scaling factors of one parameter. */
export interface LevelRow {
  readonly layer: string;
  readonly kind: StructureKind;
  readonly count: number;
}

/**
 * All factors over time. `values` has one byte for each epoch and structure, epoch by epoch, in base64; 0 is zero, 255
 * is `maximum`.
 */
export interface Levels {
  readonly epochs: readonly number[];
  readonly rows: readonly LevelRow[];
  readonly maximum: number;
  readonly structures: number;
  readonly values: string;
  /** See `margins.ts`. */
  readonly margins: string;
}

/** Height of the coloured part, in pixels of the page. */
export const HEAT_HEIGHT = 360;
const MOST_ROWS = 2 * HEAT_HEIGHT;
const MOST_COLUMNS = 1024;
const MARGIN = { top: 6, right: 10, bottom: 36 } as const;
const LINE_HEIGHT = 13;
const CHARACTER_WIDTH = 6.3;

/** Colours from small to large values, with even lightness and suitable for colour-blind people (after viridis). */
const STOPS: readonly (readonly [number, number, number])[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

function shade(level: number): readonly [number, number, number] {
  const at = (level / 255) * (STOPS.length - 1);
  const index = Math.min(STOPS.length - 2, Math.floor(at));
  const [from = [0, 0, 0], to = [0, 0, 0]] = STOPS.slice(index, index + 2);
  const part = at - index;
  const mix = (channel: 0 | 1 | 2): number => Math.round(from[channel] + (to[channel] - from[channel]) * part);
  return [mix(0), mix(1), mix(2)];
}

/** Pixels, row by row, four bytes each: red, green, blue, opacity. */
export interface HeatPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * The structure of each row: in the order of the network, and within a layer by the number of epochs at zero, so that
 * zeros are one area.
 */
export function heatOrder({ rows, epochs, structures }: Levels, values: Uint8Array): Uint32Array {
  const zeros = new Uint32Array(structures);
  for (let at = 0; at < values.length; at++) {
    if (values[at] === 0) zeros[at % structures] = (zeros[at % structures] ?? 0) + 1;
  }
  const last = Math.max(0, epochs.length - 1) * structures;
  const order = Uint32Array.from({ length: structures }, (_, index) => index);
  let first = 0;
  for (const { count } of rows) {
    order
      .subarray(first, first + count)
      .sort((a, b) => (zeros[a] ?? 0) - (zeros[b] ?? 0) || (values[last + b] ?? 0) - (values[last + a] ?? 0) || a - b);
    first += count;
  }
  return order;
}

/**
 * One pixel for each epoch and structure, in the order of `heatOrder`. With very many structures, a pixel is the mean
 * of several ones that are not zero, or zero if most of them are. With very many epochs, some are skipped.
 */
export function heatPixels({ epochs, structures }: Levels, values: Uint8Array, order: Uint32Array): HeatPixels {
  const height = Math.min(structures, MOST_ROWS);
  const width = Math.min(epochs.length, MOST_COLUMNS);
  const data = new Uint8Array(4 * width * height);
  const palette = Array.from({ length: 256 }, (_, level) => shade(level));
  for (let row = 0; row < height; row++) {
    const own = order.subarray(
      Math.floor((row * structures) / height),
      Math.max(Math.floor((row * structures) / height) + 1, Math.floor(((row + 1) * structures) / height)),
    );
    for (let column = 0; column < width; column++) {
      const epoch = Math.floor((column * epochs.length) / width);
      let sum = 0;
      let alive = 0;
      for (const index of own) {
        const value = values[epoch * structures + index] ?? 0;
        sum += value;
        if (value > 0) alive++;
      }
      // Zero is transparent and shows the hatched background.
      if (2 * alive < own.length || alive === 0) continue;
      data.set([...(palette[Math.round(sum / alive)] ?? [0, 0, 0]), 255], 4 * (row * width + column));
    }
  }
  return { width, height, data };
}

/** Name of structure `number`: its layer, and its number there. */
export function structureName({ rows }: Levels, number: number): string {
  let first = 0;
  for (const { layer, kind, count } of rows) {
    if (number < first + count) return `${layer}, ${kind} ${number - first + 1} of ${count}`;
    first += count;
  }
  return "";
}

/** Summary of the map in a sentence, for screen readers. */
export function describeLevels({ epochs, structures }: Levels, values: Uint8Array): string {
  const last = values.subarray(Math.max(0, epochs.length - 1) * structures);
  const zero = last.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
  const factors = `${formatCount(structures)} scaling factors over ${formatCount(epochs.length)} epochs`;
  return `${factors}; ${formatCount(zero)} of them are zero at the end`;
}

/** Position of the coloured part in the picture of `width`. */
export function heatBox(width: number): { readonly left: number; readonly top: number; readonly width: number } {
  const left = width < 500 ? 96 : 176;
  return { left, top: MARGIN.top, width: width - left - MARGIN.right };
}

/** Shortens a name at its beginning: its end is more specific. */
function shortened(name: string, room: number): string {
  const most = Math.floor(room / CHARACTER_WIDTH);
  return name.length <= most ? name : `…${name.slice(name.length - most + 1)}`;
}

/** Names of the layers at the left, as far as there is room, and a tick at the first row of each layer. */
function rowLabels({ rows, structures }: Levels, left: number): Markup[] {
  const isMixed = new Set(rows.map(({ kind }) => kind)).size > 1;
  let first = 0;
  let free = 0;
  return rows.flatMap(({ layer, kind, count }) => {
    const y = MARGIN.top + (HEAT_HEIGHT * first) / structures;
    const middle = y + (HEAT_HEIGHT * count) / structures / 2;
    first += count;
    const tick = element("line", { x1: left - 5, x2: left, y1: y, y2: y, class: "tick" });
    if (middle - LINE_HEIGHT / 2 < free) return [tick];
    free = middle + LINE_HEIGHT / 2;
    const name = isMixed && kind !== "neuron" ? `${layer} (${kind})` : layer;
    const text = element(
      "text",
      { x: left - 8, y: middle + 4, "text-anchor": "end", class: "small" },
      shortened(name, left - 8),
    );
    return [tick, text];
  });
}

/** Epoch numbers below the map. */
function columnLabels({ epochs }: Levels, left: number, width: number): Markup[] {
  const bottom = MARGIN.top + HEAT_HEIGHT;
  const x = scaleLinear([0, epochs.length], [left, left + width]);
  const marks = x
    .ticks(Math.min(10, Math.floor(width / 45)))
    .filter((column) => Number.isInteger(column) && column < epochs.length)
    .map((column) =>
      element(
        "text",
        { x: x(column + 0.5), y: bottom + 15, "text-anchor": "middle", class: "small" },
        String(epochs[column]),
      ),
    );
  const name = element(
    "text",
    { x: left + width, y: bottom + 30, "text-anchor": "end", class: "faint small" },
    "epoch",
  );
  return [...marks, name];
}

/**
 * The picture for a page `width` pixels wide. `href`: address of the image of the pixels. `className`: unique on the
 * page.
 */
export function heatMap(levels: Levels, label: string, width: number, href: string, className: string): Markup {
  const { left, top, width: wide } = heatBox(width);
  const ground = `zero-${className}`;
  const box = { x: left, y: top, width: wide, height: HEAT_HEIGHT };
  const hatch = { id: ground, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg(
    { width, height: top + HEAT_HEIGHT + MARGIN.bottom, label, className },
    element("pattern", hatch, element("rect", { width: 1, height: 6, class: "hatch" })),
    element("rect", { ...box, fill: `url(#${ground})` }),
    element("image", { ...box, href, preserveAspectRatio: "none", class: "pixels" }),
    element("rect", { ...box, class: "frame" }),
    rowLabels(levels, left),
    columnLabels(levels, left, wide),
  );
}

/** The legend of the colours. */
export function heatKey({ maximum }: Levels): Markup {
  return element(
    "p",
    { class: "legend" },
    element("span", { class: "entry" }, element("i", { class: "swatch zero" }), "zero"),
    element("span", { class: "entry" }, "small ", element("i", { class: "ramp" }), ` ${formatSmall(maximum)}`),
  );
}
