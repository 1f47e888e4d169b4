/** When γ is at work: after some epochs, until a budget is met; and batch norms that cannot make up for it. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/training/events/events.ts";
import { budgetWindow } from "../../src/training/gamma/gamma-schedule.ts";
import { resume } from "../../src/training/resume.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { type Told, temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const STEPS_PER_EPOCH = 12;
const options: TrainOptions = {
  data: tinyDataset(),
  engine: "reference",
  epochs: 6,
  batch: 8,
  schedule: { kind: "one-cycle", peak: 0.05 },
  latency: false,
};

async function tell(overrides: Partial<TrainOptions>): Promise<Told> {
  return trainTiny({ ...options, ...overrides });
}

function firstDeath({ events }: Told): number {
  return Math.min(...events.filter(({ type }) => type === "structure.zeroed").map(({ step }) => step));
}

describe("γ after some epochs", () => {
  const strong = { select: { neurons: 3, blocks: 3 }, gammaAfter: 2, shrink: false } as const;

  test("takes nothing before, and everything after", async () => {
    const told = await tell(strong);
    expect(firstDeath(told)).toBeGreaterThan(2 * STEPS_PER_EPOCH);
    expect(told.run.after.macs).toBeLessThan(0.6 * told.run.before.macs);
    expect(firstDeath(await tell({ ...strong, gammaAfter: 0 }))).toBeLessThanOrEqual(STEPS_PER_EPOCH);
  });

  test("goes on bit for bit after a break on either side", async () => {
    const whole = await tell(strong);
    for (const at of [STEPS_PER_EPOCH + 1, 3 * STEPS_PER_EPOCH + 1]) {
      const folder = join(temporaryFolder(), "run");
      const controller = new AbortController();
      const onEvent = ({ step }: RunEvent): void => {
        if (step >= at) controller.abort();
      };
      const stopped = train(tinyResnet(), { ...options, ...strong, folder, onEvent, signal: controller.signal });
      await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
      const resumed = await resume(folder, { data: tinyDataset() });
      expect(resumed.network.weights).toEqual(whole.run.network.weights);
    }
  });

  test("holds for budgets, too", async () => {
    const told = await tell({ budget: "60%", select: { neurons: 1 }, gammaAfter: 2 });
    expect(firstDeath(told)).toBeGreaterThan(2 * STEPS_PER_EPOCH);
    const left = told.run.after.macs / told.run.before.macs;
    expect(Math.abs(left - 0.6)).toBeLessThan(0.08);
  });
});

test("a budget is met by the epoch that is named", async () => {
  const metAt = async (budgetBy: number): Promise<number> => {
    const { events } = await tell({ budget: "60%", select: { neurons: 1 }, budgetBy, epochs: 8 });
    return events.find((event) => event.type === "budget" && event.isMet)?.epoch ?? Number.POSITIVE_INFINITY;
  };
  expect(await metAt(2)).toBeLessThanOrEqual(3);
  expect(await metAt(5)).toBeGreaterThan(3);
});

test("the cost falls in the usual part of the run, from where γ begins, and to where the budget is due", () => {
  const progressAt = (epochs: number): number => epochs / 10;
  expect(budgetWindow({}, progressAt)).toEqual({ start: 0.08, end: 0.55 });
  const later = budgetWindow({ gammaAfter: 4 }, progressAt);
  expect(later.start).toBe(0.4);
  expect(later.end).toBeCloseTo(0.4 + (0.47 / 0.92) * 0.6, 10);
  expect(budgetWindow({ gammaAfter: 1, budgetBy: 3 }, progressAt)).toEqual({ start: 0.1, end: 0.3 });
  expect(budgetWindow({ budgetBy: 2.75 }, progressAt)).toEqual({ start: 0.04, end: 0.275 });
  const atTheEnd = budgetWindow({ gammaAfter: 9, budgetBy: 10 }, progressAt);
  expect(atTheEnd.end).toBe(0.8);
  expect(atTheEnd.start).toBeLessThan(0.8);
});

test("batch norms' scales stay what they are if they are fixed, and factors are trained all the same", async () => {
  const { run } = await tell({ select: { neurons: 0.001 }, fixBatchNormScale: true, epochs: 2, shrink: false });
  const valuesOf = (kind: string): number[] =>
    run.network.graph.parameters
      .filter((parameter) => parameter.kind === kind)
      .flatMap(({ name }) => [...(run.network.weights.get(name)?.data ?? [])]);
  expect(valuesOf("scale").length).toBeGreaterThan(8);
  expect(valuesOf("scale").every((value) => value === 1)).toBe(true);
  expect(valuesOf("factor").some((value) => value !== 1)).toBe(true);
  expect(valuesOf("shift").some((value) => value !== 0)).toBe(true);
});

test.each<readonly [Partial<TrainOptions>, RegExp]>([
  [{ gammaAfter: 6 }, /γ would start after the last of 6 epochs/],
  [{ budgetBy: 3 }, /a time to meet the budget, but no budget/],
  [{ budget: "60%", budgetBy: 7 }, /cannot be met by epoch 7.*at most 6 epochs/s],
  [{ budget: "60%", gammaAfter: 3, budgetBy: 2 }, /cannot be met by epoch 2.*above 3/s],
])("%o is refused before anything is written", async (overrides, message) => {
  const folder = join(temporaryFolder(), "run");
  await expect(train(tinyResnet(), { ...options, ...overrides, folder })).rejects.toThrow(message);
  await expect(readRunRecord(folder)).rejects.toMatchObject({ code: "missing-file" });
});
