import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { epochOrder, stepsPerEpoch } from "../../src/data/shuffle.ts";
import { userError } from "./support.ts";

describe("epochOrder", () => {
  it("is a permutation that depends on (seed, epoch) alone", () => {
    const numbers = fc.integer({ min: 0, max: 1000 });
    fc.assert(
      fc.property(numbers, numbers, fc.integer({ min: 1, max: 400 }), (seed, epoch, count) => {
        const order = epochOrder(seed, epoch, count);
        expect(order.toSorted()).toEqual(Int32Array.from({ length: count }, (_, index) => index));
        expect(epochOrder(seed, epoch, count)).toEqual(order);
      }),
    );
  });

  it("changes with the epoch and with the seed", () => {
    const order = epochOrder(1, 0, 1000);
    expect(epochOrder(1, 1, 1000)).not.toEqual(order);
    expect(epochOrder(2, 0, 1000)).not.toEqual(order);
  });
});

describe("stepsPerEpoch", () => {
  it("drops the last, incomplete batch", () => {
    expect(stepsPerEpoch(50_000, 128)).toBe(390);
    expect(stepsPerEpoch(10, 10)).toBe(1);
    expect(stepsPerEpoch(10, 5)).toBe(2);
  });

  it("refuses a batch larger than the data", async () => {
    const error = await userError(() => stepsPerEpoch(100, 128), "bad-option");
    expect(error.message).toContain("128 images is larger than the data (expected at most 100, got 128)");
  });

  it.each([0, -1, 2.5, Number.NaN])("refuses a batch of %s", async (batch) => {
    await userError(() => stepsPerEpoch(100, batch), "bad-option");
  });
});
