import { describe, expect, test } from "vitest";
import { numberedClasses } from "../../src/data/classes.ts";
import type { Factor } from "../../src/selection/factors.ts";
import type { LayerStructures } from "../../src/training/events/events.ts";
import { RunWarnings, type WarningBody } from "../../src/training/hooks/warnings.ts";

const factor: Factor = {
  parameter: "a.neuron.factor",
  kind: "neuron",
  layer: "a",
  count: 8,
  gamma: 0.0016,
  keepLast: true,
};
const block: Factor = {
  parameter: "b.block.factor",
  kind: "block",
  layer: "b",
  count: 1,
  gamma: 0.02,
  keepLast: false,
};

/** What is said over epochs of these accuracies, with so many of the eight neurons alive after each. */
function said(
  epochs: readonly (readonly [accuracy: number, alive: number])[],
  { factors = [factor, block], classes = 10, planned = epochs.length } = {},
): readonly (WarningBody & { readonly epoch: number })[] {
  const warnings = new RunWarnings({ classes: numberedClasses(classes), epochs: planned, factors });
  return epochs.flatMap(([trainAccuracy, alive], index) => {
    const layers: LayerStructures[] = [
      { layer: "a", kind: "neuron", alive, count: 8 },
      { layer: "b", kind: "block", alive: 1, count: 1 },
    ];
    const epoch = index + 1;
    return warnings
      .warningsAfter({ epoch, trainAccuracy, layers, classes: [] })
      .map((warning) => ({ ...warning, epoch }));
  });
}

describe("nothing reaches zero", () => {
  test("is said once, from half of the run on, with the γ to try", () => {
    const found = said([30, 40, 50, 60, 65, 70].map((accuracy) => [accuracy, 8]));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      epoch: 3,
      reason: "nothing-zero",
      message: expect.stringMatching(/epoch 3 of 6/),
    });
    expect(found[0]?.hint).toContain("neurons=0.0064,blocks=0.08");
  });

  test("is said of a short run once it says something", () => {
    expect(
      said([
        [30, 8],
        [40, 8],
      ]),
    ).toMatchObject([{ epoch: 2 }]);
    expect(
      said([
        [30, 8],
        [40, 8],
        [50, 7],
        [55, 6],
      ]),
    ).toEqual([]);
    expect(
      said([
        [30, 8],
        [40, 8],
        [50, 8],
        [55, 8],
      ]),
    ).toMatchObject([{ epoch: 3 }]);
  });

  test("is not said of a run that cuts, of plain training, or of factors without a penalty", () => {
    expect(
      said([
        [30, 8],
        [40, 7],
        [50, 7],
        [60, 7],
      ]),
    ).toEqual([]);
    expect(
      said(
        [
          [30, 8],
          [40, 8],
        ],
        { factors: [] },
      ),
    ).toEqual([]);
    expect(
      said(
        [
          [30, 8],
          [40, 8],
        ],
        { factors: [{ ...factor, gamma: 0 }] },
      ),
    ).toEqual([]);
  });
});

describe("the accuracy collapses", () => {
  test("is said once when it falls to half of what there was above guessing", () => {
    const found = said([
      [40, 8],
      [60, 6],
      [34, 2],
      [12, 1],
      [12, 1],
      [12, 1],
    ]);
    expect(found).toMatchObject([{ epoch: 3, reason: "accuracy-collapsed" }]);
    expect(found[0]?.message).toMatch(/fell from 60.0 % to 34.0 %, with 6 of 9 structures at zero/);
    expect(found[0]?.hint).toContain("neurons=0.0008,blocks=0.01");
  });

  test("is not laid to a few zeros if nothing was ever learnt", () => {
    const wide: LayerStructures = { layer: "a", kind: "neuron", alive: 95, count: 100 };
    const factors = [{ ...factor, count: 100 }];
    const warnings = new RunWarnings({ classes: numberedClasses(10), epochs: 2, factors, hasBudget: true });
    const [found] = warnings.warningsAfter({ epoch: 1, trainAccuracy: 10, layers: [wide], classes: [] });
    expect(found?.message).toMatch(
      /only 10.0 % after epoch 1, with 5 of 100 structures at zero: the network has learnt nothing/,
    );
    expect(found?.hint).toMatch(/lower learning rate/);
  });

  test("is said of a run that learns nothing until its middle, and not before", () => {
    expect(
      said([
        [10, 3],
        [11, 1],
        [11, 1],
        [11, 1],
      ]),
    ).toMatchObject([{ epoch: 2, reason: "accuracy-collapsed" }]);
    expect(
      said(
        [
          [52, 3],
          [54, 3],
        ],
        { classes: 2 },
      ),
    ).toMatchObject([{ epoch: 1 }]);
  });

  test("is not said where nothing is at zero, or where accuracy dips as it does", () => {
    expect(
      said(
        [
          [60, 8],
          [20, 8],
        ],
        { planned: 9 },
      ),
    ).toEqual([]);
    expect(
      said([
        [40, 8],
        [60, 6],
        [45, 5],
        [55, 4],
      ]),
    ).toEqual([]);
    expect(
      said(
        [
          [70, 8],
          [75, 6],
          [80, 6],
        ],
        { classes: 2, planned: 3 },
      ),
    ).toEqual([]);
  });
});

describe("one class", () => {
  const tally = (images: number, correct: number, answers: number) => ({ images, correct, answers });
  const warned = (epoch: number, tallies: readonly ReturnType<typeof tally>[], isWeighted = false) =>
    new RunWarnings({ classes: ["cat", "dog", "cow"], epochs: 4, factors: [], isWeighted }).warningsAfter({
      ...{ epoch, trainAccuracy: 97, layers: [], classes: tallies },
    });
  const collapsed = [tally(95, 95, 98), tally(3, 0, 1), tally(2, 0, 1)];

  test("is warned of from half of the run on, with weights to try", () => {
    expect(warned(1, collapsed)).toEqual([]);
    const [found] = warned(2, collapsed);
    expect(found).toMatchObject({ type: "warning", reason: "one-class" });
    expect(found?.message).toMatch(/answers "cat" for 98 of 100 test images, and recognises 0.0 % of .* other classes/);
    expect(found?.hint).toContain("--class-weights balanced");
  });

  test("has another hint if the weights are balanced, or the class is not the most frequent", () => {
    expect(warned(2, collapsed, true)[0]?.hint).toMatch(/lower learning rate/);
    const even = [tally(34, 34, 100), tally(33, 0, 0), tally(33, 0, 0)];
    expect(warned(4, even)[0]?.hint).toMatch(/lower learning rate/);
  });

  test("is not warned of if the others are recognised, or there are none", () => {
    expect(warned(4, [tally(97, 96, 97), tally(2, 1, 2), tally(1, 1, 1)])).toEqual([]);
    expect(warned(4, [tally(9, 9, 9), tally(0, 0, 0), tally(0, 0, 0)])).toEqual([]);
  });
});
