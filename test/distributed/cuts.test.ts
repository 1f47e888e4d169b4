/** Prunes while several ranks train: all ranks prune the same structures after the same step, as one process would. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { historyOf } from "../../src/report/history.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import type { SettingsInput } from "../../src/training/settings/settings.ts";
import { isInstalled } from "../training/engines.ts";
import { temporaryFolder } from "../training/tiny.ts";
import { installedMpis, launch } from "./launch.ts";

/** Prunes single neurons and a block within six epochs of ten steps. */
const settings: SettingsInput = {
  epochs: 6,
  batch: 12,
  select: { neurons: 0.4, blocks: 0.4 },
  syncBatchNorm: true,
  shrink: { patience: 1, rebuildSteps: 0 },
  latency: false,
  threads: 1,
};

async function trained(ranks: number, more: Partial<SettingsInput>) {
  const folder = join(temporaryFolder(), "run");
  const parameters = ["train", folder, JSON.stringify({ ...settings, ...more })];
  const { exitCode, stdout, stderr } = await launch(ranks, "test/distributed/run-child.ts", parameters);
  expect(exitCode, stderr).toBe(0);
  return { events: await readEvents(folder), compacts: stdout.match(/(?<=compact )\w+/g) ?? [] };
}

/** The pruned structures and the step of each cut, without measured and rounded values. */
function cutsOf(events: readonly RunEvent[]) {
  return events.flatMap((event) =>
    event.type === "network.shrunk"
      ? [
          {
            step: event.step,
            before: event.before,
            after: event.after,
            cuts: event.cuts.map(({ margin: _, ...of }) => of),
          },
        ]
      : [],
  );
}

describe.skipIf(installedMpis.length === 0).each(["reference", "onednn"] as const)("%s", (engine) => {
  it("prunes on 2 and 3 ranks what one process prunes, after the same steps, with the same result", async (context) => {
    if (!(await isInstalled(engine))) return context.skip();
    const one = await trained(1, { engine });
    const wanted = cutsOf(one.events);
    // oneDNN computes 8 or 16 channels at once: single neurons of layers this narrow stay until the end of training.
    const kinds = engine === "reference" ? ["neuron", "block"] : ["block"];
    expect(wanted.length).toBeGreaterThan(engine === "reference" ? 1 : 0);
    expect(wanted.flatMap(({ cuts }) => cuts).map(({ kind }) => kind)).toEqual(expect.arrayContaining(kinds));
    const epochs = (events: readonly RunEvent[]) => events.filter((event) => event.type === "epoch");
    for (const ranks of [2, 3]) {
      const { events, compacts } = await trained(ranks, { engine });
      const of = `${ranks} ranks`;
      expect(cutsOf(events), of).toEqual(wanted);
      expect(compacts, of).toHaveLength(ranks);
      // Equal bit for bit, although each rank pruned its own copy.
      expect(new Set(compacts).size, of).toBe(1);
      for (const [index, { trainLoss, testAccuracy }] of epochs(one.events).entries()) {
        expect(epochs(events)[index]?.trainLoss, of).toBeCloseTo(trainLoss, 3);
        expect(epochs(events)[index]?.testAccuracy, of).toBe(testAccuracy);
      }
    }
  }, 300_000);
});

describe.skipIf(!installedMpis.includes("openmpi"))("a run that prunes while it trains", () => {
  it("has the same weights on all ranks, though each batch norm measures its own rank's images", async () => {
    const own = { engine: "reference", syncBatchNorm: false, shrink: { patience: 0.25, rebuildSteps: 0 } } as const;
    const { events, compacts } = await trained(2, own);
    expect(cutsOf(events).some(({ step }) => step % 10 !== 0)).toBe(true);
    expect(new Set(compacts).size).toBe(1);
  }, 120_000);

  it("resumes with the smaller network on another number of ranks after one was killed", async () => {
    const folder = join(temporaryFolder(), "run");
    const start = (ranks: number, action: string) => {
      const own = { ...settings, engine: "reference", epochs: 40 };
      return launch(ranks, "test/distributed/run-child.ts", [action, folder, JSON.stringify(own)]);
    };
    const job = start(2, "train");
    const isCut = async (): Promise<boolean> => {
      const events = await readEvents(folder).catch(() => []);
      return cutsOf(events).length > 0 && events.at(-1)?.type === "step";
    };
    while (!(await isCut())) await setTimeout(20);
    process.kill(Number(readFileSync(join(`${folder}.processes`, "1"), "utf8")), "SIGKILL");
    expect((await job).exitCode).not.toBe(0);
    const before = cutsOf(await readEvents(folder));

    const again = await start(3, "resume");
    expect(again.exitCode, again.stderr).toBe(0);
    const { shrinks, sessions, finished } = historyOf(await readEvents(folder));
    expect(sessions).toBe(2);
    expect(cutsOf(shrinks.map(({ cut }) => cut)).slice(0, before.length)).toEqual(before);
    expect(finished?.after.macs).toBeLessThanOrEqual(before.at(-1)?.after.macs ?? 0);
    expect(new Set(again.stdout.match(/(?<=compact )\w+/g)).size).toBe(1);
  }, 240_000);
});
