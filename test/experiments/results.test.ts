import { expect, test } from "vitest";
import { accuracyPicture } from "../../bench/shared/accuracy-picture.ts";
import { outcomesOf } from "../../bench/shared/result-outcomes.ts";
import { resultsDocument } from "../../bench/shared/results-document.ts";
import { controlOf, summary } from "./summaries.ts";

const baseline = summary({ name: "baseline", aim: "", kinds: [], accuracy: 92, macs: 40_000_000 });
const mild = summary({ name: "mild", accuracy: 91.5, macs: 24_000_000 });
const strong = summary({ name: "strong", aim: "γ 0.004", accuracy: 89, macs: 10_000_000 });
const runs = [
  ...[baseline, mild, controlOf(mild, 91), strong, controlOf(strong, 89.5)],
  ...[controlOf(strong, 90, "macs"), controlOf(strong, 89.25, "uniform")],
];

test("a row has baseline, pruned and controls, what is left, and what removal costs", () => {
  const text = resultsDocument([{ name: "resnet-20", runs }]);
  const [, table = ""] = text.split("## resnet-20");
  const rows = table.split("\n").filter((line) => line.startsWith("| resnet-20"));
  expect(rows).toEqual([
    "| resnet-20 |  | baseline | 1 | 50,000 | 4 | 1 h 02 min | 1 | 92.00 % |  |  |  |  | 40.0 M | 267 k | 0.00 |",
    "| resnet-20 | neurons | γ 0.002 | 1 | 50,000 | 4 | 1 h 02 min | 1 | 92.00 % " +
      "| 91.50 % | 91.00 % |  |  | 60.0 % | 59.3 % | 0.00 |",
    "| resnet-20 | neurons | γ 0.004 | 1 | 50,000 | 4 | 1 h 02 min | 1 | 92.00 % " +
      "| 89.00 % | 89.50 % | 90.00 % | 89.25 % | 25.0 % | 24.7 % | 0.00 |",
  ]);
  expect(text).toContain("1. a processor, 2 cores, 2 threads, bf16");
});

test("the document opens with a row a setting: mean and spread of its seeds, and what there is without pruning", () => {
  const again = { ...mild, name: "again", seed: 2, after: { ...mild.after, accuracy: 91.1 } };
  const [, table = ""] = resultsDocument([{ name: "resnet-20", runs: [...runs, again] }]).split("![");
  const rows = table.split("\n").filter((line) => line.startsWith("| resnet-20"));
  expect(rows.slice(0, 2)).toEqual([
    "| resnet-20 | 4 | 2 | 60.00 % (0.00) | 92.00 % (0.00) | 91.30 % (0.40) | 91.00 % |  |",
    "| resnet-20 | 4 | 1 | 25.00 % | 92.00 % | 89.00 % | 89.50 % | 89.25 % |",
  ]);
});

test("the picture has a mark for each run and each baseline, and says which points are published", () => {
  const picture = accuracyPicture(outcomesOf(runs));
  expect(picture.match(/<path[^>]*class="mark-pruned"/g)).toHaveLength(3);
  expect(picture.match(/<path[^>]*class="mark-control"/g)).toHaveLength(3);
  expect(picture.match(/<path[^>]*class="mark-control-uniform"/g)).toHaveLength(2);
  expect(picture).toContain("published, of other methods");
});

test("what is hoped for is counted, and where it is not so is named", () => {
  const text = resultsDocument([{ name: "resnet-20", runs }]);
  expect(text).toContain("Removal costs 0.00 points, and the certificate holds: 2 of 2 rows.");
  expect(text).toContain("from-scratch baseline of equal epochs: 1 of 2 rows; not resnet-20 at γ 0.004, seed 1.");
  expect(text).toContain("Within 0.7 points of the full network: 1 of 2 rows; not resnet-20 at γ 0.004, seed 1.");
});

test("the uniformly thinner network is counted where there is one", () => {
  const text = resultsDocument([{ name: "resnet-20", runs }]);
  expect(text).toContain("uniformly thinner network of as many MACs: 0 of 1 row; not resnet-20 at γ 0.004, seed 1.");
});

test("what was trained too briefly is named, unless it began with trained weights", () => {
  const long = { ...mild, epochs: 30 };
  const tuned = { ...strong, startedFrom: { file: "trained.onnx", accuracy: 91.73 } };
  expect(resultsDocument([{ name: "both", runs: [long, tuned] }])).not.toContain("Fewer than");
  const text = resultsDocument([{ name: "both", runs: [long, strong] }]);
  expect(text).toMatch(/Fewer than 15 epochs.*: 1 of 2 rows, resnet-20 for 4 epochs\./);
});

test("runs of an older budget controller are counted", () => {
  const aim = "budget 50 %";
  const [old, present] = ["2026-11-25T05:14:58.064Z", "2026-12-01T05:14:58.064Z"].map((date) => ({
    ...mild,
    aim,
    date,
  }));
  const text = resultsDocument([{ name: "both", runs: [old ?? mild, { ...(present ?? mild), name: "present" }] }]);
  expect(text).toContain("Older than the present budget controller: 1 of 2 rows, resnet-20.");
  expect(resultsDocument([{ name: "none", runs: [mild] }])).not.toContain("Older than");
});

test("a network from trained weights has its name without the hash of its file", () => {
  const startedFrom = { file: "trained.onnx", accuracy: 91.73 };
  const names = ["resnet20-12fca82f.bn-preserve", "mobilenet-v2"].map(
    (model) => outcomesOf([{ ...mild, model, startedFrom }])[0]?.name,
  );
  expect(names).toEqual(["resnet20 from trained weights", "mobilenet-v2 from trained weights"]);
});

test("removal that costs something is no removal without cost", () => {
  const spoilt = { ...mild, before: { ...mild.before, accuracy: 91.6 } };
  const text = resultsDocument([{ name: "spoilt", runs: [spoilt] }]);
  expect(text).toContain("0 of 1 row; not resnet-20 at γ 0.002");
  expect(text).toMatch(/\| −0.10 \|/);
});

test("without runs there is nothing to count", () => {
  expect(resultsDocument([])).toContain("No pruned run is finished yet.");
});

test("a run that went on from a file has its name and accuracy, and is measured against it", () => {
  const startedFrom = { file: "trained.onnx", accuracy: 91.73 };
  const [near, far] = [91.1, 90.9].map((accuracy, index) =>
    summary({ name: `run-${index}`, seed: index + 1, accuracy, startedFrom }),
  );
  const text = resultsDocument([{ name: "tuned", runs: [near ?? baseline, far ?? baseline] }]);
  expect(text).toContain("| resnet-20, from trained.onnx (91.73 %) | neurons | γ 0.002 | 1 | 50,000 | 4 |");
  expect(text).toContain("the file it started from: 1 of 2 rows; not resnet-20 at γ 0.002, seed 2.");
});

test("machines are numbered, and threads tell two of them apart", () => {
  const one = { ...mild, machine: { ...mild.machine, threads: "1" } };
  const text = resultsDocument([{ name: "resnet-20", runs: [baseline, one] }]);
  expect(text).toContain("| γ 0.002 | 1 | 50,000 | 4 | 1 h 02 min | 2 |");
  expect(text).toContain("2. a processor, 2 cores, 1 thread, bf16");
});

test("a control on another machine than its run's says so", () => {
  const control = controlOf(mild, 91);
  const elsewhere = { ...control, machine: { ...control.machine, precision: "f32" } };
  const text = resultsDocument([{ name: "resnet-20", runs: [baseline, mild, elsewhere] }]);
  expect(text).toContain("| 92.00 % | 91.50 % | 91.00 % (machine 2) |");
  expect(text).toContain("2. a processor, 2 cores, 2 threads, f32");
});
