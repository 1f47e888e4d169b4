/**
 * Curves of any length in bounded memory: each point is the mean of `stride` samples in a row; when there are too many
 * points, neighbours are joined and the stride doubles. Plain data, so that a page goes on where the server's copy
 * ended.
 */

/**
 * What is plotted of a `step` event; γ of each kind of structure as it was then, and the share left of what a budget
 * counts.
 */
export const curveKeys = [
  "loss",
  "learningRate",
  "imagesPerSecond",
  "alive",
  "macs",
  "left",
  "gammaNeuron",
  "gammaGroup",
  "gammaBlock",
  "gammaStream",
] as const;
export type CurveKey = (typeof curveKeys)[number];
export type Sample = Readonly<Record<CurveKey, number>>;

/** Columns of equal length. `open`: samples of the last point, which is still being filled. */
export interface Curve {
  stride: number;
  open: number;
  readonly step: number[];
  readonly columns: Readonly<Record<CurveKey, number[]>>;
}

/** More points than a chart is wide bring nothing to the eye. */
export const MOST_POINTS = 2048;

export function emptyCurve(): Curve {
  return {
    stride: 1,
    open: 0,
    step: [],
    columns: {
      ...{ loss: [], learningRate: [], imagesPerSecond: [], alive: [], macs: [], left: [] },
      ...{ gammaNeuron: [], gammaGroup: [], gammaBlock: [], gammaStream: [] },
    },
  };
}

/** Adds a sample taken at `step`, which is not before those that are there. */
export function addSample(curve: Curve, step: number, sample: Sample): void {
  const last = curve.step.length - 1;
  if (last >= 0 && curve.open > 0 && curve.open < curve.stride) {
    const weight = 1 / (curve.open + 1);
    curve.step[last] = step;
    for (const key of curveKeys) {
      const column = curve.columns[key];
      const mean = column[last] ?? 0;
      column[last] = mean + (sample[key] - mean) * weight;
    }
    curve.open++;
    return;
  }
  if (curve.step.length >= MOST_POINTS) halve(curve);
  curve.step.push(step);
  for (const key of curveKeys) curve.columns[key].push(sample[key]);
  curve.open = 1;
}

/** Joins neighbours in twos; all points are full when it is called, and their number is even. */
function halve(curve: Curve): void {
  const half = curve.step.length >> 1;
  for (let index = 0; index < half; index++) {
    curve.step[index] = curve.step[2 * index + 1] ?? 0;
    for (const key of curveKeys) {
      const column = curve.columns[key];
      column[index] = ((column[2 * index] ?? 0) + (column[2 * index + 1] ?? 0)) / 2;
    }
  }
  curve.step.length = half;
  for (const key of curveKeys) curve.columns[key].length = half;
  curve.stride *= 2;
  curve.open = curve.stride;
}

/** Drops what lies after `step`. */
export function cutCurve(curve: Curve, step: number): void {
  let length = curve.step.length;
  while (length > 0 && (curve.step[length - 1] ?? 0) > step) length--;
  if (length === curve.step.length) return;
  curve.step.length = length;
  for (const key of curveKeys) curve.columns[key].length = length;
  curve.open = curve.stride;
}
