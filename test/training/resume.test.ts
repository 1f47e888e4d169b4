import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { historyOf } from "../../src/report/history.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import { learningRateAt } from "../../src/training/learning-rate/schedules.ts";
import { resume } from "../../src/training/resume.ts";
import { checkpointPath, listCheckpoints, readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "./tiny.ts";

const data = tinyDataset();
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 3,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
  latency: false,
};

/** Runs `start` and aborts it once an event fits, then checks that it was interrupted. */
async function interrupt(
  start: (hooks: { signal: AbortSignal; onEvent: (event: RunEvent) => void }) => Promise<Run>,
  when: (event: RunEvent) => boolean,
): Promise<void> {
  const controller = new AbortController();
  const onEvent = (event: RunEvent): void => {
    if (when(event)) controller.abort();
  };
  await expect(start({ signal: controller.signal, onEvent })).rejects.toMatchObject({ code: "interrupted" });
}

/** A session reports its first step at once, so this stops it in the middle of an epoch, after one step. */
const atFirstStep = (event: RunEvent): boolean => event.type === "step";

/** The two files of the last checkpoint that hold numbers. */
async function lastState(folder: string): Promise<{ step: number; network: Buffer; velocities: Buffer }> {
  const [step = -1] = await listCheckpoints(folder);
  const path = join(folder, checkpointPath(step));
  const read = (file: string): Buffer => readFileSync(join(path, file));
  return { step, network: read("network.onnx"), velocities: read("optimizer.safetensors") };
}

let parent: string;
beforeEach(() => {
  parent = temporaryFolder();
});

const whole = { folder: "", run: undefined as Run | undefined };
beforeAll(async () => {
  whole.folder = join(temporaryFolder(), "whole");
  whole.run = await train(tinyResnet(), { ...options, folder: whole.folder });
});

test("a run stopped in the middle of epochs, twice, ends with the very bits of one that never was", async () => {
  const folder = join(parent, "stopped");
  await interrupt((hooks) => train(tinyResnet(), { ...options, ...hooks, folder }), atFirstStep);
  expect((await listCheckpoints(folder))[0]).toBe(1);
  await interrupt(
    (hooks) => resume(folder, { ...hooks, data }),
    (event) => event.type === "epoch" && event.epoch === 1,
  );
  await interrupt((hooks) => resume(folder, { ...hooks, data }), atFirstStep);
  expect((await listCheckpoints(folder))[0]).toBe(7);
  const resumed = await resume(folder, { data });

  const [stopped, straight] = [await lastState(folder), await lastState(whole.folder)];
  expect(stopped.step).toBe(18);
  expect(stopped.network.equals(straight.network)).toBe(true);
  expect(stopped.velocities.equals(straight.velocities)).toBe(true);
  expect(resumed.compact.weights).toEqual(whole.run?.compact.weights);
  expect(readFileSync(join(folder, "compact.onnx"))).toEqual(readFileSync(join(whole.folder, "compact.onnx")));
  expect(resumed.after).toEqual(whole.run?.after);
});

test("epochs tell the same as without the break, their sums included", async () => {
  const folder = join(parent, "sums");
  await interrupt((hooks) => train(tinyResnet(), { ...options, ...hooks, folder }), atFirstStep);
  await resume(folder, { data });
  const told = async (from: string): Promise<unknown[]> =>
    (await readEvents(from)).flatMap((event) => {
      if (event.type !== "epoch") return [];
      const { epoch, trainLoss, trainAccuracy, testAccuracy, layers, factors, cost } = event;
      return { epoch, trainLoss, trainAccuracy, testAccuracy, layers, factors, cost };
    });
  expect(await told(folder)).toEqual(await told(whole.folder));
});

test("an interruption is told with the way to go on, and the next session says where it starts", async () => {
  const folder = join(parent, "told");
  await interrupt((hooks) => train(tinyResnet(), { ...options, ...hooks, folder }), atFirstStep);
  const before = await readEvents(folder);
  expect(before.slice(-2)).toMatchObject([
    { type: "checkpoint", step: 1, path: "checkpoints/step-000001" },
    { type: "interrupted", step: 1, hint: expect.stringContaining(`espalier resume ${folder}`) },
  ]);
  await resume(folder, { data });
  const after = (await readEvents(folder)).slice(before.length);
  expect(after[0]).toMatchObject({ type: "run.started", resumedFrom: 1, step: 1, epoch: 1 });
  expect(after.at(-1)?.type).toBe("run.finished");
});

test("an engine that is as it was is no news, one that differs is reported", async () => {
  const same = join(parent, "same-engine");
  const other = join(parent, "other-engine");
  await interrupt((hooks) => train(tinyResnet(), { ...options, ...hooks, folder: same }), atFirstStep);
  cpSync(same, other, { recursive: true });
  const path = join(other, "run.json");
  const record = JSON.parse(readFileSync(path, "utf8"));
  // The record has the precision beside what the engine says of itself.
  expect(record.engine).toHaveProperty("precision", "f32");
  writeFileSync(path, JSON.stringify({ ...record, engine: { ...record.engine, library: "oneDNN 1.0" } }));
  const changesToldBy = async (folder: string): Promise<string[]> => {
    const told: RunEvent[] = [];
    await interrupt(
      ({ signal, onEvent }) => {
        const follow = (event: RunEvent): void => {
          told.push(event);
          onEvent(event);
        };
        return resume(folder, { data, signal, onEvent: follow });
      },
      ({ type }) => type === "run.started",
    );
    return told.flatMap((event) => (event.type === "notice" ? event.message : []));
  };
  expect(await changesToldBy(same)).toEqual([]);
  expect(await changesToldBy(other)).toEqual([
    "The engine changed (library oneDNN 1.0 → none): the run continues, but not bit for bit",
  ]);
});

test("a signal that is aborted from the start still leaves a run to go on with", async () => {
  const folder = join(parent, "early");
  const stopped = train(tinyResnet(), { ...options, folder, signal: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
  const resumed = await resume(folder, { data });
  expect(resumed.network.weights).toEqual(whole.run?.network.weights);
});

test("a run stopped while it finishes finishes when it is resumed", async () => {
  const folder = join(parent, "finishing");
  await interrupt(
    (hooks) => train(tinyResnet(), { ...options, ...hooks, folder }),
    (event) => event.type === "exported",
  );
  const resumed = await resume(folder, { data });
  expect(resumed.network.weights).toEqual(whole.run?.network.weights);
  expect(resumed.certificate.passed).toBe(true);
});

test("a damaged checkpoint is passed over, said aloud, and the result is still the same", async () => {
  const folder = join(parent, "damaged");
  await interrupt(
    (hooks) => train(tinyResnet(), { ...options, ...hooks, folder }),
    (event) => event.type === "epoch" && event.epoch === 2,
  );
  expect(await listCheckpoints(folder)).toEqual([12, 6]);
  truncateSync(join(folder, checkpointPath(12), "optimizer.safetensors"), 200);
  const events: RunEvent[] = [];
  await resume(folder, { data, onEvent: (event) => events.push(event) });
  expect(events[0]).toMatchObject({ type: "run.started", resumedFrom: 6 });
  expect(events[1]).toMatchObject({
    type: "notice",
    message: expect.stringMatching(/optimizer\.safetensors.*continues from step 6/),
  });
  expect((await lastState(folder)).network.equals((await lastState(whole.folder)).network)).toBe(true);
});

test("what cannot be resumed is refused with a reason", async () => {
  await expect(resume(join(parent, "nothing"))).rejects.toMatchObject({ code: "missing-file" });
  await expect(resume(whole.folder, { data })).rejects.toMatchObject({
    code: "bad-option",
    message: expect.stringContaining("finished"),
  });
  const folder = join(parent, "other-data");
  await interrupt((hooks) => train(tinyResnet(), { ...options, ...hooks, folder }), atFirstStep);
  await expect(resume(folder, { data: tinyDataset(97) })).rejects.toMatchObject({ code: "checksum" });
  // A dataset made in code has no name that opens it again.
  await expect(resume(folder)).rejects.toMatchObject({ code: "unknown-name" });
});

test.each(["sgd", "muon"] as const)(
  "oneDNN, %s: stopped once or three times, the bits are the same",
  async (optimizer) => {
    if (!(await isInstalled("onednn"))) return;
    const once = join(parent, "once");
    const again = join(parent, "again");
    // Kernels are chosen by timing when a run starts, so both must be the same run.
    const settings: TrainOptions = { ...options, engine: "onednn", optimizer, threads: 2, epochs: 2, folder: once };
    await interrupt((hooks) => train(tinyResnet(), { ...settings, ...hooks }), atFirstStep);
    cpSync(once, again, { recursive: true });
    await resume(once, { data });
    await interrupt((hooks) => resume(again, { ...hooks, data }), atFirstStep);
    await interrupt(
      (hooks) => resume(again, { ...hooks, data }),
      (event) => event.type === "epoch",
    );
    await resume(again, { data });
    const [a, b] = [await readCheckpoint(once, 12), await readCheckpoint(again, 12)];
    expect(b.optimizer).toEqual(a.optimizer);
    expect(b.network.weights).toEqual(a.network.weights);
    expect(b.progress.choices).toEqual(a.progress.choices);
  },
);

test("a finished run goes on for more epochs, with the schedule of the longer run, and says so", async () => {
  const folder = join(parent, "longer");
  cpSync(whole.folder, folder, { recursive: true });
  const run = await resume(folder, { data, epochs: 5 });
  expect(run.certificate.passed).toBe(true);
  const events = await readEvents(folder);
  const again = events.slice(events.findLastIndex(({ type }) => type === "run.started"));
  expect(again[0]).toMatchObject({ epochs: 5, totalSteps: 30, resumedFrom: 18, options: { epochs: 5 } });
  const said = again.flatMap((event) => (event.type === "notice" ? [event.message] : []));
  expect(said).toContain("The run gets 5 epochs instead of 3, from step 18 on");
  const steps = again.filter((event) => event.type === "step");
  expect(steps[0]?.learningRate).toBeCloseTo(
    learningRateAt({ kind: "one-cycle", peak: 0.2, peakAt: 0.2, startDivisor: 25, endDivisor: 1e4 }, 18, 30),
    10,
  );
  expect(steps.at(-1)?.step).toBe(30);
  // The record is that of the longer run, which later sessions accept with the checkpoints from before.
  const record = await readRunRecord(folder);
  expect(record).toMatchObject({ settings: { epochs: 5 }, extensions: [{ epochs: 3, step: 18 }] });
  const history = historyOf(events);
  expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
  expect(history.finished?.step).toBe(30);
  await expect(resume(folder, { data })).rejects.toThrow(/the run is finished/);
  await expect(resume(folder, { data, epochs: 5 })).rejects.toThrow(/for more epochs than it has/);
  await expect(resume(folder, { data, epochs: 99_999_999_999 })).rejects.toThrow(/at most 1000000 epochs/);
});

test("a longer run that is stopped before its next checkpoint ends with the bits of one that was not", async () => {
  const [stopped, straight] = [join(parent, "stopped-longer"), join(parent, "straight-longer")];
  for (const folder of [stopped, straight]) cpSync(whole.folder, folder, { recursive: true });
  await interrupt((hooks) => resume(stopped, { ...hooks, data, epochs: 4 }), atFirstStep);
  await resume(stopped, { data });
  await resume(straight, { data, epochs: 4 });
  const [one, other] = [await lastState(stopped), await lastState(straight)];
  expect(one.step).toBe(24);
  expect(one.network.equals(other.network)).toBe(true);
  // The epochs of run.json may only be changed by such a resume.
  const path = join(straight, "run.json");
  writeFileSync(path, readFileSync(path, "utf8").replace('"epochs": 4', '"epochs": 9'));
  await expect(resume(straight, { data, epochs: 10 })).rejects.toMatchObject({ code: "checksum" });
});

test("a finished run that gets more epochs goes on if it is stopped before its first event", async () => {
  const [stopped, straight] = [join(parent, "stopped-at-once"), join(parent, "straight")];
  for (const folder of [stopped, straight]) cpSync(whole.folder, folder, { recursive: true });
  const log = readFileSync(join(stopped, "events.jsonl"));
  await interrupt((hooks) => resume(stopped, { ...hooks, data, epochs: 4 }), atFirstStep);
  // As if the process had been killed while the plans were prepared.
  rmSync(join(stopped, "checkpoints"), { recursive: true });
  cpSync(join(whole.folder, "checkpoints"), join(stopped, "checkpoints"), { recursive: true });
  writeFileSync(join(stopped, "events.jsonl"), log);
  await resume(stopped, { data });
  await resume(straight, { data, epochs: 4 });
  const [one, other] = [await lastState(stopped), await lastState(straight)];
  expect(one.step).toBe(24);
  expect(one.network.equals(other.network)).toBe(true);
});

test("as many epochs or fewer, and no number of threads, are refused with what to do", async () => {
  for (const epochs of [3, 2, 0, 4.5]) {
    await expect(resume(whole.folder, { data, epochs })).rejects.toMatchObject({
      code: "bad-option",
      message: expect.stringContaining("more than 3"),
    });
  }
  await expect(resume(whole.folder, { data, threads: 0 })).rejects.toMatchObject({ code: "bad-option" });
});
