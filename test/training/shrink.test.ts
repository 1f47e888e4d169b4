/** Runs that shrink while they train, against the same runs without. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { EngineHost } from "../../src/engine/host.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Weights } from "../../src/graph/graph.ts";
import { factorsOf } from "../../src/selection/factors.ts";
import type { NetworkShrunk, RunEvent } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import { resume } from "../../src/training/resume.ts";
import { listCheckpoints, readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { isInstalled } from "./engines.ts";
import { ofType, type Told, temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const data = tinyDataset();
/** Takes single neurons as well as a block within six epochs of six steps. */
const options: TrainOptions = {
  data,
  engine: "reference",
  threads: 2,
  epochs: 6,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
  latency: false,
  // Six steps are few: a structure that was held for them still came back once. Nine were enough for all of them.
  shrink: { patience: 1.5, rebuildSteps: 0 },
};

async function tell(overrides: Partial<TrainOptions>): Promise<Told> {
  return trainTiny({ ...options, ...overrides });
}

/** Largest difference of values that both have, relative to the largest of the tensor or 1. */
function difference(a: Weights, b: Weights): number {
  let largest = 0;
  for (const [name, { data: values, shape }] of a) {
    const other = required(b.get(name), name);
    expect(other.shape, name).toEqual(shape);
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    values.forEach((value, index) => {
      largest = Math.max(largest, Math.abs(value - (other.data[index] ?? Number.NaN)) / scale);
    });
  }
  return largest;
}

function cutsIn(shrunk: readonly NetworkShrunk[]): NetworkShrunk["cuts"] {
  return shrunk.flatMap(({ cuts }) => cuts);
}

async function bf16Engine(): Promise<boolean> {
  if (!(await isInstalled("onednn"))) return false;
  const host = await EngineHost.start({ engine: "onednn" });
  await host.dispose();
  return host.precisions.includes("bf16");
}

describe.each([
  // The sums of the reference engine are exact enough that the zeros left out do not show.
  { engine: "reference", precision: "f32", losses: 1e-6, weights: 1e-5 },
  { engine: "reference", precision: "f32", optimizer: "muon", losses: 1e-5, weights: 1e-4 },
  { engine: "onednn", precision: "f32", optimizer: "muon", losses: 1e-3, weights: 1e-2 },
  { engine: "onednn", precision: "f32", losses: 1e-4, weights: 1e-3 },
  { engine: "onednn", precision: "bf16", losses: 3e-2, weights: 0.3 },
] as const)("$engine in $precision, $optimizer", ({ engine, precision, losses, weights, ...given }) => {
  const optimizer = "optimizer" in given ? given.optimizer : "sgd";
  test("a run that shrinks goes on as the one that does not", async (context) => {
    const canRun = precision === "bf16" ? await bf16Engine() : await isInstalled(engine);
    if (!canRun) return context.skip();
    const whole = await tell({ engine, precision, optimizer, shrink: false });
    const small = await tell({ engine, precision, optimizer });
    const shrunk = ofType(small.events, "network.shrunk");
    expect(shrunk.length).toBeGreaterThan(0);
    expect(ofType(whole.events, "network.shrunk")).toEqual([]);
    for (const [index, epoch] of ofType(whole.events, "epoch").entries()) {
      const other = required(ofType(small.events, "epoch")[index], "the same epoch");
      expect(Math.abs(other.trainLoss - epoch.trainLoss)).toBeLessThan(losses);
    }
    if (precision === "f32") expect(small.run.after.macs).toBe(whole.run.after.macs);
    expect(small.run.certificate.passed).toBe(true);
    // The compact networks hold what survived, and only that.
    if (precision === "f32") {
      expect(difference(whole.run.compact.weights, small.run.compact.weights)).toBeLessThan(weights);
    }
  });
});

describe("a run that shrinks", () => {
  test("tells each cut with its margin and what it is worth, by the names the run began with", async () => {
    const { events, run } = await tell({});
    const shrunk = ofType(events, "network.shrunk");
    const [started] = ofType(events, "run.started");
    const [first] = shrunk;
    expect(first?.before).toEqual(started?.cost);
    for (const [index, cut] of shrunk.entries()) {
      expect(cut.after.macs).toBeLessThan(cut.before.macs);
      if (index > 0) expect(cut.before).toEqual(shrunk[index - 1]?.after);
      expect(cut.stepsSaved).toBeCloseTo((36 - cut.step) * (1 - cut.after.macs / cut.before.macs), 6);
      for (const { margin } of cut.cuts) expect(margin ?? 0).toBeGreaterThanOrEqual(0);
    }
    const counts = new Map(started?.factors.map(({ layer, kind, count }) => [`${kind} ${layer}`, count]));
    const cuts = cutsIn(shrunk);
    expect(new Set(cuts.map(({ layer, kind, index }) => `${kind} ${layer} ${index}`)).size).toBe(cuts.length);
    for (const { layer, kind, index } of cuts) expect(index).toBeLessThan(counts.get(`${kind} ${layer}`) ?? 0);
    expect(cuts.some(({ margin }) => margin !== null)).toBe(true);
    // What was cut is at zero in the network that is handed back, whole as it was.
    expect(cost(run.network.graph)).toEqual(started?.cost);
    for (const { layer, kind, index } of cuts) {
      const factor = factorsOf(run.network.graph).find((one) => one.layer === layer && one.kind === kind);
      expect(run.network.weights.get(factor?.parameter ?? "")?.data[index]).toBe(0);
    }
    const zeroed = ofType(events, "structure.zeroed").length - ofType(events, "structure.revived").length;
    const layers = required(ofType(events, "epoch").at(-1), "last epoch").layers;
    expect(layers.reduce((sum, { count, alive }) => sum + count - alive, 0)).toBe(zeroed);
  });

  test("cuts what has been zero for exactly the patience", async () => {
    // Such a γ takes the block to zero in the first step. After step s it has been at zero for s − 1 steps, and a
    // decision is due every second step of the six of an epoch: 3 steps are half of an epoch.
    const { events } = await tell({ epochs: 2, select: { blocks: 1000 }, shrink: { patience: 0.5, rebuildSteps: 0 } });
    expect(ofType(events, "network.shrunk").map(({ step }) => step)).toEqual([4]);
  });

  test("tells no margin of neurons that go with their block, without having been at zero", async () => {
    const { events } = await tell({ select: { neurons: 1e-6, blocks: 0.6 } });
    const cuts = cutsIn(ofType(events, "network.shrunk"));
    const [neurons, blocks] = (["neuron", "block"] as const).map((one) => cuts.filter(({ kind }) => kind === one));
    expect(neurons?.map(({ margin }) => margin)).toContain(null);
    expect(blocks?.length).toBeGreaterThan(0);
    expect(blocks?.map(({ margin }) => margin)).not.toContain(null);
  });

  test("measures its speed before and after each cut, over what steps there are", async () => {
    const { events } = await tell({ epochs: 10 });
    const shrunk = ofType(events, "network.shrunk");
    const measured = ofType(events, "shrink.measured");
    expect(measured).toHaveLength(shrunk.length);
    for (const [index, { steps, imagesPerSecond }] of measured.entries()) {
      const start = required(shrunk[index], "the cut that was measured").step;
      const end = shrunk[index + 1]?.step ?? 60;
      expect(steps).toBe(Math.min(20, end - start));
      expect(imagesPerSecond.before).toBeGreaterThan(0);
      expect(imagesPerSecond.after).toBeGreaterThan(0);
    }
  });

  test("does not cut what is not worth it, says so, and obeys its patience", async () => {
    const deferred = await tell({ shrink: { patience: 1, rebuildSteps: 1000 } });
    expect(ofType(deferred.events, "network.shrunk")).toEqual([]);
    const [told] = ofType(deferred.events, "shrink.deferred");
    expect(told).toMatchObject({ stepsNeeded: 1000, structures: expect.any(Number) });
    expect(told?.stepsSaved).toBeLessThan(1000);
    const patient = await tell({ shrink: { patience: 6, rebuildSteps: 0 } });
    expect(ofType(patient.events, "network.shrunk")).toEqual([]);
    expect(patient.run.network.weights).toEqual(deferred.run.network.weights);
  });

  test("is recorded with its settings", async () => {
    const { run } = await tell({ epochs: 1, shrink: { patience: 2 } });
    expect((await readRunRecord(run.folder)).settings.shrink).toEqual({ patience: 2, rebuildSteps: 100 });
    await expect(tell({ shrink: { patience: 0 } })).rejects.toMatchObject({ code: "bad-option" });
    await expect(tell({ shrink: { patience: -1 } })).rejects.toMatchObject({ code: "bad-option" });
  });
});

describe("resumed", () => {
  const interruption = (
    folder: string,
    when: (event: RunEvent) => boolean,
    overrides: Partial<TrainOptions>,
  ): Promise<Run> => {
    const controller = new AbortController();
    const onEvent = (event: RunEvent): void => {
      if (when(event)) controller.abort();
    };
    return train(tinyResnet(), { ...options, ...overrides, folder, signal: controller.signal, onEvent });
  };

  test.each(["reference", "onednn"] as const)("after a cut, it ends with the very bits (%s)", async (engine) => {
    if (!(await isInstalled(engine))) return;
    // With a second run of kernels already chosen, both runs use the same.
    await tell({ engine });
    const whole = await tell({ engine });
    const folder = join(temporaryFolder(), "stopped");
    let shrunk = false;
    const afterCut = (event: RunEvent): boolean => {
      shrunk ||= event.type === "network.shrunk";
      return shrunk && event.type === "step";
    };
    await expect(interruption(folder, afterCut, { engine })).rejects.toMatchObject({ code: "interrupted" });
    const [step = 0] = await listCheckpoints(folder);
    expect((await readCheckpoint(folder, step)).progress.cuts.length).toBeGreaterThan(0);
    const resumed = await resume(folder, { data });
    expect(resumed.network.weights).toEqual(whole.run.network.weights);
    expect(resumed.compact.weights).toEqual(whole.run.compact.weights);
    const [a, b] = [await readCheckpoint(folder, 36), await readCheckpoint(whole.run.folder, 36)];
    expect(a.optimizer).toEqual(b.optimizer);
    expect(a.progress.cuts).toEqual(b.progress.cuts);
  });

  test("from before a cut that was made but never written, it cuts again the same", async () => {
    const whole = await tell({});
    const folder = join(temporaryFolder(), "killed");
    const killed = train(tinyResnet(), {
      ...options,
      folder,
      // What a listener throws ends the run at once, as if the process had died before the checkpoint.
      onEvent: ({ type }) => {
        if (type === "network.shrunk") throw new Error("killed");
      },
    });
    await expect(killed).rejects.toThrow("killed");
    const [cut] = ofType(await readEvents(folder), "network.shrunk");
    expect((await listCheckpoints(folder))[0]).toBeLessThan(cut?.step ?? 0);
    const resumed = await resume(folder, { data });
    expect(resumed.network.weights).toEqual(whole.run.network.weights);
    const again = ofType(await readEvents(folder), "network.shrunk");
    expect(again[1]?.cuts).toEqual(cut?.cuts);
  });
});
