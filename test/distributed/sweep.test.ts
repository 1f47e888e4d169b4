/** A sweep on several ranks: its runs are distributed over the ranks, or all ranks train each run. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { temporaryFolder, tinyResnet } from "../training/tiny.ts";
import { installedMpis, type Launched, launch } from "./launch.ts";

const settings = { epochs: 3, batch: 16, engine: "reference", latency: false, fromScratch: true };
let model: string;
beforeAll(async () => {
  model = join(temporaryFolder(), "tiny.onnx");
  await saveOnnx({ graph: tinyResnet(), weights: initialize(tinyResnet(), 1) }, model);
});

const points = [
  { name: "strong", settings: { select: { neurons: 3, blocks: 3 } } },
  { name: "wild", settings: { select: { neurons: 0.1 }, schedule: { kind: "step", peak: 1e30 } } },
  { name: "weak", settings: { select: { neurons: 0.001 } } },
];

function start(ranks: number, folder: string, changes: object = {}, manner = ""): Promise<Launched> {
  const plan = { version: 1, model, data: "tiny", settings, points, controls: ["epochs"], ...changes };
  return launch(ranks, "test/distributed/sweep-child.ts", [folder, JSON.stringify(plan), manner]);
}

interface Line {
  readonly type: string;
  readonly name?: string;
  readonly state?: string;
  readonly rank?: number;
  readonly by?: { readonly rank: number; readonly host: string };
  readonly states?: readonly string[];
}

const linesOf = ({ stdout }: Launched): readonly Line[] =>
  stdout.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Line] : []));

describe.skipIf(!installedMpis.includes("openmpi"))("runs distributed over two ranks", () => {
  it("end as on one process, bit for bit, and a run that fails does not stop the others", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const job = await start(2, folder);
    expect(job.exitCode, job.stderr).toBe(0);
    const lines = linesOf(job);
    const states = [
      "strong-seed-1 finished",
      "strong-seed-1-control finished",
      "wild-seed-1 failed",
      "wild-seed-1-control left-out",
      "weak-seed-1 finished",
      "weak-seed-1-control left-out",
    ];
    // Both ranks have the reports of all runs.
    const ends = lines.filter(({ type }) => type === "end").toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
    expect(ends).toMatchObject([
      { rank: 0, states },
      { rank: 1, states },
    ]);
    const started = lines.filter(({ state }) => state === "starting");
    expect(new Set(started.map(({ by }) => by?.rank))).toEqual(new Set([0, 1]));
    expect(started.every(({ by }) => by?.host === hostname())).toBe(true);
    // Rank 0 receives reports of checkpoints that rank 1 wrote.
    const elsewhere = started.find(({ by }) => by?.rank === 1)?.name;
    expect(lines.some(({ type, name }) => type === "checkpoint" && name === elsewhere)).toBe(true);
    expect((await readRunRecord(join(folder, "weak-seed-1"))).engine).not.toHaveProperty("ranks");
    expect(readdirSync(join(folder, "strong-seed-1"))).toContain("report.html");

    const alone = join(temporaryFolder(), "sweep");
    expect((await start(1, alone, { points: points.slice(0, 1) }, "turn")).exitCode).toBe(0);
    for (const name of ["strong-seed-1", "strong-seed-1-control"]) {
      const [one, other] = [folder, alone].map((place) => readFileSync(join(place, name, "network.onnx")));
      expect(one?.equals(other ?? Buffer.of()), name).toBe(true);
    }
  }, 120_000);

  it("resume after a rank was killed, on any number of ranks", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const long = {
      settings: { ...settings, epochs: 60 },
      points: [{ name: "p", settings: { select: { neurons: 0.001 } } }],
      seeds: [1, 2, 3],
      controls: [],
    };
    const job = start(2, folder, long);
    const hasCheckpoint = (name: string): boolean => {
      const path = join(folder, name, "checkpoints");
      return existsSync(path) && readdirSync(path).some((entry) => /^step-\d+$/.test(entry));
    };
    while (!hasCheckpoint("p-seed-1") || !hasCheckpoint("p-seed-2")) await setTimeout(20);
    process.kill(Number(readFileSync(join(`${folder}.processes`, "1"), "utf8")), "SIGKILL");
    const killedAt = performance.now();
    const killed = await job;
    expect(performance.now() - killedAt).toBeLessThan(30_000);
    expect(killed.exitCode).not.toBe(0);
    expect(killed.stderr).toMatch(/rank 1\b/);

    const again = await start(3, folder, long);
    expect(again.exitCode, again.stderr).toBe(0);
    const lines = linesOf(again);
    const begun = lines.filter(({ state }) => state === "starting" || state === "resuming");
    expect(begun.filter(({ state }) => state === "resuming").length).toBeGreaterThan(0);
    expect(lines.find(({ type, rank }) => type === "end" && rank === 0)?.states).toEqual(
      // One run may have finished while the job was ending.
      [1, 2, 3].map((seed) => expect.stringMatching(new RegExp(`^p-seed-${seed} (finished|done)$`))),
    );
    const third = await start(2, folder, long);
    expect(linesOf(third).at(-1)?.states).toEqual([1, 2, 3].map((seed) => `p-seed-${seed} done`));
  }, 240_000);

  it("all stop with a checkpoint when one rank is asked to stop", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const long = {
      settings: { ...settings, epochs: 400 },
      points: [{ name: "p", settings: { select: { neurons: 0.001 } } }],
      seeds: [1, 2],
      controls: [],
    };
    const job = start(2, folder, long);
    const events = async (name: string) =>
      existsSync(join(folder, name, "events.jsonl")) ? readEvents(join(folder, name)) : [];
    while ((await events("p-seed-1")).length < 3 || (await events("p-seed-2")).length < 3) await setTimeout(50);
    process.kill(Number(readFileSync(join(`${folder}.processes`, "1"), "utf8")), "SIGUSR2");
    const { exitCode, stderr } = await job;
    expect(exitCode).toBe(2);
    expect(stderr.match(/the sweep was stopped/g)).toHaveLength(1);
    expect(stderr).toContain("--parallel runs");
    for (const name of ["p-seed-1", "p-seed-2"]) expect((await events(name)).at(-1)?.type).toBe("interrupted");
  }, 120_000);

  it("are refused in a single process, with the command that starts several", async () => {
    const { exitCode, stderr } = await start(1, join(temporaryFolder(), "sweep"));
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/only one.*mpirun -n 4 espalier sweep … --parallel runs/s);
  });
});

describe.skipIf(!installedMpis.includes("openmpi"))("a sweep on two ranks that train each run together", () => {
  it("continues after a run that fails", async () => {
    const folder = join(temporaryFolder(), "sweep");
    const job = await start(2, folder, {}, "turn");
    expect(job.exitCode, job.stderr).toBe(0);
    expect(linesOf(job).find(({ type, rank }) => type === "end" && rank === 1)?.states).toEqual([
      "strong-seed-1 finished",
      "strong-seed-1-control finished",
      "wild-seed-1 failed",
      "wild-seed-1-control left-out",
      "weak-seed-1 finished",
      "weak-seed-1-control left-out",
    ]);
    expect((await readRunRecord(join(folder, "strong-seed-1"))).engine).toMatchObject({ ranks: "2" });
    expect((await loadOnnx(join(folder, "strong-seed-1-control", "compact.onnx"))).graph.nodes.length).toBeGreaterThan(
      0,
    );
  }, 120_000);
});
