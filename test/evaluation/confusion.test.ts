import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { allocateSplit, type StoredSplit } from "../../src/data/dataset.ts";
import type { Classifier } from "../../src/evaluation/classifier.ts";
import { classResults, measureConfusion, mistakesOf } from "../../src/evaluation/confusion.ts";
import { evaluationPage } from "../../src/report/evaluation-page.ts";
import { browserPath, launchBrowser } from "../dashboard/browser.ts";

const normalization = { mean: [0.5, 0.4, 0.3], standardDeviation: [0.2, 0.3, 0.4] };

/** Images whose first pixel says which row of `logits` they get, so that the classifier need not know their order. */
function split(labels: readonly number[]): StoredSplit {
  const stored = allocateSplit(labels.length, [3, 2, 2]);
  for (const [image, label] of labels.entries()) {
    stored.labels[image] = label;
    stored.images.set([image, 255, 0, 128, 10, 20, 30, 40, 50, 60, 70, 80], image * 12);
  }
  return stored;
}

function classifier(rows: readonly (readonly number[])[], batch: number): Classifier {
  return {
    batch,
    dispose: async () => {},
    logits: async (images: Tensor) => {
      const classes = rows[0]?.length ?? 0;
      const result = tensor([batch, classes]);
      for (let n = 0; n < batch; n++) {
        const image = Math.round(255 * ((images.data[n * 12] ?? 0) * 0.2 + 0.5));
        result.data.set(rows[image] ?? rows[0] ?? [], n * classes);
      }
      return result;
    },
  };
}

const labels = [0, 1, 2, 2, 1];
const rows = [
  [3, 0, 0],
  [4, 0, 0],
  [0, 0, 9],
  [0, 1, 0],
  [0, 2, 0],
];

describe("the confusion matrix", () => {
  it("counts labels by row and answers by column, if the images are no multiple of the batch", async () => {
    const result = await measureConfusion(classifier(rows, 2), split(labels), normalization);
    expect(result.counts).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [0, 1, 1],
    ]);
    expect([result.correct, result.images, result.accuracy, result.unanswered]).toEqual([3, 5, 60, 0]);
    const crossEntropy = (row: readonly number[], label: number): number =>
      Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - (row[label] ?? 0);
    const mean = rows.reduce((sum, row, image) => sum + crossEntropy(row, labels[image] ?? 0), 0) / 5;
    expect(result.loss).toBeCloseTo(mean, 5);
    expect(mistakesOf(result)).toEqual([
      { label: 1, answer: 0, count: 1 },
      { label: 2, answer: 1, count: 1 },
    ]);
    expect(classResults(result)[1]).toEqual({ label: 1, images: 2, correct: 1, answers: 2 });
  });

  it("keeps the wrong images with the lowest probability of the label, with the network's input pixels", async () => {
    const data = split(labels);
    const { worst } = await measureConfusion(classifier(rows, 3), data, normalization);
    expect(worst.map(({ index, label, answer }) => [index, label, answer])).toEqual([
      [1, 1, 0],
      [3, 2, 1],
    ]);
    expect(worst[0]?.labelProbability).toBeCloseTo(1 / (Math.exp(4) + 2), 6);
    expect(worst[0]?.answerProbability).toBeCloseTo(Math.exp(4) / (Math.exp(4) + 2), 6);
    expect([...(worst[0]?.pixels ?? [])]).toEqual([...data.images.subarray(12, 24)]);
    const one = await measureConfusion(classifier(rows, 3), data, normalization, { worst: 1 });
    expect(one.worst.map(({ index }) => index)).toEqual([1]);
  });

  it("counts images without an answer separately", async () => {
    const broken = rows.with(1, [Number.NaN, 0, 0]);
    const result = await measureConfusion(classifier(broken, 2), split(labels), normalization);
    expect([result.unanswered, result.images, result.correct]).toEqual([1, 5, 3]);
    expect(result.loss).not.toBeNaN();
  });

  it("refuses labels without a logit, and an empty split", async () => {
    const measure = (of: readonly number[]): Promise<unknown> =>
      measureConfusion(classifier(rows, 2), split(of), normalization);
    await expect(measure([0, 3])).rejects.toMatchObject({ code: "bad-option", details: { received: "a label of 3" } });
    await expect(measure([])).rejects.toMatchObject({ code: "bad-option" });
  });
});

/** Of each table on a page, of each row, of each cell that is seen: its left edge. */
const lefts = z.array(z.array(z.array(z.number())));

describe("its page", () => {
  const page = async (classes: readonly string[]): Promise<string> => {
    const confusion = await measureConfusion(classifier(rows, 2), split(labels), normalization);
    return evaluationPage({ network: "a<b>.onnx", dataset: "x", classes, confusion, date: new Date(0) });
  };

  it("is one file with the matrix and the pictures in it, and names escaped", async () => {
    const html = await page(["<cat>", "dog", "cow"]);
    expect(html).toContain("a&lt;b&gt;.onnx on x: 60.00 %");
    expect(html).not.toContain("<cat>");
    expect(html.match(/data:image\/png;base64,/g)).toHaveLength(2);
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    expect(html).toContain('title="cow, classified as dog: 1 image, 50.0 %"');
    expect(html).not.toContain("</img>");
  });

  it.skipIf(browserPath === undefined)(
    "has each cell under its heading, on wide pages and on narrow ones",
    async () => {
      const html = await page(["cat", "dog", "cow"]);
      const browser = await launchBrowser();
      try {
        for (const width of [1280, 390]) {
          const shown = await browser.newPage({ viewport: { width, height: 800 } });
          await shown.setContent(html);
          const rows = await shown.evaluate(`[...document.querySelectorAll("table")].map((table) =>
            [...table.rows].map((row) => [...row.cells].filter((cell) => cell.getClientRects().length > 0)
              .map((cell) => Math.round(cell.getBoundingClientRect().left))))`);
          const tables = lefts.parse(rows);
          expect(tables.map((table) => table[0]?.length)).toEqual([4, 4, 3]);
          for (const [heads, ...others] of tables) for (const row of others) expect(row).toEqual(heads);
          await shown.close();
        }
      } finally {
        await browser.close();
      }
    },
    60_000,
  );

  it("works without class names", async () => {
    expect(await page([])).toContain("class 2");
  });
});
