import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { describe, expect, test } from "vitest";
import { compareRuns, groupRuns, paretoFront } from "../../src/experiments/comparison.ts";
import { comparisonCsv, comparisonPage, writeComparison } from "../../src/experiments/comparison-page.ts";
import { columnsFor, signed } from "../../src/experiments/comparison-table.ts";
import { asFile } from "../../src/experiments/plots/frame.ts";
import { gammaCourse } from "../../src/experiments/plots/gamma-course.ts";
import { scatter } from "../../src/experiments/plots/scatter.ts";
import { type RunSummary, runSummarySchema, summarizeRun, wallSeconds } from "../../src/experiments/run-summary.ts";
import { train } from "../../src/training/train.ts";
import { syntheticRun } from "../report/synthetic.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";
import { controlOf, summary } from "./summaries.ts";

const baseline = summary({ name: "baseline", aim: "", kinds: [], accuracy: 92, macs: 40_000_000 });
const mild = summary({ name: "mild", accuracy: 91.5, macs: 24_000_000 });
const worse = summary({ name: "worse", accuracy: 91, macs: 26_000_000, seed: 2 });
const strong = summary({ name: "strong", accuracy: 89, macs: 10_000_000 });
const all = [strong, controlOf(strong, 87.5), controlOf(strong, 88.25, "macs"), baseline, worse, mild];

describe("groups of runs", () => {
  test("have a network and data each, controls beside their runs, most MACs first", () => {
    const vgg = summary({ model: "vgg-16" });
    const groups = groupRuns([...all, vgg]);
    expect(groups.map(({ model, runs }) => [model, runs.length])).toEqual([
      ["resnet-20", 4],
      ["vgg-16", 1],
    ]);
    const rows = groups[0]?.runs ?? [];
    expect(rows.map(({ run }) => run.name)).toEqual(["baseline", "worse", "mild", "strong"]);
    expect(rows.at(-1)?.controls.epochs?.after.accuracy).toBe(87.5);
    expect(rows.at(-1)?.controls.macs?.after.accuracy).toBe(88.25);
    expect(rows.map(({ isOnFront }) => isOnFront)).toEqual([true, false, true, true]);
  });

  test("keep agreement with taught outputs apart from accuracy", () => {
    const taught = summary({ name: "taught", isTaught: true, accuracy: 99, macs: 9_000_000 });
    const groups = groupRuns([...all, taught]);
    expect(groups.map(({ score, runs }) => [score, runs.length])).toEqual([
      ["accuracy", 4],
      ["agreement", 1],
    ]);
    expect(groups[0]?.runs.at(-1)).toMatchObject({ run: { name: "strong" }, isOnFront: true });
    const headings = groups.map((group) => columnsFor(group).map(({ heading }) => heading));
    expect(headings.map((own) => [own.includes("accuracy"), own.includes("agreement")])).toEqual([
      [true, false],
      [false, true],
    ]);
  });

  test("name their score in the plot", () => {
    const runs = [summary(), summary({ isTaught: true }), summary({ isMultiLabel: true })];
    const titles = groupRuns(runs).map((group) => scatter(group, "macs")?.label.replace(/ against .*/, ""));
    expect(titles).toEqual(["Accuracy", "Agreement", "Mean average precision"]);
  });

  test("keep a control whose run is not there, and tell sweeps with runs of one name apart", () => {
    const [group] = groupRuns([controlOf(strong, 80)]);
    expect(group?.runs.map(({ run, isOnFront }) => [run.name, isOnFront])).toEqual([["strong-control", false]]);
    const other = { ...strong, group: "other" };
    const rows = groupRuns([strong, other, controlOf(other, 70)])[0]?.runs ?? [];
    expect(rows.map(({ run, controls }) => [run.group, controls.epochs?.after.accuracy])).toEqual([
      ["sweep", undefined],
      ["other", 70],
    ]);
  });

  test("have a front of what nothing beats", () => {
    const equal = summary({ name: "equal", accuracy: 91.5, macs: 30_000_000 });
    expect(paretoFront([baseline, worse, strong, mild, equal], "macs").map(({ name }) => name)).toEqual([
      ...["strong", "mild", "baseline"],
    ]);
    expect(paretoFront([], "macs")).toEqual([]);
  });
});

describe("the table", () => {
  test("has columns of controls where there are some, with the distance in points", () => {
    const [group] = groupRuns(all);
    if (group === undefined) throw new Error("no group");
    const columns = columnsFor(group);
    const row = group.runs.find(({ run }) => run.name === "strong");
    if (row === undefined) throw new Error("no row");
    expect(columns.map(({ heading, cell }) => [heading, cell(row)])).toEqual([
      ["run", "strong *"],
      ["aim", "γ 0.002"],
      ["seed", "1"],
      ["accuracy", "89.00 %"],
      ["MACs", "10.0 M"],
      ["MACs left", "25.0 %"],
      ["parameters", "66.7 k"],
      ["parameters left", "24.7 %"],
      ["structures", "40/100 neurons"],
      ["time", "1 h 02 min"],
      ["from scratch (epochs)", "87.50 % (−1.50)"],
      ["from scratch (MACs)", "88.25 % (−0.75)"],
    ]);
    const [alone] = groupRuns([mild]);
    const headings = alone?.runs && columnsFor(alone).map(({ heading }) => heading);
    expect(headings).not.toContain("from scratch (epochs)");
    expect(headings).not.toContain("epochs");
  });

  test("says how long was trained where that differs", () => {
    const [group] = groupRuns([mild, { ...worse, epochs: 2, trainImages: 1600 }]);
    const epochs = group && columnsFor(group).find(({ heading }) => heading === "epochs");
    expect(group?.runs.map((row) => epochs?.cell(row))).toEqual(["2 × 1,600", "4 × 50,000"]);
  });

  test.each([
    [0.314, "+0.31"],
    [-0.5, "−0.50"],
    [-0.001, "0.00"],
  ])("writes %d points as %s", (points, text) => expect(signed(points)).toBe(text));

  test("is CSV that reads back, controls in rows of their own", () => {
    const rows: Record<string, string>[] = parse(comparisonCsv({ groups: groupRuns(all), unfinished: [] }), {
      columns: true,
    });
    expect(rows).toHaveLength(6);
    expect(rows.find(({ name }) => name === "strong-control-macs")).toMatchObject({
      ...{ controlOf: "strong", controlSame: "macs", accuracy: "88.25", macs: "10000000", removalCost: "0" },
    });
  });
});

describe("γ", () => {
  const steered = summary({
    name: "steered",
    aim: "budget 50 %",
    kinds: [
      { kind: "neuron", gamma: 1, count: 8, alive: 4, alivePercent: [100, 50], gammaCourse: [0.004, 0.001] },
      { kind: "block", gamma: 20, count: 2, alive: 1, alivePercent: [100, 50], gammaCourse: [0.08, 0] },
    ],
  });
  const late = summary({ name: "late", gammaAfter: 2, aim: "γ 0.002, after 2 epochs" });
  const groups = groupRuns([steered, late]);
  const rows = (text: string): Record<string, string>[] => parse(text, { columns: true });

  test("has columns for each kind: as it was set, and the largest that it was", () => {
    const [first, second] = rows(comparisonCsv({ groups, unfinished: [] }));
    const none = { gammaGroups: "", gammaGroupsLargest: "", gammaStreams: "", gammaStreamsLargest: "" };
    expect(first).toMatchObject({
      ...{ name: "steered", gammaNeurons: "1", gammaNeuronsLargest: "0.004", gammaBlocks: "20" },
      ...{ gammaBlocksLargest: "0.08", ...none },
    });
    expect(second).toMatchObject({
      ...{ name: "late", gammaNeurons: "0.002", gammaNeuronsLargest: "0.002", gammaBlocks: "", ...none },
    });
  });

  test("and what is alive are told by epoch, and widths by layer", async () => {
    const folder = join(temporaryFolder(), "tables");
    await writeComparison(folder, { groups, unfinished: [] });
    const read = async (name: string): Promise<Record<string, string>[]> =>
      rows(await readFile(join(folder, name), "utf8"));
    const epochs = await read("epochs.csv");
    const told = epochs.map(({ name, epoch, kind, alivePercent, gamma }) => [name, epoch, kind, alivePercent, gamma]);
    expect(told).toEqual([
      ["steered", "1", "neuron", "100", "0.004"],
      ["steered", "2", "neuron", "50", "0.001"],
      ["steered", "1", "block", "100", "0.08"],
      ["steered", "2", "block", "50", "0"],
      ["late", "1", "neuron", "95", "0"],
      ["late", "2", "neuron", "70", "0"],
      ["late", "3", "neuron", "45", "0.002"],
      ["late", "4", "neuron", "40", "0.002"],
    ]);
    const layers = await read("layers.csv");
    expect(
      layers.filter(({ name }) => name === "late").map(({ layer, before, after }) => [layer, before, after]),
    ).toEqual(late.layers.map(({ name, before, after }) => [name, String(before), String(after)]));
  });

  test("is drawn for runs with a budget, each kind relative to its maximum", () => {
    const [group] = groups;
    const plot = group && gammaCourse(group);
    if (plot === undefined) throw new Error("nothing drawn");
    const drawn = asFile(plot);
    expect(drawn).toContain("neurons up to 0.00400, blocks up to 0.0800");
    expect(drawn).not.toContain("after 2 epochs");
    // From the first epoch's end to the second's of four: neurons fall to a quarter, blocks to nothing.
    const ends = [...drawn.matchAll(/class="line s(\d)" d="M([\d.]+),([\d.]+)L([\d.]+),([\d.]+)"/g)].map(
      ([, style, ...points]) => [Number(style), ...points.map(Number)],
    );
    const [top, bottom, quarter] = [40, 152, 124];
    expect(ends).toEqual([
      [1, 107, top, 166, quarter],
      [2, 107, top, 166, bottom],
    ]);
  });

  test("that nobody steered is not drawn, nor one that stayed at zero", () => {
    const drawn = (...runs: readonly RunSummary[]): string | undefined => {
      const [group] = groupRuns(runs);
      const plot = group && gammaCourse(group);
      return plot && asFile(plot);
    };
    expect(drawn(late)).toBeUndefined();
    const [neurons] = steered.kinds;
    if (neurons === undefined) throw new Error("no kind");
    const still = { ...steered, kinds: [{ ...neurons, gammaCourse: [0, 0] }] };
    expect(drawn(still)).not.toMatch(/class="line s\d" d|NaN|Infinity/);
  });
});

describe("the page", () => {
  const html = comparisonPage({ groups: groupRuns(all), unfinished: ["runs/open"] }, new Date(0));

  test("stands alone and draws only numbers", () => {
    expect(html).not.toMatch(/<script|<link|@import|url\(|src=|href=/);
    expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/);
    expect(html).toContain("These runs are not finished and not shown: runs/open.");
    expect(html.match(/class="plot"/g)).toHaveLength(4);
  });

  test("has a mark of its own shape for each run and control, twice", () => {
    // Each once in the legend of each of the two plots.
    expect(html.match(/class="mark-pruned"/g)).toHaveLength(2 * (3 + 1));
    expect(html.match(/class="mark-baseline"/g)).toHaveLength(2 * (1 + 1));
    expect(html.match(/class="mark-control"/g)).toHaveLength(2 * (1 + 1));
    expect(html.match(/class="mark-control-macs"/g)).toHaveLength(2 * (1 + 1));
  });

  test("draws one run without anything to compare it with, and one without factors", () => {
    for (const runs of [[mild], [baseline], [controlOf(mild, 3)]]) {
      const page = comparisonPage({ groups: groupRuns(runs), unfinished: [] }, new Date(0));
      expect(page).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  test("is written beside its plots, each a file that stands alone", async () => {
    const folder = join(temporaryFolder(), "new", "folder");
    await writeComparison(folder, { groups: groupRuns(all), unfinished: [] });
    const names = await readdir(folder);
    const plots = ["accuracy-macs", "accuracy-parameters", "alive", "layers"].map(
      (name) => `resnet-20-cifar10-${name}.svg`,
    );
    const tables = ["comparison.csv", "epochs.csv", "layers.csv"];
    expect(names.toSorted()).toEqual(["comparison.html", ...tables, ...plots].toSorted());
    for (const name of plots) {
      const file = await readFile(join(folder, name), "utf8");
      expect(file).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="\d+" height="\d+"[^>]*><style>/);
      expect(file).toContain("prefers-color-scheme: dark");
    }
    await writeFile(join(folder, "file"), "");
    await expect(writeComparison(join(folder, "file"), { groups: [], unfinished: [] })).rejects.toMatchObject({
      code: "bad-file",
    });
  });
});

describe("runs in folders", () => {
  test("are found by folder, by the folder around them and by glob, and summed up", async () => {
    const sweep = join(temporaryFolder(), "sweep");
    const options = { data: tinyDataset(48, 20), engine: "reference", batch: 16, latency: false } as const;
    const run = await train(tinyResnet(), {
      ...{ ...options, epochs: 2, select: { neurons: 3, blocks: 3 }, folder: join(sweep, "a") },
    });
    const stopping = new AbortController();
    stopping.abort();
    await expect(
      train(tinyResnet(), { ...options, epochs: 1, signal: stopping.signal, folder: join(sweep, "b") }),
    ).rejects.toMatchObject({ code: "interrupted" });

    const found = await compareRuns([sweep, join(sweep, "a"), join(sweep, "*")]);
    expect(found.unfinished).toEqual([expect.stringMatching(/sweep.b$/)]);
    expect(found.groups.map(({ model, runs }) => [model, runs.length])).toEqual([["tiny-resnet", 1]]);
    const summed = found.groups[0]?.runs[0]?.run;
    expect(summed).toMatchObject({ name: "a", group: "sweep", aim: "γ 3", certified: true, blocks: { count: 2 } });
    expect(summed?.after.macs).toBe(run.after.macs);
    expect(summed?.kinds.map(({ kind, count }) => [kind, count])).toEqual([
      ["neuron", 8],
      ["block", 2],
    ]);
    expect(summed?.kinds[0]?.alivePercent).toHaveLength(2);
    expect(runSummarySchema.parse(JSON.parse(JSON.stringify(summed)))).toEqual(summed);

    expect(await summarizeRun(join(sweep, "b"))).toBeUndefined();
    await expect(compareRuns([join(sweep, "b")])).rejects.toThrow(/none of the runs is finished.*espalier resume/);
  });

  test("are asked for where there are none", async () => {
    const empty = temporaryFolder();
    await mkdir(join(empty, "other"));
    await expect(compareRuns([empty])).rejects.toMatchObject({ code: "missing-file" });
    await expect(compareRuns([join(empty, "*")])).rejects.toMatchObject({ code: "missing-file" });
    await expect(compareRuns([join(empty, "none")])).rejects.toThrow(/none: no such file or folder/);
  });
});

test("wall time is that of all sessions, without the time between them", () => {
  const events = syntheticRun();
  const [first, ...rest] = events;
  if (first?.type !== "run.started") throw new Error("no run.started");
  const seconds = (6 * 390 * 180) / 1000;
  expect(wallSeconds(events)).toBe(Math.round(seconds));
  const later = rest.map((event) => ({ ...event, time: new Date(Date.parse(event.time) + 86_400_000).toISOString() }));
  const resumed = { ...first, time: new Date(Date.parse(first.time) + 86_400_000).toISOString(), resumedFrom: 0 };
  expect(wallSeconds([...events, resumed, ...later])).toBe(Math.round(2 * seconds));
});
