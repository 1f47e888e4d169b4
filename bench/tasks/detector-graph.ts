/** A detector of three scales, as those of the YOLO family are: what it computes, and what is right about a picture. */
import { taughtInput } from "../../src/autodiff/loss.ts";
import { elementCount } from "../../src/core/tensor.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import type { TaughtTerm } from "../../src/graph/ops.ts";
import { type Box, SCENE, sceneClasses } from "../shared/made-scenes.ts";
import { block } from "./task.ts";

export const CLASSES: number = sceneClasses.length;

export interface Scale {
  /** The output of this scale, [N, 4 + classes, side, side]: distances to the sides of the box, and logits. */
  readonly name: string;
  /** Pixels of a cell. */
  readonly stride: number;
  /** Cells in a row. */
  readonly side: number;
  /** Boxes of at least this extent belong here, up to that of the next scale. */
  readonly from: number;
}

export const scales: readonly Scale[] = [
  { name: "p4", stride: 4, side: SCENE / 4, from: 0 },
  { name: "p8", stride: 8, side: SCENE / 8, from: 14 },
  { name: "p16", stride: 16, side: SCENE / 16, from: 28 },
];

const silu = { activation: "silu" } as const;

function residual(builder: GraphBuilder, name: string, src: string, channels: number): string {
  const first = block(builder, `${name}.a`, src, channels, silu);
  return builder.add(`${name}.sum`, src, block(builder, `${name}.b`, first, channels, silu));
}

function head(builder: GraphBuilder, { name }: Scale, src: string): string {
  const inner = block(builder, `${name}.head`, src, 32, silu);
  const last = (part: string, channels: number): string =>
    builder.convolution(`${name}.${part}`, inner, { channels, kernel: 1, bias: true });
  return builder.concatenation(name, [last("box", 4), last("class", CLASSES)]);
}

/** Adds the detector; returns its outputs by scale. */
function addDetector(builder: GraphBuilder): readonly (readonly [Scale, string])[] {
  const down = { ...silu, strides: 2 };
  const images = builder.input("images", ["N", 3, SCENE, SCENE]);
  const stem = block(builder, "stem", images, 16, down);
  const fine = residual(builder, "fine", block(builder, "down4", stem, 24, down), 24);
  const middle = residual(builder, "middle", block(builder, "down8", fine, 48, down), 48);
  const coarse = residual(builder, "coarse", block(builder, "down16", middle, 64, down), 64);
  const joined8 = builder.concatenation("joined8", [builder.upsampling("up8", coarse, 2), middle]);
  const back8 = block(builder, "back8", joined8, 48, silu);
  const joined4 = builder.concatenation("joined4", [builder.upsampling("up4", back8, 2), fine]);
  const back4 = block(builder, "back4", joined4, 32, silu);
  const values = [back4, back8, coarse];
  return scales.map((scale, index) => [scale, head(builder, scale, values[index] ?? "")]);
}

export function detectorGraph(): Graph {
  const builder = new GraphBuilder("detector");
  for (const [, output] of addDetector(builder)) builder.output(output);
  return builder.build();
}

const names = ({ name }: Scale) => ({ mask: `${name}.mask`, boxes: `${name}.boxes`, classes: `${name}.classes` });

/**
 * The detector with what its loss needs. Boxes count where a shape's middle is: elsewhere a mask makes them 0. Each
 * class of a cell is a question of its own. Its logit stands beside a 0, so that the cross-entropy is a sigmoid's.
 */
export function detectorLesson(): Graph {
  const builder = new GraphBuilder("detector's lesson");
  for (const [scale, output] of addDetector(builder)) {
    const { side } = scale;
    const { mask, boxes, classes } = names(scale);
    const part = (name: string, first: number, end: number): string =>
      builder.node("slice", name, [output], {
        ...{ starts: [0, first, 0, 0], ends: ["N", end, side, side], steps: [1, 1, 1, 1] },
      });
    const given = builder.input(mask, ["N", 1, side, side]);
    builder.output(builder.multiply(boxes, part(`${boxes}.all`, 0, 4), given));
    const logits = part(`${classes}.all`, 4, 4 + CLASSES);
    const flat = builder.reshape(`${classes}.flat`, logits, [1, CLASSES * side * side]);
    builder.output(builder.pad(classes, flat, [0, 1, 0], [0, 0, 0]));
  }
  return builder.build();
}

/** Sums over the cells, divided by about as many as matter. */
export const detectorTerms: readonly TaughtTerm[] = scales.flatMap(({ side }): readonly TaughtTerm[] => [
  { kind: "values", weight: (4 * side * side) / 4, variance: 0.1 },
  { kind: "logits", weight: (CLASSES * side * side) / 4, temperature: 1 },
]);

/** The initial weights, with classes that are answered "no" nearly everywhere, as most cells are empty. */
export function mostlyEmpty(weights: Weights): Weights {
  return new Map(
    [...weights].map(([name, value]) => [
      name,
      /\.class\.bias$/.test(name) ? { ...value, data: value.data.map(() => Math.log(0.01 / 0.99)) } : value,
    ]),
  );
}

/** A logit that leaves no doubt. */
const SURE = 12;

/** What is right about a picture with `boxes`, by the inputs of the lesson's training graph. */
export function rightAnswers(boxes: readonly Box[]): Readonly<Record<string, Float32Array>> {
  const entries = scales.flatMap((scale, index) => {
    const { stride, side, from } = scale;
    const { mask, boxes: distances, classes } = names(scale);
    const [cells, next] = [side * side, scales[index + 1]?.from ?? Number.POSITIVE_INFINITY];
    const given = new Float32Array(cells);
    const sides = new Float32Array(4 * cells);
    const logits = new Float32Array(2 * CLASSES * cells).fill(-SURE, CLASSES * cells);
    logits.fill(0, 0, CLASSES * cells);
    for (const { x, y, width, height, label } of boxes) {
      const extent = Math.max(width, height);
      if (extent < from || extent >= next) continue;
      const [column, row] = [Math.floor(x / stride), Math.floor(y / stride)];
      const cell = row * side + column;
      given[cell] = 1;
      const [dx, dy] = [x / stride - column - 0.5, y / stride - row - 0.5];
      const [halfWidth, halfHeight] = [width / stride / 2, height / stride / 2];
      for (const [at, distance] of [halfWidth - dx, halfHeight - dy, halfWidth + dx, halfHeight + dy].entries()) {
        sides[at * cells + cell] = distance;
      }
      logits[CLASSES * cells + label * cells + cell] = SURE;
    }
    return [
      [mask, given],
      [taughtInput(distances), sides],
      [taughtInput(classes), logits],
    ] as const;
  });
  return Object.fromEntries(entries);
}

/** Number of cells of all scales. */
export const CELLS: number = scales.reduce((sum, { side }) => sum + elementCount([side, side]), 0);
