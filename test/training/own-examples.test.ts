/**
 * The examples of a hook and a γ schedule of one's own as they stand: the test imports the very files. Only what it
 * cannot afford is replaced: CIFAR-10 by a few images of that shape, and 40 epochs by a few.
 */
import { expect, test, vi } from "vitest";
import type { DatasetReference, Graph, Run, TrainingRun, TrainOptions, Weights } from "../../src/index.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset } from "./tiny.ts";

const seen: Run[] = [];
/** The largest γ of each step. */
const gammas: number[] = [];
const engine = (await isInstalled("onednn")) ? "onednn" : "reference";

vi.mock("espalier", async (importOriginal) => {
  const espalier = await importOriginal<typeof import("../../src/index.ts")>();
  const images = tinyDataset(8, 8, [3, 32, 32]);
  const classes = Array.from({ length: 10 }, (_, label) => `class ${label}`);
  return {
    ...espalier,
    cifar10: (): DatasetReference => ({ spec: "cifar10", open: async () => ({ ...images, name: "cifar10", classes }) }),
    train: async (graph: Graph, options: TrainOptions) => {
      // At such a rate the loss falls only by chance.
      const schedule = { kind: "cosine", peak: 1e-9 } as const;
      const cheap = { epochs: 12, batch: 4, engine, latency: false, schedule, augment: false } as const;
      const { gammaPolicy, ...others } = options;
      const watched = gammaPolicy && {
        ...gammaPolicy,
        gammas: (now: TrainingRun): Weights => {
          const found = gammaPolicy.gammas(now);
          gammas.push(Math.max(...[...found.values()].flatMap(({ data }) => [...data])));
          return found;
        },
      };
      const hooked = watched === undefined ? others : { ...others, gammaPolicy: watched };
      const run = await espalier.train(graph, { ...hooked, ...cheap });
      seen.push(run);
      return run;
    },
  };
});

async function runExample(load: () => Promise<unknown>): Promise<Run> {
  process.chdir(temporaryFolder());
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await load();
  const last = seen.at(-1);
  if (last === undefined) throw new Error("the example trained nothing");
  const { before, after } = last;
  expect(log).toHaveBeenCalledWith(`${before.macs} → ${after.macs} MACs, ${after.accuracy} % accurate`);
  expect(last.certificate.passed).toBe(true);
  return last;
}

test("the hook ends a run whose loss does not fall, and says so", async () => {
  const run = await runExample(() => import("../../examples/own-hook.ts"));
  const events = await readEvents(run.folder);
  const epochs = events.flatMap((event) => (event.type === "epoch" ? event : []));
  const losses = epochs.map(({ trainLoss }) => trainLoss);
  expect(losses.length).toBeGreaterThan(3);
  expect(losses.length).toBeLessThan(12);
  // Three times in a row it was not below the lowest so far.
  const lowest = Math.min(...losses.slice(0, -3));
  for (const loss of losses.slice(-3)) expect(loss).toBeGreaterThanOrEqual(lowest);
  expect(events.some((event) => event.type === "notice" && event.message.includes("training ends here"))).toBe(true);
});

test("the policy decides on γ: the run's record names it", async () => {
  const run = await runExample(() => import("../../examples/own-gamma.ts"));
  expect((await readRunRecord(run.folder)).gammaPolicy).toBe("rising");
  expect(gammas).toHaveLength(24);
  const expected = gammas.map((_, step) => 0.02 * Math.min(1, step / 12));
  for (const [step, gamma] of gammas.entries()) expect(gamma).toBeCloseTo(expected[step] ?? 0, 7);
});
