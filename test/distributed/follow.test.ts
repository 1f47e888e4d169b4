/**
 * Several ranks with synchronised batch normalization train as one process does, up to rounding. All ranks have the
 * same weights, bit for bit (the run itself checks this in every epoch).
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { optional } from "../../src/core/optional.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import type { Weights } from "../../src/graph/graph.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import type { SettingsInput } from "../../src/training/settings/settings.ts";
import { isInstalled } from "../training/engines.ts";
import { temporaryFolder } from "../training/tiny.ts";
import { installedMpis, launch } from "./launch.ts";

/** 120 images in batches of 12: five epochs are 50 steps. */
const settings: SettingsInput = {
  epochs: 5,
  batch: 12,
  select: { neurons: 0.01, blocks: 0.01 },
  schedule: { kind: "cosine", peak: 0.05 },
  syncBatchNorm: true,
  shrink: false,
  latency: false,
  threads: 1,
};

interface Outcome {
  readonly weights: Weights;
  readonly losses: readonly number[];
  readonly accuracies: readonly number[];
}

async function trained(
  ranks: number,
  more: Partial<SettingsInput> & { readonly withNorms?: boolean },
  mpi = installedMpis[0],
): Promise<Outcome> {
  const folder = join(temporaryFolder(), "run");
  const options = optional({ mpi });
  const { exitCode, stderr } = await launch(
    ranks,
    "test/distributed/run-child.ts",
    ["train", folder, JSON.stringify({ ...settings, ...more })],
    options,
  );
  expect(exitCode, stderr).toBe(0);
  const epochs = (await readEvents(folder)).filter((event) => event.type === "epoch");
  return {
    weights: (await loadOnnx(join(folder, "network.onnx"))).weights,
    losses: epochs.map(({ trainLoss }) => trainLoss),
    accuracies: epochs.map(({ testAccuracy }) => testAccuracy),
  };
}

function apart(a: Weights, b: Weights): number {
  let most = 0;
  for (const [name, { data }] of a) {
    const other = b.get(name)?.data ?? new Float32Array(data.length).fill(Number.NaN);
    const largest = data.reduce((sum, value) => Math.max(sum, Math.abs(value)), 1e-2);
    for (const [index, value] of data.entries()) {
      const difference = Math.abs(value - (other[index] ?? Number.NaN)) / largest;
      // NaN counts as a large difference.
      if (!(difference <= most)) most = difference;
    }
  }
  return most;
}

describe.skipIf(installedMpis.length === 0).each(["reference", "onednn"] as const)("%s", (engine) => {
  it("2, 3 and 4 ranks train as one process does for 50 steps", async (context) => {
    if (!(await isInstalled(engine))) return context.skip();
    const one = await trained(1, { engine });
    expect(one.losses.at(-1)).toBeLessThan(0.8 * (one.losses[0] ?? 0));
    for (const ranks of [2, 3, 4]) {
      const several = await trained(ranks, { engine });
      const of = `${ranks} ranks`;
      for (const [epoch, loss] of one.losses.entries()) expect(several.losses[epoch], of).toBeCloseTo(loss, 4);
      expect(apart(one.weights, several.weights), of).toBeLessThan(1e-3);
      expect(several.accuracies, of).toEqual(one.accuracies);
    }
  }, 300_000);
});

describe.skipIf(installedMpis.length === 0)("micro-batches", () => {
  it("2 ranks with 3 micro-batches each train as one process with whole batches does", async () => {
    const shared = { engine: "reference", withNorms: false, syncBatchNorm: false } as const;
    const one = await trained(1, shared);
    const two = await trained(2, { ...shared, accumulate: 3 });
    for (const [epoch, loss] of one.losses.entries()) expect(two.losses[epoch]).toBeCloseTo(loss, 4);
    expect(apart(one.weights, two.weights)).toBeLessThan(1e-3);
  });
});

describe.skipIf(!installedMpis.includes("mpich"))("MPICH", () => {
  it("2 ranks train as one process does", async () => {
    const one = await trained(1, { engine: "reference" }, "mpich");
    const two = await trained(2, { engine: "reference" }, "mpich");
    expect(two.losses).toHaveLength(5);
    for (const [epoch, loss] of one.losses.entries()) expect(two.losses[epoch]).toBeCloseTo(loss, 4);
    expect(apart(one.weights, two.weights)).toBeLessThan(1e-3);
  });
});
