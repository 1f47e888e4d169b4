import fc from "fast-check";
import { expect, test } from "vitest";
import { complementOf, shortestDecimal } from "../../../src/formats/onnx/decimal.ts";

test("common constants come back as they were typed", () => {
  for (const value of [0.1, 0.9, 1e-5, 1e-3, 0.997, 0, 1, 1e-12, 123456]) {
    expect(shortestDecimal(Math.fround(value))).toBe(value);
  }
  expect(complementOf(Math.fround(0.9))).toBe(0.1);
  expect(complementOf(Math.fround(0.99))).toBe(0.01);
});

test("every 32-bit float gives a decimal that rounds to it", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Object.is(Math.fround(shortestDecimal(value)), value) || value === 0).toBe(true);
    }),
  );
});
