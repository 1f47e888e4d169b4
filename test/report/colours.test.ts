import { describe, expect, it } from "vitest";
import { palettes } from "../../src/report/style.ts";
import { contrast, difference, visions } from "./colours.ts";

const series = ["one", "two", "three", "four"] as const;
/** Clearly another colour, also where the lines are thin. */
const LEAST_DIFFERENCE = 25;

describe.each(Object.entries(palettes))("the %s colours", (_scheme, text) => {
  const all = new Map(
    Array.from(text.matchAll(/--(\w+): (#\w{6})/g), ([, name = "", hex = ""]) => [name, hex] as const),
  );
  const colour = (name: string): string => all.get(name) ?? name;
  const grounds = ["paper", "card"] as const;

  it.each(visions)("tell the lines of a chart apart (deficiency of colour vision: %s)", (vision) => {
    for (const [index, one] of series.entries()) {
      for (const other of series.slice(index + 1)) {
        const found = difference(colour(one), colour(other), vision);
        expect([one, other, found > LEAST_DIFFERENCE]).toEqual([one, other, true]);
      }
    }
    // What is left of a layer against what is gone of it.
    expect(difference(colour("kept"), colour("ghost"), vision)).toBeGreaterThan(15);
  });

  it("can be read on either ground, and lines be seen", () => {
    for (const ground of grounds) {
      for (const name of ["ink", "soft", "kept", "two", "bad"]) {
        expect([name, contrast(colour(name), colour(ground)) >= 4.5]).toEqual([name, true]);
      }
      for (const name of [...series, "ghost"]) {
        expect([name, contrast(colour(name), colour(ground)) >= 3]).toEqual([name, true]);
      }
    }
  });
});

describe("the measures themselves", () => {
  it("agree with the extremes", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 6);
    expect(difference("#000000", "#ffffff", "none")).toBeCloseTo(100, 1);
    // Red and green that are alike to those without cones for long waves.
    expect(difference("#a01000", "#4c4a00", "protanopia")).toBeLessThan(difference("#a01000", "#4c4a00", "none") / 2);
  });
});
