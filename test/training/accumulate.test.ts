/**
 * Runs whose steps are worked through in parts: where nothing is taken from a part's own statistics they train as with
 * whole batches, to rounding; and they go on bit for bit, shrink and keep a budget as any run does.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { EngineName } from "../../src/engine/create.ts";
import { engineNames } from "../../src/engine/create.ts";
import type { Graph, Weights } from "../../src/graph/graph.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import type { Run } from "../../src/training/finish/run.ts";
import { resume } from "../../src/training/resume.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset, tinyResnet, tinyWithoutNorms } from "./tiny.ts";

const options: TrainOptions = {
  data: tinyDataset(),
  engine: "reference",
  epochs: 4,
  batch: 12,
  select: { neurons: 0.02, blocks: 0.02 },
  schedule: { kind: "cosine", peak: 0.05 },
  shrink: false,
  latency: false,
};

interface Told {
  readonly run: Run;
  readonly events: readonly RunEvent[];
}

async function tell(graph: Graph, overrides: Partial<TrainOptions>): Promise<Told> {
  const folder = join(temporaryFolder(), "run");
  const run = await train(graph, { ...options, folder, ...overrides });
  return { run, events: await readEvents(folder) };
}

/** Largest difference, over the largest value of each parameter. */
function apart(a: Weights, b: Weights): number {
  return Math.max(
    ...[...a].map(([name, { data }]) => {
      const other = b.get(name)?.data ?? new Float32Array();
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-2);
      return Math.max(...data.map((value, index) => Math.abs(value - (other[index] ?? Number.NaN)))) / largest;
    }),
  );
}

describe.each<EngineName>(engineNames)("%s", (engine) => {
  test.each([
    ["labels", {}],
    [
      "soft targets, mixed in pairs over the whole batch",
      { labelSmoothing: 0.1, mixing: { kind: "mixup", alpha: 0.3 } },
    ],
    ["clipped gradients", { clipNorm: 0.05 }],
  ] as const)("parts add up to whole batches: %s", async (_, more) => {
    if (!(await isInstalled(engine))) return;
    const shared = { ...more, engine, threads: 1 };
    const whole = await tell(tinyWithoutNorms(), shared);
    const parts = await tell(tinyWithoutNorms(), { ...shared, accumulate: 3 });
    expect(apart(whole.run.network.weights, parts.run.network.weights)).toBeLessThan(2e-4);
    const epochs = ({ events }: Told) => events.filter((event) => event.type === "epoch");
    for (const [index, epoch] of epochs(whole).entries()) {
      const other = epochs(parts)[index];
      expect(other?.step).toBe(epoch.step);
      expect(other?.trainLoss).toBeCloseTo(epoch.trainLoss, 4);
      expect(other?.trainAccuracy).toBeCloseTo(epoch.trainAccuracy, 3);
    }
  });
});

test("a run with batch norms goes on bit for bit after a break, while it shrinks to a budget", async () => {
  const shared = { accumulate: 2, budget: "60%", epochs: 8, shrink: { patience: 1, rebuildSteps: 0 } } as const;
  const { select: _, ...others } = options;
  const start = (more: Partial<TrainOptions>): Promise<Run> => train(tinyResnet(), { ...others, ...shared, ...more });
  const whole = await start({ folder: join(temporaryFolder(), "run") });
  expect(whole.after.macs).toBeLessThan(whole.before.macs);
  const folder = join(temporaryFolder(), "run");
  const controller = new AbortController();
  const onEvent = ({ step }: RunEvent): void => {
    if (step >= 37) controller.abort();
  };
  await expect(start({ folder, signal: controller.signal, onEvent })).rejects.toMatchObject({ code: "interrupted" });
  const resumed = await resume(folder, { data: tinyDataset() });
  expect(resumed.network.weights).toEqual(whole.network.weights);
});

test("parts that a batch cannot be divided into are refused before anything is written", async () => {
  const folder = join(temporaryFolder(), "run");
  await expect(train(tinyResnet(), { ...options, accumulate: 5, folder })).rejects.toThrow(
    /12 images in a step cannot be divided into 5 equal parts.*--accumulate 4 or 6/s,
  );
  await expect(readRunRecord(folder)).rejects.toMatchObject({ code: "missing-file" });
});
