import { expect, test } from "vitest";
import { learningRateAt, type OneCycleSchedule, type Schedule } from "../../src/training/learning-rate/schedules.ts";

const curve = (schedule: Schedule, total: number): number[] =>
  Array.from({ length: total }, (_, step) => learningRateAt(schedule, step, total));

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, value] of expected.entries()) expect(actual[index]).toBeCloseTo(value, 12);
}

test("one-cycle gives the learning rates of PyTorch 2's OneCycleLR(total_steps=20, pct_start=0.2, max_lr=0.2)", () => {
  const schedule: OneCycleSchedule = { kind: "one-cycle", peak: 0.2, peakAt: 0.2, startDivisor: 25, endDivisor: 1e4 };
  expectClose(
    curve(schedule, 20),
    [
      0.008, 0.056, 0.152, 0.2, 0.1980785357262109, 0.19238798369931567, 0.18314702864240961, 0.17071079527594227,
      0.15555720107386703, 0.13826859016313606, 0.11950935416548404, 0.1000004, 0.08049144583451599,
      0.06173220983686398, 0.04444359892613302, 0.02929000472405773, 0.016853771357590388, 0.007612816300684331,
      0.0019222642737891185, 8e-7,
    ],
  );
});

test("one-cycle with a peak between two steps follows PyTorch (total_steps=13, pct_start=0.3, div 10 and 100)", () => {
  const schedule: OneCycleSchedule = { kind: "one-cycle", peak: 0.1, peakAt: 0.3, startDivisor: 10, endDivisor: 100 };
  expectClose(
    curve(schedule, 13),
    [
      0.01, 0.03392162016850944, 0.0802534179413072, 0.09997023682052598, 0.09644137419425886, 0.0874381118711465,
      0.07402287702409134, 0.05777873027277456, 0.04062255710712682, 0.024578866410712726, 0.011540888918990768,
      0.0030471671146493017, 0.0001,
    ],
  );
});

test("one-cycle stays finite and positive for very short runs", () => {
  const schedule: OneCycleSchedule = { kind: "one-cycle", peak: 0.2, peakAt: 0.2, startDivisor: 25, endDivisor: 1e4 };
  for (let total = 1; total <= 12; total++) {
    for (const rate of curve(schedule, total)) {
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThanOrEqual(0.2);
    }
  }
});

test("cosine without warm-up is peak·(1 + cos(π·t/T))/2, PyTorch's CosineAnnealingLR", () => {
  expectClose(
    curve({ kind: "cosine", peak: 0.2, warmup: 0 }, 10),
    [
      0.2, 0.19510565162951538, 0.18090169943749476, 0.15877852522924735, 0.13090169943749477, 0.1, 0.06909830056250528,
      0.041221474770752706, 0.01909830056250527, 0.004894348370484648,
    ],
  );
});

test("cosine warms up linearly to the peak", () => {
  const rates = curve({ kind: "cosine", peak: 0.4, warmup: 0.2 }, 20);
  expectClose(rates.slice(0, 5), [0.1, 0.2, 0.3, 0.4, 0.4]);
  expect(rates[12]).toBeCloseTo(0.2, 12);
});

test("step multiplies at its milestones, which are shares of the run", () => {
  const rates = curve({ kind: "step", peak: 0.1, milestones: [0.5, 0.75], factor: 0.1 }, 8);
  expectClose(rates, [0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]);
});

test("triangular rises and falls on lines, with the multiples that airbench94's script has", () => {
  const rates = curve({ kind: "triangular", peak: 1.5, peakAt: 0.23, start: 0.2, end: 0.07 }, 480);
  // Written as there: int(480 · 0.23) = 110 steps of warm-up, the other 370 of them falling.
  const published = (step: number): number => {
    const share = step < 110 ? step / 110 : (step - 110) / 370;
    return step < 110 ? 0.2 * (1 - share) + 1.0 * share : 1.0 * (1 - share) + 0.07 * share;
  };
  expectClose(
    rates,
    rates.map((_, step) => 1.5 * published(step)),
  );
  expect(rates[0]).toBeCloseTo(0.3, 12);
  expect(Math.max(...rates)).toBe(rates[110]);
  expect(rates[479]).toBeCloseTo(1.5 * (1 - (0.93 * 369) / 370), 12);
  // int(10 · 0.27) = 2: a part of a step counts as none.
  const short = curve({ kind: "triangular", peak: 1.5, peakAt: 0.27, start: 0.2, end: 0.07 }, 10);
  expect(short.indexOf(Math.max(...short))).toBe(2);
});

test("triangular stays between its ends and its peak in runs of any length, without a rise and without a fall", () => {
  for (const [peakAt, start, end] of [
    [0, 0.5, 0.1],
    [0.23, 0.2, 0.07],
    [1, 0.2, 0.07],
    [0.5, 0, 0],
  ] as const) {
    for (let total = 1; total <= 12; total++) {
      for (const rate of curve({ kind: "triangular", peak: 0.4, peakAt, start, end }, total)) {
        expect(rate).toBeGreaterThanOrEqual(0.4 * Math.min(start, end) - 1e-15);
        expect(rate).toBeLessThanOrEqual(0.4);
      }
    }
  }
});
