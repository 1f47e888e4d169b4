/** Three hosts train, one is lost, and the other two resume from the checkpoint. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { checkpointPath, listCheckpoints } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { temporaryFolder } from "../training/tiny.ts";
import { makeHosts } from "./hosts.ts";
import { installedMpis, launch } from "./launch.ts";

const hosts = installedMpis.includes("openmpi") ? await makeHosts(3) : "Open MPI is not installed";
if (typeof hosts === "string") console.warn(`skipped: no hosts can be made of namespaces here (${hosts})`);

afterAll(async () => {
  if (typeof hosts !== "string") await hosts.remove();
});

describe.skipIf(typeof hosts === "string")("three hosts", () => {
  it("train, lose one, and two of them resume", async () => {
    if (typeof hosts === "string") return;
    const { names, options, unplug, end } = hosts;
    const [first = "", second = "", third = ""] = names;
    const folder = join(temporaryFolder(), "run");
    const settings = { batch: 12, select: { neurons: 0.01 }, engine: "reference", latency: false, epochs: 30 };
    const start = (action: string, on: readonly string[]) =>
      launch(on.length, "test/distributed/run-child.ts", [action, folder, JSON.stringify(settings)], {
        options: [...options, "--host", on.join(",")],
      });

    const job = start("train", names);
    const early: string[] = [];
    void job.then(({ stderr }) => early.push(stderr));
    while (!existsSync(join(folder, checkpointPath(20))) && early.length === 0) await setTimeout(50);
    expect(early).toEqual([]);
    await unplug(third);
    const pulledAt = performance.now();
    // The other ranks have noticed the loss and ended. A process that is left on the third host would keep the job's
    // pipes open.
    void setTimeout(20_000).then(() => end(third));
    const { exitCode, stderr } = await job;
    expect(performance.now() - pulledAt).toBeLessThan(30_000);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(`rank 2 on ${third}`);

    const [last = -1] = await listCheckpoints(folder);
    const resumed = await start("resume", [first, second]);
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    const events = await readEvents(folder);
    expect(events.filter(({ type }) => type === "run.started")).toMatchObject([
      { resumedFrom: null, engine: { ranks: "3" } },
      { resumedFrom: last, engine: { ranks: "2" } },
    ]);
    expect(events.at(-1)).toMatchObject({ type: "run.finished", step: 300 });
  }, 300_000);
});
