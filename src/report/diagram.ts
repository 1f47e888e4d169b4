/**
 * A picture of the network before and after: each layer is a bar whose height is its number of channels, pruned ones
 * are outlined, shortcuts are arches over their blocks. A grouped convolution is a grid of its groups.
 */
import { formatCount, formatQuantity } from "./format.ts";
import { type Line, layOut, type PlacedBlock, type PlacedLayer } from "./layout.ts";
import type { LayerView, StructureView } from "./structure.ts";
import { element, type Markup, svg } from "./svg.ts";

/** Height of the widest layer's bar, and smallest height of a line, in pixels. */
const TALLEST = 104;
const LOWEST = 22;
const ARCH = 26;
const LABELS = 50;
const LINE_GAP = 16;
/** Smallest height of a group's cell: a grid may be higher than a bar of its channels, so that cells are visible. */
const CELL = 4.2;

export function groupsLeft({ groups }: LayerView): number {
  return groups.filter((isLeft) => isLeft).length;
}

/** A layer in one line: the channels and MACs that are left. */
export function describeLayer(layer: LayerView): string {
  const { name, op, widthBefore, widthAfter, macsBefore, macsAfter } = layer;
  const unit = op === "linear" ? "features" : "channels";
  const groups = layer.groups.length === 0 ? "" : ` in ${groupsLeft(layer)} of ${layer.groups.length} groups`;
  const left = widthAfter === 0 ? "pruned" : `${widthAfter} of ${widthBefore} ${unit}${groups}`;
  return `${name}: ${left}, ${formatQuantity(macsAfter)} of ${formatQuantity(macsBefore)} MACs`;
}

/** A bar, centred on (x, middle). */
function bar(x: number, middle: number, width: number, height: number, className: string): Markup {
  return element("rect", { x: x - width / 2, y: middle - height / 2, width, height, rx: 2, class: className });
}

function columnsOf(groups: number): number {
  return groups > 16 ? 4 : groups > 4 ? 2 : 1;
}

/** Height of a layer's bar, or of the grid of its groups, before pruning. */
function heightBefore({ widthBefore, groups }: LayerView, scale: number): number {
  const rows = Math.ceil(groups.length / columnsOf(groups.length));
  return Math.min(TALLEST, Math.max(3, widthBefore * scale, rows * CELL));
}

/** Groups row by row, each a bright or a dark cell. All cells of one kind are one path. */
function grid(x: number, middle: number, width: number, height: number, groups: readonly boolean[]): Markup[] {
  const columns = columnsOf(groups.length);
  const rows = Math.ceil(groups.length / columns);
  const [wide, high] = [width / columns, height / rows];
  const cells = (isLeft: boolean): string =>
    groups
      .map((own, group) => {
        if (own !== isLeft) return "";
        const left = x - width / 2 + (group % columns) * wide + 0.4;
        const top = middle - height / 2 + Math.floor(group / columns) * high + 0.4;
        const [across, down] = [(wide - 0.8).toFixed(1), (high - 0.8).toFixed(1)];
        return `M${left.toFixed(1)} ${top.toFixed(1)}h${across}v${down}h${(0.8 - wide).toFixed(1)}z`;
      })
      .join("");
  return [
    element("path", { d: cells(false), class: "ghost cell" }),
    element("path", { d: cells(true), class: "kept" }),
  ];
}

/** Geometry of a line of layers: the height of the line through it, and of its bars. */
interface Place {
  readonly middle: number;
  readonly tall: number;
  readonly pitch: number;
  /** Pixels for each channel. */
  readonly scale: number;
}

function drawLayer({ layer, x }: PlacedLayer, { middle, tall, pitch, scale }: Place): Markup {
  const thickness = Math.min(24, pitch * 0.5);
  const before = heightBefore(layer, scale);
  const after = layer.widthAfter === 0 ? 0 : Math.min(tall, Math.max(3, layer.widthAfter * scale));
  const bottom = middle + tall / 2;
  const shrunk = layer.widthAfter < layer.widthBefore;
  return element(
    "g",
    { "data-part": layer.name, class: after > 0 ? "layer" : "layer dark" },
    element("title", {}, describeLayer(layer)),
    element("rect", {
      x: x - thickness,
      y: middle - tall / 2,
      width: 2 * thickness,
      height: tall,
      class: "reach",
    }),
    layer.groups.length > 0
      ? grid(x, middle, thickness, before, layer.groups)
      : [bar(x, middle, thickness, before, shrunk ? "ghost" : "none"), bar(x, middle, thickness, after, "kept")],
    element(
      "text",
      { x, y: bottom + 16, "text-anchor": "middle", class: after > 0 ? "count" : "count gone" },
      String(layer.widthAfter),
    ),
    // Always present, so that only attributes change from one step to the next.
    element(
      "text",
      { x, y: bottom + 29, "text-anchor": "middle", class: shrunk ? "faint small" : "none" },
      `/${layer.widthBefore}`,
    ),
  );
}

function drawBlock({ block, start, end }: PlacedBlock, { middle, tall }: Place): Markup {
  const top = middle - tall / 2 - ARCH + 8;
  const radius = 9;
  const rise = `M${start} ${middle}V${top + radius}Q${start} ${top} ${start + radius} ${top}`;
  const arch = `${rise}H${end - radius}Q${end} ${top} ${end} ${top + radius}V${middle - 5}`;
  const { shortcut } = block;
  return element(
    "g",
    {},
    element(
      "g",
      { "data-part": block.name, class: "block" },
      element("title", {}, `${block.name}${block.isCut ? ": the branch is pruned, the shortcut remains" : ""}`),
      element("path", { d: arch, class: "touch" }),
      element("path", { d: arch, class: block.isCut ? "arch strong" : "arch" }),
      element("circle", { cx: end, cy: middle, r: 5, class: "sum" }),
      // A plus sign for a sum, two strokes for a concatenation.
      element("path", {
        d:
          block.ending === "sum"
            ? `M${end - 2.5} ${middle}H${end + 2.5}M${end} ${middle - 2.5}V${middle + 2.5}`
            : `M${end - 1.5} ${middle - 2.5}V${middle + 2.5}M${end + 1.5} ${middle - 2.5}V${middle + 2.5}`,
        class: "plus",
      }),
    ),
    shortcut === undefined
      ? undefined
      : element(
          "g",
          { "data-part": shortcut.name, class: "layer" },
          element("title", {}, `${describeLayer(shortcut)} (shortcut)`),
          element("rect", { x: (start + end) / 2 - 7, y: top - 5, width: 14, height: 10, rx: 2, class: "kept" }),
        ),
  );
}

/** The line through the layers; faint in blocks whose branch is pruned. */
function drawStream({ blocks, end }: Line, middle: number, isFirst: boolean, isLast: boolean): Markup[] {
  const cuts = blocks.filter(({ block }) => block.isCut);
  const marks = [isFirst ? 8 : 0, ...cuts.flatMap((block) => [block.start, block.end]), isLast ? end + 6 : end + 14];
  const strokes: Markup[] = [];
  for (let index = 0; index + 1 < marks.length; index++) {
    const isCut = index % 2 === 1;
    strokes.push(
      element("line", {
        x1: marks[index],
        x2: marks[index + 1],
        y1: middle,
        y2: middle,
        class: isCut ? "stream gone" : "stream",
      }),
    );
  }
  if (isFirst) strokes.push(element("circle", { cx: 5, cy: middle, r: 3.5, class: "end" }));
  if (isLast) strokes.push(element("circle", { cx: end + 9, cy: middle, r: 3.5, class: "end" }));
  return strokes;
}

/** Brackets under the layers with the size of their images. */
function drawStages({ layers }: Line, { middle, tall, pitch }: Place): Markup[] {
  const y = middle + tall / 2 + 37;
  const marks: Markup[] = [];
  for (let first = 0; first < layers.length; ) {
    const pixels = layers[first]?.layer.pixels ?? "";
    let last = first;
    while (layers[last + 1]?.layer.pixels === pixels) last++;
    const from = (layers[first]?.x ?? 0) - pitch / 2 + 3;
    const to = (layers[last]?.x ?? 0) + pitch / 2 - 3;
    if (pixels !== "") {
      marks.push(
        element("path", { d: `M${from.toFixed(1)} ${y - 3}v3H${to.toFixed(1)}v-3`, class: "bracket" }),
        to - from < 40
          ? element("title", {}, pixels)
          : element(
              "text",
              { x: (from + to) / 2, y: y + 13, "text-anchor": "middle", class: "faint small" },
              `${pixels} pixels`,
            ),
      );
    }
    first = last + 1;
  }
  return marks;
}

/** Largest width of a convolution; of a linear layer only without convolutions, as classes are not channels. */
function widestOf({ layers }: StructureView): number {
  const widths = (op: LayerView["op"]): number[] =>
    layers.filter((layer) => layer.op === op).map(({ widthBefore }) => widthBefore);
  const convolutions = widths("convolution");
  return Math.max(1, ...(convolutions.length > 0 ? convolutions : widths("linear")));
}

/** A picture in pieces of one element each, so that only the pieces that change are redrawn. */
export interface DiagramPieces {
  readonly width: number;
  readonly height: number;
  /** Text for screen readers. */
  readonly label: string;
  readonly pieces: readonly Markup[];
}

/**
 * The pieces of the picture for a page `width` pixels wide. Their number is the same at every step of a run.
 * Lines are as high as their layers need.
 */
export function diagramPieces(view: StructureView, width: number): DiagramPieces {
  const { pitch, lines } = layOut(view, width);
  const scale = TALLEST / widestOf(view);
  let height = 0;
  const pieces = lines.flatMap((line, index): Markup[] => {
    const tall = Math.max(LOWEST, ...line.layers.map(({ layer }) => heightBefore(layer, scale)));
    const place: Place = { middle: height + ARCH + tall / 2, tall, pitch, scale };
    height += ARCH + tall + LABELS + LINE_GAP;
    return [
      element("g", {}, drawStream(line, place.middle, index === 0, index === lines.length - 1)),
      ...line.blocks.map((block) => drawBlock(block, place)),
      ...line.layers.map((layer) => drawLayer(layer, place)),
      element("g", {}, drawStages(line, place)),
    ];
  });
  const gone = view.layers.filter((layer) => layer.widthAfter === 0).length;
  const count = formatCount(view.layers.length);
  const label = `${count} layers, ${gone} of them pruned; each is a bar of its width before and after`;
  return { width, height: height - LINE_GAP + 2, label, pieces };
}

/** The picture for a page `width` pixels wide. */
export function diagram(view: StructureView, width: number, className: string): Markup {
  const { pieces, ...about } = diagramPieces(view, width);
  return svg({ ...about, className }, pieces);
}
