/**
 * Hooks of a caller's own: when they are called, what they see, what of them is in a checkpoint, and how one ends a
 * run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { EpochResult, RunHook } from "../../src/training/hooks/run-hook.ts";
import { resume } from "../../src/training/resume.ts";
import { listCheckpoints, readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const data = tinyDataset();
/** Three epochs of six steps. */
const options: TrainOptions = {
  data,
  engine: "reference",
  epochs: 3,
  batch: 16,
  select: { neurons: 0.4, blocks: 0.4 },
  latency: false,
};

let folder: string;
beforeEach(() => {
  folder = join(temporaryFolder(), "run");
});

/** Counts the steps it has seen, over breaks. */
function counter(name = "counter"): RunHook & { readonly given: unknown[]; count: number } {
  const hook = {
    name,
    given: [] as unknown[],
    count: 0,
    begin: (_: unknown, state: unknown): void => {
      hook.given.push(state);
      hook.count = typeof state === "number" ? state : 0;
    },
    afterStep: (): void => {
      hook.count++;
    },
    state: (): number => hook.count,
  };
  return hook;
}

test("a hook is called at the start, after each step and each epoch, and at the end", async () => {
  const calls: string[] = [];
  const epochs: EpochResult[] = [];
  const hook: RunHook = {
    name: "witness",
    begin: ({ step }, state) => void calls.push(`begin ${step} ${state}`),
    afterStep: ({ step, isEpochEnd }) => void calls.push(`${isEpochEnd ? "last step" : "step"} ${step}`),
    afterEpoch: ({ step, epoch }, result) => {
      calls.push(`epoch ${epoch} at ${step}`);
      epochs.push(result);
    },
    end: ({ step }) => void calls.push(`end ${step}`),
  };
  const { events } = await trainTiny({ ...options, epochs: 2, hooks: [hook] });
  const steps = (first: number): string[] => Array.from({ length: 5 }, (_, index) => `step ${first + index}`);
  expect(calls).toEqual([
    "begin 0 undefined",
    ...[...steps(1), "last step 6", "epoch 1 at 6"],
    ...[...steps(7), "last step 12", "epoch 2 at 12"],
    "end 12",
  ]);
  const told = events.flatMap((event) => (event.type === "epoch" ? event : []));
  for (const [index, { trainLoss, trainAccuracy, testAccuracy, testImages, cost, layers }] of told.entries()) {
    expect(epochs[index]).toMatchObject({ trainLoss, trainAccuracy, testAccuracy, testImages, cost, layers });
  }
});

test("what begins first ends last", async () => {
  const calls: string[] = [];
  const hook = (name: string): RunHook => ({
    name,
    begin: () => void calls.push(`begin ${name}`),
    end: () => void calls.push(`end ${name}`),
  });
  await trainTiny({ ...options, epochs: 1, hooks: [hook("a"), hook("b")] });
  expect(calls).toEqual(["begin a", "begin b", "end b", "end a"]);
});

test("a hook ends training after an epoch: what is there then is pruned, certified and saved", async () => {
  const hook: RunHook = { name: "stopper", afterEpoch: (run) => run.endTraining() };
  const { run, events } = await trainTiny({ ...options, hooks: [hook], evaluationImages: 8 });
  expect(events.filter(({ type }) => type === "epoch")).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ type: "run.finished", step: 6, testImages: 40 });
  expect(run.certificate.passed).toBe(true);
  expect((await readCheckpoint(run.folder, 6)).progress.isEnded).toBe(true);
  // The run's accuracy is on all test images, which the epoch did not score.
  expect(run.before.accuracy).toBeCloseTo(run.after.accuracy, 10);
  // As the first epoch of any run with these settings.
  const whole = await trainTiny(options);
  const [first] = whole.events.filter(({ type }) => type === "checkpoint").slice(1);
  expect(first).toMatchObject({ step: 6 });
});

test("a hook ends training within an epoch, and the run is not trained on when it is resumed", async () => {
  const hook: RunHook = {
    name: "stopper",
    afterStep: (run) => {
      if (run.step === 8) run.endTraining();
    },
  };
  const controller = new AbortController();
  const stopped = train(tinyResnet(), {
    ...options,
    folder,
    hooks: [hook],
    signal: controller.signal,
    onEvent: ({ type }) => {
      if (type === "exported") controller.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
  expect((await listCheckpoints(folder))[0]).toBe(8);
  const before = readFileSync(join(folder, "network.onnx"));
  await resume(folder, { data });
  expect((await readEvents(folder)).at(-1)).toMatchObject({ type: "run.finished", step: 8 });
  expect(readFileSync(join(folder, "network.onnx")).equals(before)).toBe(true);
});

/** A run that is stopped after its seventh step. */
async function stopped(hooks: readonly RunHook[]): Promise<void> {
  const controller = new AbortController();
  const stop: RunHook = {
    name: "stop",
    afterStep: ({ step }) => {
      if (step === 7) controller.abort();
    },
  };
  const run = train(tinyResnet(), { ...options, folder, hooks: [...hooks, stop], signal: controller.signal });
  await expect(run).rejects.toMatchObject({ code: "interrupted" });
}

test("what a hook remembers is in the checkpoint, and handed back when the run is resumed", async () => {
  const first = counter();
  await stopped([first]);
  expect((await readCheckpoint(folder, 7)).hooks).toMatchObject({ counter: 7, warnings: { given: [] } });
  const second = counter();
  await resume(folder, { data, hooks: [second] });
  expect([first.given, second.given, second.count]).toEqual([[undefined], [7], 18]);
  expect((await readCheckpoint(folder, 18)).hooks["counter"]).toBe(18);
});

test("a run is not resumed without a hook that remembers something", async () => {
  await stopped([counter()]);
  await expect(resume(folder, { data })).rejects.toMatchObject({
    code: "bad-option",
    message: expect.stringContaining('with the hook "counter"'),
  });
});

test.each([
  ["one of ours", [counter("warnings")]],
  ["another's", [counter(), counter()]],
])("a hook with the name of %s is refused before anything is written", async (_, hooks) => {
  const run = train(tinyResnet(), { ...options, folder, hooks });
  await expect(run).rejects.toMatchObject({ code: "bad-option", message: expect.stringContaining("two hooks called") });
  await expect(listCheckpoints(folder)).rejects.toMatchObject({ code: "missing-file" });
});

test("what a hook throws ends the run", async () => {
  const hook: RunHook = {
    name: "thrower",
    afterStep: () => {
      throw new RangeError("enough");
    },
  };
  await expect(train(tinyResnet(), { ...options, folder, hooks: [hook] })).rejects.toThrow("enough");
});

test("a checkpoint is written after any step that a hook asks for one", async () => {
  const hook: RunHook = {
    name: "saver",
    afterStep: (run) => {
      if (run.step === 4) run.requestCheckpoint();
    },
  };
  const { events } = await trainTiny({ ...options, epochs: 1, hooks: [hook] });
  expect(events.flatMap(({ type, step }) => (type === "checkpoint" ? step : []))).toEqual([0, 4, 6]);
});
