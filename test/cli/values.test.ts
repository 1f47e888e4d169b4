import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { integerFor, numbersFor, oneOf, parseGamma, parseNumber, scheduleKinds } from "../../src/cli/values.ts";

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
    expect(() => integerFor("--n")("1e300")).toThrow(/a whole number from 1/);
  });

  it("reads lists", () => {
    expect(numbersFor("--mean")("0.485, 0.456,0.406")).toEqual([0.485, 0.456, 0.406]);
    expect(() => numbersFor("--mean")("0.4,,1")).toThrow(/--mean/);
  });
});

describe("γ", () => {
  it("is one number for all kinds, or a number a kind", () => {
    expect(parseGamma("0.01")).toBe(0.01);
    expect(parseGamma("neurons=0.0016,blocks=0.02")).toEqual({ neurons: 0.0016, blocks: 0.02 });
    expect(parseGamma("groups=0,streams=0.1")).toEqual({ groups: 0, streams: 0.1 });
  });

  it("is never negative, and only of kinds there are", () => {
    expect(() => parseGamma("-0.1")).toThrow(/never below 0/);
    expect(() => parseGamma("blocks=-1")).toThrow(/never below 0/);
    expect(() => parseGamma("blocks=")).toThrow(/not a number/);
    expect(() => parseGamma("block=1")).toThrow(/Did you mean "blocks"/);
  });
});

it("knows schedules by name", () => {
  expect(oneOf("schedule", scheduleKinds)("cosine")).toBe("cosine");
  expect(() => oneOf("schedule", scheduleKinds)("cosin")).toThrow(/Did you mean "cosine"/);
});
