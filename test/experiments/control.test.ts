import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { control, controlFolder, trainingMacs } from "../../src/experiments/control.ts";
import { uniformNetwork } from "../../src/experiments/uniform-network.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { cost } from "../../src/graph/cost.ts";
import { initialize } from "../../src/models/initialize.ts";
import { historyOf } from "../../src/report/history.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import { resume } from "../../src/training/resume.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { hashWeights, readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { syntheticRun } from "../report/synthetic.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";

const data = tinyDataset();
/** Loses neurons and a block, some of it while it trains. */
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 6,
  batch: 16,
  seed: 5,
  weightDecay: 1e-3,
  select: { neurons: 0.4, blocks: 0.4 },
  shrink: { patience: 1, rebuildSteps: 0 },
  latency: false,
};

let run: Run;
let again: Run;
beforeAll(async () => {
  run = await train(tinyResnet(), { ...options, folder: join(temporaryFolder(), "run") });
  again = await control(run.folder, { data });
});

async function started(folder: string): Promise<Extract<RunEvent, { type: "run.started" }>> {
  const [first] = await readEvents(folder);
  if (first?.type !== "run.started") throw new Error("no run.started");
  return first;
}

describe("control", () => {
  test("trains what is left of the network from new weights, otherwise as the run was trained", async () => {
    expect(again.folder).toBe(`${run.folder}-control`);
    expect(again.after).toMatchObject(cost(run.compact.graph));
    expect(run.after.macs).toBeLessThan(run.before.macs);

    const [record, own] = [await readRunRecord(again.folder), await readRunRecord(run.folder)];
    const { graph } = await loadOnnx(join(run.folder, "compact.onnx"));
    expect(record.initialWeights).toBe(hashWeights(initialize(graph, 5)));
    expect(record.factors).toEqual([]);
    expect(record.settings).toEqual({ ...own.settings, select: {}, shrink: record.settings.shrink });
    expect(record.data.sha256).toEqual(own.data.sha256);
    expect(again.compact.weights).not.toEqual(run.compact.weights);
  });

  test("says of which run it is one, in its record and in its first event", async () => {
    const folder = controlFolder(run.folder, "epochs", 9);
    expect(basename(folder)).toBe("run-control-seed-9");
    await control(run.folder, { data, seed: 9 });
    const { controlOf } = await started(folder);
    expect(controlOf).toMatchObject({ run: "run", folder: "../run", same: "epochs" });
    expect((await readRunRecord(folder)).controlOf).toEqual(controlOf);
    expect((await readRunRecord(folder)).settings.seed).toBe(9);
  });

  test("takes as many epochs as the MACs of the run's training are worth, shrinking counted", async () => {
    const history = historyOf(await readEvents(run.folder));
    expect(history.shrinks.length).toBeGreaterThan(0);
    // Step by step: what a cut leaves is trained from the step after it on.
    const steps = history.epochs.at(-1)?.step ?? 0;
    let [macs, sum] = [history.started.cost.macs, 0];
    for (let step = 1; step <= steps; step++) {
      sum += macs * 16;
      macs = history.shrinks.find(({ cut }) => cut.step === step)?.cut.after.macs ?? macs;
    }
    expect(trainingMacs(history, 16)).toBe(sum);

    const { folder } = await control(run.folder, { data, kind: "macs" });
    const { epochs, controlOf } = await started(folder);
    const perEpoch = 96 * run.after.macs;
    expect(folder).toBe(`${run.folder}-control-macs`);
    expect(epochs).toBeGreaterThan(6);
    expect(Math.abs(epochs * perEpoch - sum)).toBeLessThanOrEqual(perEpoch / 2);
    expect(controlOf?.trainingMacs).toEqual({ run: sum, control: epochs * perEpoch });
  });

  test("trains the uniformly thinner network of as many MACs", async () => {
    const own = await control(run.folder, { data, kind: "uniform" });
    expect(own.folder).toBe(`${run.folder}-control-uniform`);
    const { controlOf, cost: costs } = await started(own.folder);
    expect(controlOf).toMatchObject({ run: "run", same: "epochs", widths: "uniform" });
    const full = tinyResnet();
    expect(costs).toMatchObject(cost(uniformNetwork(full, run.after.macs)));
    expect(own.after.macs).not.toBe(run.after.macs);
    expect(Math.abs(own.after.macs - run.after.macs) / run.before.macs).toBeLessThan(0.1);
    await expect(control(own.folder, { data })).rejects.toThrow(/itself the from-scratch baseline of run/);
  });

  test("is resumed like any run, to the same bits", async () => {
    const stopping = new AbortController();
    const folder = join(temporaryFolder(), "stopped");
    const stop = (event: RunEvent): void => {
      if (event.type === "step") stopping.abort();
    };
    await expect(control(run.folder, { data, folder, signal: stopping.signal, onEvent: stop })).rejects.toMatchObject({
      code: "interrupted",
    });
    const resumed = await resume(folder, { data });
    expect(resumed.compact.weights).toEqual(again.compact.weights);
    expect(historyOf(await readEvents(folder)).started.controlOf?.run).toBe("run");
  });
});

describe("what has no control", () => {
  test("a folder that is no run, a run that is not finished, a control", async () => {
    await expect(control(temporaryFolder())).rejects.toMatchObject({ code: "missing-file" });

    const unfinished = join(temporaryFolder(), "unfinished");
    const stopping = new AbortController();
    stopping.abort();
    await expect(
      train(tinyResnet(), { ...options, folder: unfinished, signal: stopping.signal }),
    ).rejects.toMatchObject({ code: "interrupted" });
    await expect(control(unfinished, { data })).rejects.toThrow(/not finished.*espalier resume/);

    await expect(control(again.folder, { data })).rejects.toThrow(/itself the from-scratch baseline of run/);
  });

  test("a run that nothing was cut out of", async () => {
    const folder = join(temporaryFolder(), "plain");
    await train(tinyResnet(), { ...options, epochs: 1, select: {}, folder });
    await expect(control(folder, { data })).rejects.toThrow(/pruned nothing.*larger sparsity strength/s);
  });

  test("a place that is taken, other data, a damaged compact network", async () => {
    const taken = temporaryFolder();
    await writeFile(join(taken, "notes.txt"), "somebody's");
    await expect(control(run.folder, { data, folder: taken })).rejects.toMatchObject({ code: "run-exists" });
    await expect(control(run.folder, { data: tinyDataset(80) })).rejects.toMatchObject({ code: "checksum" });

    const damaged = join(temporaryFolder(), "damaged");
    await mkdir(damaged);
    for (const file of ["run.json", "events.jsonl"]) {
      await copyFile(join(run.folder, file), join(damaged, file));
    }
    await expect(control(damaged, { data })).rejects.toMatchObject({ code: "missing-file" });
  });
});

test("MACs of training, by hand", () => {
  const history = historyOf(syntheticRun());
  const { started, shrinks } = history;
  const { cut } = required(shrinks[0], "the cut");
  // Three epochs of 390 steps whole, three with 30 M MACs.
  expect(cut.step).toBe(1170);
  expect(trainingMacs(history, 128)).toBe(128 * 1170 * (started.cost.macs + 30_000_000));
  // Three passes a step of the network, one of its teacher.
  const distilled = { ...history, started: { ...started, options: { ...started.options, distill: { weight: 0.5 } } } };
  const perImage = 3 * trainingMacs(history, 1) + 2340 * started.cost.macs;
  expect(Math.abs(3 * trainingMacs(distilled, 1) - perImage)).toBeLessThanOrEqual(2 * 2340);
  const refused = { ...history, started: { ...started, options: { ...started.options, distill: false } } };
  expect(trainingMacs(refused, 128)).toBe(trainingMacs(history, 128));
});

test("of a run that was taught outputs it is taught the same outputs by the same original", async () => {
  const weights = initialize(tinyResnet(), 3);
  const folder = join(temporaryFolder(), "taught");
  const chosen: TrainOptions = { ...options, epochs: 2, teach: "outputs", teachTemperature: 3, batch: 8 };
  const taught = await train({ graph: tinyResnet(), weights }, { ...chosen, select: { neurons: 2 }, folder });
  const baseline = await control(taught.folder, { data });
  const [own, ofRun] = [await readRunRecord(baseline.folder), await readRunRecord(taught.folder)];
  expect(own.settings).toMatchObject({ teach: "outputs", teachTemperature: 3, epochs: 2, select: {} });
  expect(own.taught).toEqual(ofRun.taught);
  const teachers = await Promise.all([taught, baseline].map((each) => loadOnnx(join(each.folder, "teacher.onnx"))));
  expect(teachers[1]).toEqual(teachers[0]);

  const path = join(folder, "teacher.onnx");
  const edited = await readFile(path);
  edited.writeUInt8(edited.readUInt8(edited.length - 200) ^ 1, edited.length - 200);
  await writeFile(path, edited);
  const other = control(taught.folder, { data, seed: 9 });
  await expect(other).rejects.toMatchObject({ code: "checksum", details: { about: path } });
  expect(baseline.after).toMatchObject(cost(taught.compact.graph));
  expect(taught.after.macs).toBeLessThan(taught.before.macs);
  const finished = (await readEvents(baseline.folder)).findLast((event) => event.type === "run.finished");
  expect(finished?.after.outputs?.[0]?.name).toBe("classifier");
});
