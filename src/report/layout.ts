/**
 * Positions of the layers in the picture of a network: from left to right in one line, which is wrapped between blocks
 * if the page is too narrow.
 */
import type { BlockView, LayerView, StructureView } from "./structure.ts";

export interface PlacedLayer {
  readonly layer: LayerView;
  /** Middle of the layer's column. */
  readonly x: number;
}

export interface PlacedBlock {
  readonly block: BlockView;
  /** Positions at which the shortcut leaves the line and joins it again. */
  readonly start: number;
  readonly end: number;
}

export interface Line {
  readonly layers: readonly PlacedLayer[];
  readonly blocks: readonly PlacedBlock[];
  readonly end: number;
}

export interface Layout {
  readonly pitch: number;
  readonly lines: readonly Line[];
}

const PITCH = { smallest: 27, largest: 64 } as const;
/** Width of a digit in the numbers under the layers. */
const DIGIT_WIDTH = 6.4;
/** Space before a block's first layer and after its last one, for the shortcut. */
const BLOCK_MARGIN = 7;
const SIDE = 16;

/** A part that is never wrapped: a block, or a layer outside of blocks. */
interface Unit {
  readonly layers: readonly LayerView[];
  readonly block: BlockView | undefined;
}

/** Units in order. A block that overlaps the previous one (no model here has one) is drawn as plain layers. */
function unitsOf({ layers, blocks }: StructureView): Unit[] {
  const units: Unit[] = [];
  const starts = new Map(blocks.map((block) => [block.first, block] as const));
  for (let index = 0; index < layers.length; ) {
    const block = starts.get(index);
    const end = block === undefined ? index + 1 : block.last + 1;
    units.push({ layers: layers.slice(index, end), block });
    index = end;
  }
  return units;
}

function widthOf({ layers, block }: Unit, pitch: number): number {
  return layers.length * pitch + (block === undefined ? 0 : 2 * BLOCK_MARGIN);
}

/** Width of a line without its layers' columns. */
function fixedWidth(line: readonly Unit[]): number {
  return 2 * SIDE + 2 * BLOCK_MARGIN * line.filter(({ block }) => block !== undefined).length;
}

/** Smallest column width at which the numbers below do not touch. */
function smallestPitch({ layers }: StructureView): number {
  const widest = Math.max(0, ...layers.map(({ widthBefore }) => widthBefore));
  return Math.max(PITCH.smallest, DIGIT_WIDTH * (String(widest).length + 1) + 2);
}

/** Fills lines with units at the smallest pitch. */
function wrap(units: readonly Unit[], width: number, smallest: number): Unit[][] {
  const lines: Unit[][] = [];
  let free = 0;
  for (const unit of units) {
    const own = widthOf(unit, smallest);
    const line = lines.at(-1);
    if (line === undefined || own > free) {
      lines.push([unit]);
      free = width - 2 * SIDE - own;
    } else {
      line.push(unit);
      free -= own;
    }
  }
  return lines;
}

/** Places `view` on lines of at most `width`, with columns as wide as the fullest line allows. */
export function layOut(view: StructureView, width: number): Layout {
  const smallest = smallestPitch(view);
  const lines = wrap(unitsOf(view), width, smallest);
  const roomiest = lines.map((line) => {
    const columns = line.reduce((sum, { layers }) => sum + layers.length, 0);
    return (width - fixedWidth(line)) / Math.max(1, columns);
  });
  const pitch = Math.min(PITCH.largest, Math.max(smallest, Math.min(...roomiest)));
  return { pitch, lines: lines.map((line) => placeLine(line, pitch)) };
}

function placeLine(units: readonly Unit[], pitch: number): Line {
  const layers: PlacedLayer[] = [];
  const blocks: PlacedBlock[] = [];
  let x = SIDE;
  for (const unit of units) {
    const start = x;
    const margin = unit.block === undefined ? 0 : BLOCK_MARGIN;
    unit.layers.forEach((layer, index) => {
      layers.push({ layer, x: start + margin + (index + 0.5) * pitch });
    });
    x += widthOf(unit, pitch);
    if (unit.block !== undefined) blocks.push({ block: unit.block, start: start + 2, end: x - 3 });
  }
  return { layers, blocks, end: x };
}
