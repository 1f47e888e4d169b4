/**
 * A dataset made by a program of the user's: the example as it stands, and what is said where such a dataset is wrong.
 */
import { rmSync } from "node:fs";
import { describe, expect, it, test, vi } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Graph, Run, TrainOptions } from "../../src/index.ts";
import { train } from "../../src/training/train.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const seen: { run: Run | undefined } = { run: undefined };
const engine = (await isInstalled("onednn")) ? "onednn" : "reference";

vi.mock("espalier", async (importOriginal) => {
  const espalier = await importOriginal<typeof import("../../src/index.ts")>();
  return {
    ...espalier,
    train: async (graph: Graph, options: TrainOptions) => {
      seen.run = await espalier.train(graph, { ...options, engine, latency: false });
      return seen.run;
    },
  };
});

test("the example trains on the images it makes, and cuts", async () => {
  const folder = temporaryFolder();
  process.chdir(folder);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await import("../../examples/own-dataset.ts");
  const { before, after, certificate } = seen.run ?? {};
  // Three classes: a third would be chance.
  expect(after?.accuracy).toBeGreaterThan(60);
  expect([certificate?.passed, before?.accuracy]).toEqual([true, after?.accuracy]);
  expect(log).toHaveBeenCalledWith(expect.stringMatching(/% accurate with \d+ of \d+ MACs/));
  process.chdir("/");
  rmSync(folder, { recursive: true, force: true });
});

test.each<[string, () => TrainOptions["data"]]>([
  ["open already", () => tinyDataset(16, 8)],
  ["still being opened", async () => tinyDataset(16, 8)],
  ["behind a reference", () => ({ spec: "tiny", open: async () => tinyDataset(16, 8) })],
])("a dataset may be %s", async (_, data) => {
  const options = { engine: "reference", epochs: 1, batch: 8, latency: false, folder: temporaryFolder() } as const;
  const run = await train(tinyResnet(), { ...options, data: data() });
  expect(run.certificate.images).toBe(8);
});

test("a dataset may be a name, which is then looked for", async () => {
  const wrong = train(tinyResnet(), { data: "images:/no/such/folder", engine: "reference", epochs: 1 });
  await expect(wrong).rejects.toMatchObject({ code: "missing-file" });
});

describe("a dataset that is wrong is refused before anything is trained", () => {
  const sound = tinyDataset(20, 8);
  const labelled = (label: number): Dataset["train"] => ({
    ...sound.train,
    labels: sound.train.labels.with(7, label),
  });
  const cases: readonly (readonly [string, Partial<Dataset>, string])[] = [
    ["a label above the classes", { train: labelled(3) }, 'the label of image 7 of "train" is not a class'],
    ["a label below 0", { train: labelled(-1) }, 'the label of image 7 of "train" is not a class'],
    [
      "a label too few",
      { test: { ...sound.test, labels: sound.test.labels.slice(1) } },
      "does not have one label for each image",
    ],
    ["a pixel too few", { test: { ...sound.test, images: sound.test.images.slice(1) } }, "the number of pixels"],
    ["one class", { classes: ["all"] }, "not enough classes"],
    ["a shape of two axes", { sampleShape: [6, 6] as never }, "the shape of the images is not valid"],
    ["splits of other shapes", { test: tinyDataset(8, 8, [1, 6, 6]).test }, "another shape"],
    ["pixels that are floats", { train: { ...sound.train, images: new Float32Array(1440) as never } }, "not bytes"],
    [
      "a deviation of 0",
      { normalization: { mean: [0, 0], standardDeviation: [1, 0] } },
      "the normalisation does not fit",
    ],
    [
      "a mean that is no number",
      { normalization: { mean: [0, Number.NaN], standardDeviation: [1, 1] } },
      "the normalisation does not fit",
    ],
  ];
  it.each(cases)("%s", async (_, change, message) => {
    const data: Dataset = { ...sound, ...change };
    const training = train(tinyResnet(), { data, epochs: 1, batch: 4, engine: "reference" });
    await expect(training).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining(message) });
  });
});
