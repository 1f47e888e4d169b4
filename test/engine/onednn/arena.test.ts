import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layOut, offsetOf } from "../../../src/engine/onednn/planner/arena.ts";
import type { HostStep, Slot } from "../../../src/engine/onednn/planner/steps.ts";

function step(reads: readonly Slot[], writes: readonly Slot[]): HostStep {
  return {
    kind: "host",
    node: "n",
    op: "relu",
    implementation: "host",
    macs: 0,
    reads,
    writes,
    operands: [],
    bind: () => () => undefined,
  };
}

/** A chain of slots, each written at one step and last read at a later one. */
const lives = fc.array(
  fc.record({
    bytes: fc.integer({ min: 1, max: 5000 }),
    birth: fc.nat({ max: 30 }),
    length: fc.nat({ max: 10 }),
    persistent: fc.boolean(),
  }),
  { maxLength: 40 },
);

describe("the arena", () => {
  it("never gives two slots that are alive together the same bytes", () => {
    fc.assert(
      fc.property(lives, (entries) => {
        const slots = entries.map(({ bytes, persistent }): Slot => ({ bytes, persistent }));
        const steps = Array.from({ length: 41 }, (_, index) =>
          step(
            slots.filter((_, i) => (entries[i]?.birth ?? 0) + (entries[i]?.length ?? 0) === index),
            slots.filter((_, i) => entries[i]?.birth === index),
          ),
        );
        const layout = layOut(steps, [], new Set());
        const intervals = slots.map((slot, index) => {
          const { birth = 0, length = 0 } = entries[index] ?? {};
          const [first, last] = slot.persistent ? [0, 41] : [birth, birth + length];
          const start = offsetOf(layout, slot);
          return { first, last, start, end: start + slot.bytes };
        });
        for (const [i, a] of intervals.entries()) {
          expect(a.end).toBeLessThanOrEqual(layout.bytes);
          expect(a.start % 64).toBe(0);
          for (const b of intervals.slice(i + 1)) {
            const alive = a.first <= b.last && b.first <= a.last;
            expect(alive && a.start < b.end && b.start < a.end).toBe(false);
          }
        }
      }),
    );
  });

  it("reuses the bytes of a slot that is dead", () => {
    const [a, b, c] = [1024, 1024, 1024].map((bytes): Slot => ({ bytes, persistent: false })) as [Slot, Slot, Slot];
    const layout = layOut([step([], [a]), step([a], [b]), step([b], [c])], [], new Set());
    expect(layout.bytes).toBe(2048);
    expect(offsetOf(layout, c)).toBe(offsetOf(layout, a));
  });

  it("keeps the slots of results to the end of the run", () => {
    const [a, b] = [64, 64].map((bytes): Slot => ({ bytes, persistent: false })) as [Slot, Slot];
    const layout = layOut([step([], [a]), step([], [b])], [], new Set([a]));
    expect(layout.bytes).toBe(128);
  });
});
