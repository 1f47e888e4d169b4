/** Grids of times from measurements at some widths: what was not measured, noise, and convolutions of many blocks. */
import { expect, test } from "vitest";
import { gridTimes, type LayerSample } from "../../src/latency/grid.ts";

/** What a layer takes: a fixed time, reading, writing, multiplying. */
const formula = (outputs: number, inputs: number): number =>
  0.002 + 0.0001 * outputs + 0.0002 * inputs + 0.00003 * outputs * inputs;

function sample(key: string, outputs: number, inputs: number, milliseconds = formula(outputs, inputs)): LayerSample {
  return { key, outputs, inputs, milliseconds };
}

test("pairs of widths that were not measured follow from the others", () => {
  const widths = [16, 32, 64, 128];
  const measured = widths.flatMap((outputs, i) =>
    widths.flatMap((inputs, j) => ((i + j) % 2 === 0 || i === 0 ? [sample("linear", outputs, inputs)] : [])),
  );
  const [times] = gridTimes(measured);
  expect(times?.outputs).toEqual(widths);
  expect(times?.inputs).toEqual(widths);
  for (const [i, outputs] of widths.entries()) {
    for (const [j, inputs] of widths.entries()) {
      const expected = formula(outputs, inputs);
      expect(Math.abs((times?.milliseconds[i]?.[j] ?? 0) / expected - 1)).toBeLessThan(0.05);
    }
  }
});

test("several measurements of a pair count with their median, and times never fall with the width", () => {
  const [times] = gridTimes([
    ...[1, 2, 30].map((milliseconds) => sample("add", 16, 1, milliseconds)),
    sample("add", 32, 1, 1.6),
    sample("add", 64, 1, 4),
  ]);
  // 2 and 1.6 are noise around the same time.
  expect(times?.milliseconds).toEqual([[1.8], [1.8], [4]]);
});

test("a convolution of many blocks makes passes with four, and one with the rest", () => {
  const passes = (outputs: number): number => {
    const blocks = outputs / 16;
    return 4 * Math.floor(blocks / 4) + ([0, 2, 3, 3.5][blocks % 4] ?? 0);
  };
  const measured = [16, 32, 48, 64, 128, 256].map((outputs) =>
    sample("convolution 3x3, 8x8", outputs, 64, passes(outputs)),
  );
  const [times] = gridTimes(measured, { channelBlock: 16 });
  expect(times?.outputs).toEqual(Array.from({ length: 16 }, (_, index) => 16 * (index + 1)));
  expect(times?.milliseconds.map(([value]) => value)).toEqual(times?.outputs.map(passes));
});

const blocks = { channelBlock: 16, inputAlignment: 4 };

test("widths that the fast kernels do not compute have a grid of their own", () => {
  const [fast, slow] = [(o: number, i: number) => formula(o, i), (o: number, i: number) => 3 * formula(o, i)];
  const key = "convolution 3x3, 8x8";
  const aligned = [16, 32].flatMap((o) => [16, 32, 64].map((i) => sample(key, o, i, fast(o, i))));
  const odd = Array.from({ length: 20 }, (_, at) => [9 + at, 17 + 4 * ((7 * at) % 20)] as const).map(([o, i]) =>
    sample(key, o, i, slow(o, i)),
  );
  const [times] = gridTimes([...aligned, ...odd], blocks);
  expect(times?.outputs).toEqual([16, 32]);
  expect(times?.inputs).toEqual([16, 32, 64]);
  expect(times?.milliseconds[0]?.[1]).toBeCloseTo(fast(16, 32), 8);
  const { outputs = [], inputs = [], milliseconds = [] } = times?.unaligned ?? {};
  expect([outputs.length, inputs.length]).toEqual([8, 8]);
  expect([outputs[0], outputs[7], inputs[0], inputs[7]]).toEqual([9, 28, 17, 93]);
  for (const [i, output] of outputs.entries()) {
    for (const [j, input] of inputs.entries()) {
      expect(Math.abs((milliseconds[i]?.[j] ?? 0) / slow(output, input) - 1)).toBeLessThan(0.05);
    }
  }
});

test("thinned versions count for fewer blocks of outputs than others have, and else for unaligned widths alone", () => {
  const key = "convolution 3x3, 8x8";
  const thinned = (outputs: number, inputs: number, milliseconds: number): LayerSample => ({
    ...sample(key, outputs, inputs, milliseconds),
    use: "unaligned",
  });
  const usual = [sample(key, 32, 16, 4), sample(key, 32, 32, 8)];
  const [times] = gridTimes([...usual, thinned(15, 32, 5), thinned(30, 32, 80), thinned(15, 33, 9)], blocks);
  expect(times?.outputs).toEqual([16, 32]);
  expect(times?.milliseconds[1]).toEqual([4, 8]);
  expect(times?.milliseconds[0]?.[1]).toBe(5);
  expect(times?.unaligned).toEqual({ outputs: [15], inputs: [33], milliseconds: [[9]] });
});

test("times of evenly thin networks count before others at the same widths", () => {
  const key = "convolution 3x3, 2x2";
  const even: LayerSample = { ...sample(key, 256, 256, 34), use: "even" };
  const [times] = gridTimes([sample(key, 256, 256, 49), even, sample(key, 512, 256, 90)], blocks);
  expect(times?.milliseconds).toContainEqual([34]);
  expect(times?.milliseconds.flat()).not.toContain(49);
});

test("times that a fit takes for less than nothing leave finite times", () => {
  const key = "convolution 3x3, 8x8";
  const odd = [
    ...[sample(key, 89, 49, 4e-6), sample(key, 16, 82, 2e-7), sample(key, 70, 74, 0.4), sample(key, 57, 12, 0)],
    ...[sample(key, 51, 54, 0.02), sample(key, 21, 34, 0.6), sample(key, 59, 83, 0), sample(key, 56, 68, 0)],
    ...[sample(key, 57, 54, 0), sample(key, 22, 78, 4), sample(key, 55, 87, 0), sample(key, 44, 23, 0.4)],
  ];
  const [times] = gridTimes([sample(key, 32, 32, 3e-5), ...odd], blocks);
  const all = times?.unaligned?.milliseconds.flat() ?? [];
  expect(all.length).toBeGreaterThan(0);
  for (const time of all) expect(time).toBeGreaterThanOrEqual(0);
});
