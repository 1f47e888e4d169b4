import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatMilliseconds,
  formatPercent,
  formatQuantity,
  formatSmall,
  percentOf,
  plural,
} from "../../src/report/format.ts";

describe("numbers as people read them", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [999.6, "1.00 k"],
    [269_722, "270 k"],
    [999_499, "999 k"],
    [999_501, "1.00 M"],
    [40_813_184, "40.8 M"],
    [1_250_000_000, "1.25 G"],
  ])("quantity %d is %s", (value, text) => {
    expect(formatQuantity(value)).toBe(text);
  });

  it.each([
    [0, "0 s"],
    [59.4, "59 s"],
    [59.6, "1 min 00 s"],
    [185, "3 min 05 s"],
    [3599.7, "1 h 00 min"],
    [8040, "2 h 14 min"],
    [-3, "0 s"],
  ])("duration %d s is %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it("keeps three significant digits of small numbers", () => {
    expect([0, 3.14e-7, 0.000999, 0.001, 0.0123, 0.5, 12.345, 812.4].map(formatSmall)).toEqual([
      "0",
      "3.1e-7",
      "1.0e-3",
      "0.00100",
      "0.0123",
      "0.500",
      "12.3",
      "812",
    ]);
    expect(formatMilliseconds(0.8401)).toBe("0.840 ms");
  });

  it("writes bytes, counts, percents and plurals", () => {
    expect(formatBytes(512)).toBe("512 B");
    expect(formatBytes(1_093_120)).toBe("1.09 MB");
    expect(formatCount(269_722)).toBe("269,722");
    expect(formatPercent(82.71)).toBe("82.7 %");
    expect([plural(1, "block"), plural(1200, "neuron")]).toEqual(["1 block", "1,200 neurons"]);
  });

  it("has all of nothing left", () => {
    expect([percentOf(3, 4), percentOf(0, 0)]).toEqual([75, 100]);
  });
});
