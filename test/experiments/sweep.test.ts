import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { sweep } from "../../src/experiments/sweep.ts";
import { parsePlan, readPlan, runsOf, type SweepPlan } from "../../src/experiments/sweep-plan.ts";
import type { SweepReport } from "../../src/experiments/sweep-report.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { imageFlags } from "../../src/training/settings/image-flags.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";

const dataset = tinyDataset(48, 20);
const data = { spec: "tiny", open: async () => dataset };
const settings = { epochs: 3, batch: 16, engine: "reference", latency: false, fromScratch: true };

let model: string;
let baseline: SweepPlan;
let strong: SweepPlan;
beforeAll(async () => {
  model = join(temporaryFolder(), "tiny.onnx");
  await saveOnnx({ graph: tinyResnet(), weights: initialize(tinyResnet(), 1) }, model);
  const { points } = plan();
  baseline = plan({ points: points.slice(0, 1) });
  strong = plan({ points: points.slice(1) });
});

function plan(changes: object = {}): SweepPlan {
  const points = [
    { name: "baseline", settings: { select: {} } },
    { name: "strong", settings: { select: { neurons: 3, blocks: 3 } } },
  ];
  return parsePlan(
    { version: 1, model, data: "tiny", settings, points, controls: ["epochs"], ...changes },
    "plan.json",
  );
}

function states(reports: readonly SweepReport[]): readonly string[] {
  return reports.map(({ name, state }) => `${name} ${state}`);
}

test("a plan takes every option of image files that train has", () => {
  const values = {
    ...{ size: 16, mean: [0.5], standardDeviation: [0.2], testShare: 0.5, splitSeed: 3, white: 4095 },
    ...{ channels: 1, centreCrop: 1, classes: ["a", "b"] },
  } as const;
  const images = Object.fromEntries(imageFlags.map(({ option }) => [option, values[option]]));
  const plan = parsePlan(
    { version: 1, model: "resnet-20", images, settings: { epochs: 1 }, points: [{ name: "one", settings: {} }] },
    "test",
  );
  expect(plan.images).toEqual(images);
});

describe("a sweep", () => {
  test("trains a point and its control, each in a folder of its own", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const told: SweepReport[] = [];
    const { reports } = await sweep(strong, { folder, data, onRun: (report) => told.push(report) });
    expect(states(reports)).toEqual(["strong-seed-1 finished", "strong-seed-1-control finished"]);
    expect(told.map(({ state }) => state)).toEqual(["starting", "finished", "starting", "finished"]);
    expect((await readRunRecord(join(folder, "strong-seed-1"))).settings.select).toEqual({ neurons: 3, blocks: 3 });
    expect((await readRunRecord(join(folder, "strong-seed-1-control"))).controlOf?.run).toBe("strong-seed-1");
    expect(await readPlan(folder)).toEqual(strong);
    expect(await readdir(join(folder, "strong-seed-1"))).toContain("report.html");
    const again = await sweep(strong, { folder, data });
    expect(states(again.reports)).toEqual(["strong-seed-1 done", "strong-seed-1-control done"]);
  });

  test("trains nothing twice, and nothing of other settings in its folder", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const { reports } = await sweep(baseline, { folder, data });
    expect(states(reports)).toEqual(["baseline-seed-1 finished", "baseline-seed-1-control left-out"]);
    const log = join(folder, "baseline-seed-1", "events.jsonl");
    const before = await readFile(log, "utf8");
    const again = await sweep(await readPlan(folder), { folder, data });
    expect(states(again.reports)).toEqual(["baseline-seed-1 done", "baseline-seed-1-control left-out"]);
    expect(await readFile(log, "utf8")).toBe(before);

    const other = { ...baseline, settings: { ...baseline.settings, epochs: 4 } };
    await expect(sweep(other, { folder, data })).rejects.toMatchObject({
      code: "run-exists",
      details: { list: ["settings.epochs: 3 in the folder, 4 in the sweep"] },
    });
    await rm(join(folder, "sweep.json"));
    await expect(sweep(other, { folder, data })).rejects.toMatchObject({
      code: "run-exists",
      details: { list: ["epochs: 3 in the folder, 4 in the sweep"] },
    });
  });

  test("of another recipe is not what its folder goes on with", async () => {
    const folder = join(temporaryFolder(), "sweep");
    await sweep({ ...baseline, recipe: "one" }, { folder, data });
    await expect(sweep({ ...baseline, recipe: "other" }, { folder, data })).rejects.toMatchObject({
      code: "run-exists",
      details: { list: ['recipe: "one" in the folder, "other" in the sweep'], hint: expect.stringMatching(/--out/) },
    });
  });

  test("with a budget that one of its points cannot reach trains nothing", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const points = ["60%", "1%"].map((budget) => ({ name: `budget-${budget.slice(0, -1)}`, settings: { budget } }));
    await expect(sweep(plan({ points }), { folder, data })).rejects.toMatchObject({
      code: "bad-option",
      message: expect.stringMatching(/point "budget-1".*at least \d+\.\d % of/s),
    });
    await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
  });

  test("stopped in a run, goes on with it, and starts anew what had no checkpoint yet", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const two = plan({ controls: [], points: [{ name: "a", settings: {} }], seeds: [1, 2] });
    const stopping = new AbortController();
    const onEvent = (event: RunEvent): void => {
      if (event.type === "step") stopping.abort();
    };
    await expect(sweep(two, { folder, data, onEvent, signal: stopping.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    await mkdir(join(folder, "a-seed-2", "checkpoints"), { recursive: true });
    const told: SweepReport[] = [];
    const { reports } = await sweep(two, { folder, data, onRun: (report) => told.push(report) });
    expect(states(reports)).toEqual(["a-seed-1 finished", "a-seed-2 finished"]);
    expect(told.map(({ state }) => state)).toEqual(["resuming", "finished", "starting", "finished"]);
  });

  test("tells of a run that fails and goes on with the rest; what diverged is not tried again", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const failing = plan({
      points: [
        { name: "wild", settings: { select: { neurons: 0.1 }, schedule: { kind: "step", peak: 1e30 } } },
        { name: "tame", settings: { epochs: 1 } },
      ],
    });
    const { reports } = await sweep(failing, { folder, data });
    expect(states(reports)).toEqual([
      "wild-seed-1 failed",
      "wild-seed-1-control left-out",
      "tame-seed-1 finished",
      "tame-seed-1-control left-out",
    ]);
    expect(reports[0]).toMatchObject({ code: "diverged", reason: expect.stringMatching(/diverged at step/) });
    const again = await sweep(failing, { folder, data });
    expect(again.reports[0]?.reason).toMatch(/would diverge again.*remove .*wild-seed-1/);
  });

  test("is refused before anything is written", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const groups = plan({ points: [{ name: "g", settings: { select: { groups: 1 } } }] });
    await expect(sweep(groups, { folder, data })).rejects.toThrow(
      /point "g" of the sweep: .*no groups.*neurons, blocks/s,
    );
    const large = plan({ settings: { ...settings, batch: 64 } });
    await expect(sweep(large, { folder, data })).rejects.toThrow(/point "baseline".*larger than the data/);
    await expect(readdir(folder)).rejects.toMatchObject({ code: "ENOENT" });

    await mkdir(join(folder, "baseline-seed-1"), { recursive: true });
    await writeFile(join(folder, "baseline-seed-1", "notes.txt"), "mine");
    await expect(sweep(plan(), { folder, data })).rejects.toThrow(/baseline-seed-1.*not a run/);
  });
});

describe("a plan", () => {
  test("lists its runs: all points of a seed, then the next seed", () => {
    const names = runsOf(plan({ seeds: [3, 4], controls: ["epochs", "macs"] })).map(({ name }) => name);
    expect(names).toEqual(
      [3, 4].flatMap((seed) =>
        ["baseline", "strong"].flatMap((point) =>
          ["", "-control", "-control-macs"].map((end) => `${point}-seed-${seed}${end}`),
        ),
      ),
    );
  });

  test("overlays each point on what all share", () => {
    const [first] = runsOf(plan({ points: [{ name: "long", settings: { epochs: 9 } }] }));
    expect(first?.settings).toMatchObject({ epochs: 9, batch: 16, seed: 1 });
  });

  test.each([
    ["no points", { points: [] }, /points/],
    ["a key it does not have", { gamma: 1 }, /gamma/],
    ["an unknown setting", { settings: { ...settings, epoch: 3 } }, /unknown option "epoch"/],
    ["a setting out of range, by its point", { points: [{ name: "p", settings: { batch: 0 } }] }, /point "p".*batch/],
    ["a seed among the settings", { settings: { ...settings, seed: 3 } }, /the sweep decides "seed".*"seeds"/],
    ["two points of a name", { points: ["p", "p"].map((name) => ({ name, settings: {} })) }, /two points.*p/],
    ["a name that is no folder's", { points: [{ name: "../p", settings: {} }] }, /points.0.name/],
  ])("is refused with %s", (_, changes, message) => {
    expect(() => plan(changes)).toThrow(message);
  });

  test("is refused where there is none", async () => {
    const folder = temporaryFolder();
    await expect(readPlan(folder)).rejects.toMatchObject({ code: "missing-file" });
    await writeFile(join(folder, "sweep.json"), "{");
    await expect(readPlan(folder)).rejects.toMatchObject({ code: "bad-file" });
  });
});
