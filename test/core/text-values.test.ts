import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { integerFor, numbersFor, oneOf, parseNumber, threadsFor } from "../../src/core/text-values.ts";
import { scheduleKinds } from "../../src/training/learning-rate/schedules.ts";

describe("numbers", () => {
  it("reads every finite number as JavaScript writes it", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(parseNumber(String(value), "--x") === value).toBe(true);
      }),
    );
  });

  it.each(["", " ", "0x10", "1e", "1,5", "NaN", "Infinity", "12px", "--"])("refuses %j", (text) => {
    expect(() => parseNumber(text, "--x")).toThrow(/--x: not a number/);
  });

  it("keeps whole numbers whole and in range", () => {
    expect([integerFor("--n")("7"), integerFor("--n", 0)("0")]).toEqual([7, 0]);
    expect(() => integerFor("--n")("0")).toThrow(/a whole number from 1/);
    expect(threadsFor("--threads")("64")).toBe(64);
    expect(() => threadsFor("--threads")("100000")).toThrow(/--threads: .*from 1 to 1024, got 100000/);
    expect(() => integerFor("--n")("1e300")).toThrow(/a whole number from 1/);
  });

  it("reads lists", () => {
    expect(numbersFor("--mean")("0.485, 0.456,0.406")).toEqual([0.485, 0.456, 0.406]);
    expect(() => numbersFor("--mean")("0.4,,1")).toThrow(/--mean/);
  });
});

it("knows schedules by name", () => {
  expect(oneOf("schedule", scheduleKinds)("cosine")).toBe("cosine");
  expect(() => oneOf("schedule", scheduleKinds)("cosin")).toThrow(/Did you mean "cosine"/);
});
