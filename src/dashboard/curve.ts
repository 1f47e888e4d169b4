/**
 * Curves of any length in bounded memory. Each point is the mean of `stride` consecutive samples. When there are too
 * many points, pairs of neighbours are merged and the stride doubles. A curve is plain data, so the page can extend the
 * server's copy.
 */

/**
 * The values that are plotted for each `step` event. `left` is the share of the budget's cost that is left, and the γ
 * of each kind is the one of that step.
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

/** Columns of equal length. `open`: number of samples in the last point, which may still be incomplete. */
export interface Curve {
  stride: number;
  open: number;
  readonly step: number[];
  readonly columns: Readonly<Record<CurveKey, number[]>>;
}

/** Largest number of points. A chart has fewer pixels, so more points would not be visible. */
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

/** Adds the sample of `step`, which must not precede earlier samples. */
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

/** Merges pairs of neighbours. All points must be complete, and their number must be even. */
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

/** Removes all points after `step`. */
export function cutCurve(curve: Curve, step: number): void {
  let length = curve.step.length;
  while (length > 0 && (curve.step[length - 1] ?? 0) > step) length--;
  if (length === curve.step.length) return;
  curve.step.length = length;
  for (const key of curveKeys) curve.columns[key].length = length;
  curve.open = curve.stride;
}
