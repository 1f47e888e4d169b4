/** Philox against the known-answer vectors published with Random123 (kat_vectors, philox4x32 of 10 rounds). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { philox4x32, RandomStream, streamOf } from "../../src/core/random.ts";

const hexadecimal = (words: readonly number[]): string[] => words.map((word) => word.toString(16).padStart(8, "0"));

describe("philox4x32", () => {
  it("gives the published answer for zeros", () => {
    expect(hexadecimal(philox4x32([0, 0, 0, 0], [0, 0]))).toEqual(["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]);
  });

  it("gives the published answer for all ones", () => {
    const ones = 0xffffffff;
    expect(hexadecimal(philox4x32([ones, ones, ones, ones], [ones, ones]))).toEqual([
      "408f276d",
      "41c83b0e",
      "a20bc7c6",
      "6d5451fd",
    ]);
  });

  it("gives the published answer for digits of pi", () => {
    expect(hexadecimal(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toEqual(
      ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"],
    );
  });
});

describe("streamOf", () => {
  it("is 32-bit FNV-1a", () => {
    // Test vectors of the FNV reference: "", "a" and "foobar".
    expect(streamOf("")).toBe(0x811c9dc5);
    expect(streamOf("a")).toBe(0xe40c292c);
    expect(streamOf("foobar")).toBe(0xbf9cf968);
  });
});

describe("RandomStream", () => {
  it("walks through Philox blocks addressed by (seed, stream, a, b)", () => {
    const stream = new RandomStream(7, 11, 13, 17);
    const words = Array.from({ length: 8 }, () => stream.word());
    expect(words).toEqual([...philox4x32([0, 0, 13, 17], [7, 11]), ...philox4x32([1, 0, 13, 17], [7, 11])]);
  });

  it("differs in each part of its address, and repeats for the same one", () => {
    const first = (...address: [number, number | string, number, number]): number =>
      new RandomStream(...address).word();
    expect(first(1, "x", 2, 3)).toBe(first(1, "x", 2, 3));
    const values = [
      first(1, "x", 2, 3),
      first(2, "x", 2, 3),
      first(1, "y", 2, 3),
      first(1, "x", 3, 3),
      first(1, "x", 2, 4),
    ];
    expect(new Set(values).size).toBe(values.length);
  });

  it("draws uniform numbers in [0, 1) and integers below the bound", () => {
    const random = new RandomStream(3, "uniform");
    const counts = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 20_000; draw++) {
      const uniform = random.uniform();
      expect(uniform >= 0 && uniform < 1).toBe(true);
      const integer = random.integer(10);
      counts[integer] = (counts[integer] ?? 0) + 1;
    }
    // 20,000 draws in 10 bins: standard deviation about 42 around 2,000.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(250);
  });

  it("draws normal numbers of mean 0 and variance 1", () => {
    const random = new RandomStream(5, "normal");
    const values = Array.from({ length: 20_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    const within = values.filter((value) => Math.abs(value) < 1).length / values.length;
    expect(Math.abs(within - 0.6827)).toBeLessThan(0.02);
  });

  it("permutes: every number once, whatever the seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 300 }), (seed, length) => {
        const order = new RandomStream(seed, "permutation").permutation(length);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, index) => index));
      }),
    );
  });

  it("gives each permutation of three about as often", () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const key = new RandomStream(seed, "fair").permutation(3).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
