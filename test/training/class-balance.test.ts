/** Unbalanced classes: what is said, and that balanced weights make a network learn the rare ones. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { allocateSplit, sampleSize } from "../../src/data/dataset.ts";
import { balancedWeights, classBalanceNotes, classWeightsOf } from "../../src/training/start/data/class-balance.ts";
import { temporaryFolder, tinyDataset, tinyShape, trainTiny } from "./tiny.ts";

/** `tinyDataset`'s form, with images of `counts` per class; a class differs little from the others. */
function unbalanced(counts: readonly number[]): Dataset {
  const split = (repeats: readonly number[]) => {
    const labels = repeats.flatMap((count, label) => Array<number>(count).fill(label));
    const made = allocateSplit(labels.length, tinyShape);
    made.labels.set(labels);
    const size = sampleSize(tinyShape);
    for (const [image, label] of labels.entries()) {
      for (let at = 0; at < size; at++) {
        // A linear congruential generator is enough for noise.
        const noise = ((Math.imul(image * size + at, 1103515245) + 12345) >>> 16) % 100;
        made.images[image * size + at] = 70 + noise + (at % 3 === label ? 25 : 0);
      }
    }
    return made;
  };
  const base = tinyDataset(4, 4);
  return { ...base, train: split(counts), test: split(counts.map(() => 20)) };
}

describe("weights", () => {
  test("are n / (k · nᶜ), with a mean of 1 over the images", () => {
    const counts = [80, 10, 0, 10];
    const weights = balancedWeights(counts);
    expect(weights).toEqual([100 / 240, 100 / 30, 1, 100 / 30]);
    const total = counts.reduce((sum, count, label) => sum + count * (weights[label] ?? 0), 0);
    expect(total).toBeCloseTo(100, 10);
    // All classes count as much.
    expect((counts[0] ?? 0) * (weights[0] ?? 0)).toBeCloseTo((counts[1] ?? 0) * (weights[1] ?? 0), 10);
  });

  test("are made only if settings ask for them", () => {
    const data = unbalanced([8, 4, 4]);
    expect(classWeightsOf({}, data)).toBeUndefined();
    expect(classWeightsOf({ classWeights: "balanced" }, data)).toEqual([16 / 24, 16 / 12, 16 / 12]);
  });
});

describe("notes", () => {
  test("name the most and the least frequent class, and the flag", () => {
    const [note] = classBalanceNotes(unbalanced([30, 5, 10]), {});
    expect(note).toMatch(/unbalanced: "\w+" has 30 of 45 training images, "\w+" has 5. --class-weights balanced/);
    const [weighted] = classBalanceNotes(unbalanced([30, 5, 10]), { classWeights: "balanced" });
    expect(weighted).toMatch(/weighted so that all classes count as much/);
  });

  test("say nothing of classes that differ little, and name those without images", () => {
    expect(classBalanceNotes(unbalanced([10, 12, 20]), {})).toEqual([]);
    expect(classBalanceNotes(unbalanced([10, 0, 10]), {})[0]).toMatch(/no training images of the class "\w+"/);
  });
});

test("a run with balanced weights recognises rare classes better, and tells the recall of each", async () => {
  const data = unbalanced([150, 6, 6]);
  const base = { data, epochs: 12, batch: 18, augment: false, latency: false, engine: "reference" } as const;
  const results = [];
  for (const classWeights of [undefined, "balanced"] as const) {
    const { run, events } = await trainTiny({ ...base, classWeights, folder: join(temporaryFolder(), "run") });
    const told = events.find((event) => event.type === "classes");
    expect(told?.classes.map(({ images, trainImages }) => [images, trainImages])).toEqual([
      [20, 150],
      [20, 6],
      [20, 6],
    ]);
    const recalls = told?.classes.map(({ before, images }) => (100 * before) / images) ?? [];
    expect(run.before.balancedAccuracy).toBeCloseTo(recalls.reduce((a, b) => a + b, 0) / 3, 10);
    expect(told?.classes.map(({ after }) => after)).toEqual(told?.classes.map(({ before }) => before));
    results.push((recalls[1] ?? 0) + (recalls[2] ?? 0));
  }
  const [plain = 0, balanced = 0] = results;
  expect(balanced).toBeGreaterThan(plain + 20);
});
