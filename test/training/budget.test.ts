/**
 * Runs with a budget on networks that train in seconds: what is left at the end, what they tell, on either side of a
 * break.
 */
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Run } from "../../src/training/finish/run.ts";
import { resume } from "../../src/training/resume.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { type Told, temporaryFolder, tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const options: TrainOptions = {
  data: tinyDataset(),
  engine: "reference",
  epochs: 8,
  batch: 8,
  // So that the few structures are not thrown about.
  schedule: { kind: "one-cycle", peak: 0.05 },
  latency: false,
};

async function tell(overrides: Partial<TrainOptions>): Promise<Told> {
  return trainTiny({ ...options, ...overrides });
}

function left({ before, after }: Run): number {
  return after.macs / before.macs;
}

describe("a tiny network", () => {
  // Its two branches have 4 neurons each, of about a ninth of the MACs each: that is how near whole structures come.
  const NEURON = 0.12;

  test("ends as near to its budget as its structures are fine, and tells how it gets there", async () => {
    const { run, events } = await tell({ budget: "60%", select: { neurons: 1 } });
    expect(Math.abs(left(run) - 0.6)).toBeLessThan(NEURON / 2 + 0.02);
    const standings = events.filter((event) => event.type === "budget");
    expect(standings.length).toBeGreaterThan(2);
    const last = standings.at(-1);
    expect(last?.isMet).toBe(true);
    expect(last?.gamma).toEqual({ neuron: 0 });
    expect(last?.left).toBeCloseTo(left(run), 2);
    expect(Math.max(...standings.map(({ gamma }) => gamma.neuron ?? 0))).toBeGreaterThan(0);
    expect(standings[0]).toMatchObject({ of: "macs", share: 0.6 });
  });

  test("goes on bit for bit after a break, shrinking or not", async () => {
    const shrink = { patience: 1, rebuildSteps: 0 };
    const whole = await tell({ budget: "60%", shrink });
    const folder = join(temporaryFolder(), "run");
    const controller = new AbortController();
    const stopped = train(tinyResnet(), {
      ...options,
      budget: "60%",
      shrink,
      folder,
      signal: controller.signal,
      onEvent: ({ step }) => {
        if (step >= 37) controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
    const resumed = await resume(folder, { data: tinyDataset() });
    expect(resumed.network.weights).toEqual(whole.run.network.weights);
  });

  test("goes on bit for bit from a checkpoint of the version before, and from one that knew less", async () => {
    const whole = await tell({ budget: "60%" });
    const folder = join(temporaryFolder(), "run");
    const controller = new AbortController();
    const stopped = train(tinyResnet(), {
      ...{ ...options, budget: "60%", folder, signal: controller.signal },
      onEvent: ({ step }) => {
        if (step >= 37) controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
    const other = join(temporaryFolder(), "run");
    cpSync(folder, other, { recursive: true });
    asVersion1(folder, (budget) => budget);
    expect((await resume(folder, { data: tinyDataset() })).network.weights).toEqual(whole.run.network.weights);
    asVersion1(other, ({ holds: _, ...budget }) => budget);
    expect((await resume(other, { data: tinyDataset() })).certificate.passed).toBe(true);
  });

  test("keeps its budget in run.json as it is meant", async () => {
    const { run } = await tell({ budget: "1M-params", epochs: 1 }).catch((error: Error) => ({ run: error }));
    expect(run).toMatchObject({ code: "bad-option" });
    const told = await tell({ budget: "90%-params", epochs: 1 });
    expect((await readRunRecord(told.run.folder)).settings.budget).toEqual({ of: "parameters", share: 0.9 });
  });
});

const json = z.record(z.string(), z.json());

/** Rewrites the last checkpoint in `folder` as version 1 had it; `change`: what that knew of the budget. */
function asVersion1(folder: string, change: (budget: z.infer<typeof json>) => z.infer<typeof json>): void {
  const last = readdirSync(join(folder, "checkpoints")).toSorted().at(-1) ?? "";
  const path = join(folder, "checkpoints", last, "state.json");
  const { body } = z.object({ body: json }).parse(JSON.parse(readFileSync(path, "utf8")));
  const { hooks, version: _, progress, ...rest } = body;
  const budget = change(json.parse(json.parse(hooks)["budget"]));
  const before = { version: 1, progress: { ...json.parse(progress), budget }, ...rest };
  const sha256 = createHash("sha256").update(JSON.stringify(before)).digest("hex");
  writeFileSync(path, JSON.stringify({ body: before, sha256 }));
}

/** "Met" is said of what a cut leaves, or not at all. */
function checkMet({ events }: Told): void {
  for (const event of events) {
    if (event.type === "budget" && event.isMet) expect(event.left).toBeLessThanOrEqual(event.share + 0.02);
  }
}

function missedIn({ events }: Told): { readonly message: string; readonly hint: string }[] {
  return events.flatMap((event) => (event.type === "warning" && event.reason === "budget-missed" ? event : []));
}

test("says at the end that its layers are narrow, where whole channels cannot come nearer", async () => {
  const told = await tell({ budget: "70%", select: { neurons: 1 } });
  const [missed] = missedIn(told);
  expect(missed?.message).toMatch(/is left: the nearest to 70\.0 %/);
  expect(missed?.hint).toBe("Select blocks and streams too, or ask for a share that whole structures can meet");
  expect(Math.abs(left(told.run) - 0.7)).toBeLessThan(0.12);
});

test("says at the end that it had too few steps", async () => {
  const told = await tell({ budget: "40%", select: { neurons: 1 }, epochs: 1, batch: 32 });
  checkMet(told);
  const [missed] = missedIn(told);
  expect(left(told.run)).toBeGreaterThan(0.5);
  expect(missed?.hint).toBe("Train for more epochs: the structures had too few steps to reach zero");
});

test("a budget that whole structures cannot come near is refused, with the nearest and the other kinds", async () => {
  const refused = await tell({ budget: "75%", select: { blocks: 1 }, epochs: 4 }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "bad-option" });
  const { message } = refused instanceof Error ? refused : new Error("trained");
  expect(message).toMatch(/whole structures of .* cannot come near the budget .*nearest that they can come to/s);
  expect(message).toMatch(/Selected: blocks.*select neurons and streams too/s);
  const nearest = Number(/Ask for (\d+\.\d) %/.exec(message)?.[1]);
  expect(Math.abs(nearest - 75)).toBeGreaterThan(5);
  const { run, events } = await tell({ budget: `${nearest}%`, select: { blocks: 1 }, epochs: 4 });
  checkMet({ run, events });
  expect(Math.abs(100 * left(run) - nearest)).toBeLessThan(2);
});

test("says that gammaBy has no effect, and trains as without it", async () => {
  const [plain, scaled] = [await tell({ budget: "60%" }), await tell({ budget: "60%", gammaBy: "macs" })];
  const about = ({ events }: Told): number =>
    events.filter((event) => event.type === "notice" && event.message.includes("gammaBy (--gamma-by) has no effect"))
      .length;
  expect([about(plain), about(scaled)]).toEqual([0, 1]);
  expect(scaled.run.network.weights).toEqual(plain.run.network.weights);
});

test.each([
  [{ budget: "120%" }, /at most 100 %/],
  [{ budget: "1%" }, /at least \d+\.\d % of/],
  [{ budget: "10G-macs" }, /at most .* MACs/],
  [{ budget: "20M-watts" }, /no unit "watts"/],
  [{ budget: "50%", select: { groups: 1 } }, /no groups.*It has: neurons, blocks/],
  [{ budget: "50%", select: { neurons: 0 } }, /no structures can be pruned to meet the budget/],
])("%o is refused before anything is written", async (overrides, message) => {
  const folder = join(temporaryFolder(), "run");
  await expect(train(tinyResnet(), { ...options, ...overrides, folder })).rejects.toThrow(message);
  await expect(readRunRecord(folder)).rejects.toMatchObject({ code: "missing-file" });
});

test("in too few steps, nothing goes that need not have gone", async () => {
  const told = await tell({ budget: "80%", select: { neurons: 1, blocks: 100 }, epochs: 1 });
  checkMet(told);
  expect(left(told.run)).toBeGreaterThan(0.78);
});
