/** A detector of three scales for shapes in made pictures, with its decoding in the file. */
import { required } from "../../src/core/errors.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { type Box, madeScenes } from "../shared/made-scenes.ts";
import { withDecoding } from "./detector-decoding.ts";
import {
  CELLS,
  CLASSES,
  detectorGraph,
  detectorLesson,
  detectorTerms,
  mostlyEmpty,
  rightAnswers,
  scales,
} from "./detector-graph.ts";
import { normalizationText, type Task } from "./task.ts";

const normalization = { mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25] } as const;

interface Found extends Box {
  readonly picture: number;
  readonly score: number;
}

/** The boxes that a file's non-maximum suppression has selected. */
function foundBoxes(predictions: Tensor, selected: Tensor): readonly Found[] {
  return Array.from({ length: selected.shape[0] ?? 0 }, (_, index) => {
    const [picture = 0, label = 0, cell = 0] = selected.data.subarray(3 * index, 3 * index + 3);
    const value = (row: number): number => predictions.data[(picture * (4 + CLASSES) + row) * CELLS + cell] ?? 0;
    return { picture, label, score: value(4 + label), x: value(0), y: value(1), width: value(2), height: value(3) };
  });
}

function overlap(a: Box, b: Box): number {
  const shared = (from: number, extent: number, other: number, otherExtent: number): number =>
    Math.min(from + extent / 2, other + otherExtent / 2) - Math.max(from - extent / 2, other - otherExtent / 2);
  const [width, height] = [shared(a.x, a.width, b.x, b.width), shared(a.y, a.height, b.y, b.height)];
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

/** The area under the curve of precision over recall for one class, with precision made monotonous. */
function averagePrecision(found: readonly Found[], boxes: readonly (readonly Box[])[], least: number): number {
  const wanted = boxes.reduce((sum, { length }) => sum + length, 0);
  const taken = new Set<Box>();
  const hits = found
    .toSorted((a, b) => b.score - a.score)
    .map((one) => {
      const free = (boxes[one.picture] ?? []).filter((box) => !taken.has(box));
      const best = free.toSorted((a, b) => overlap(b, one) - overlap(a, one))[0];
      if (best === undefined || overlap(best, one) < least) return false;
      taken.add(best);
      return true;
    });
  let [right, area, precision] = [hits.filter(Boolean).length, 0, 0];
  for (const [index, isHit] of [...hits.entries()].reverse()) {
    if (!isHit) continue;
    precision = Math.max(precision, right / (index + 1));
    area += precision / wanted;
    right--;
  }
  return area;
}

/** In percent, at an overlap of at least `least`. */
function meanAveragePrecision(found: readonly Found[], boxes: readonly (readonly Box[])[], least: number): number {
  const classes = Array.from({ length: CLASSES }, (_, label) =>
    averagePrecision(
      found.filter((one) => one.label === label),
      boxes.map((own) => own.filter((box) => box.label === label)),
      least,
    ),
  );
  return (100 * classes.reduce((sum, one) => sum + one, 0)) / CLASSES;
}

export function detector(): Task {
  const graph = detectorGraph();
  const [learnt, held] = [madeScenes(4096, 1), madeScenes(512, 2)];
  return {
    ...{ name: "detector", learnt: learnt.split, held: held.split, normalization },
    lesson: {
      ...{ graph: detectorLesson(), terms: detectorTerms, epochs: 10, peak: 0.04, begin: mostlyEmpty },
      feeds: (index) => rightAnswers(learnt.boxes[index] ?? []),
    },
    file: (weights) =>
      withDecoding(writeOnnx({ graph, weights }, { metadata: { normalization: normalizationText(normalization) } })),
    halving: { epochs: 8, options: ["--outputs", scales.map(({ name }) => name).join(",")] },
    scores: (outputs) => {
      const found = foundBoxes(
        required(outputs.get("predictions"), "predictions"),
        required(outputs.get("selected"), "selected"),
      );
      const scoreAt = (least: number) =>
        ({ value: meanAveragePrecision(found, held.boxes, least), unit: "%" }) as const;
      return { "mAP@0.5": scoreAt(0.5), "mAP@0.75": scoreAt(0.75) };
    },
  };
}
