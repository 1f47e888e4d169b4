/** What happens to a job if one of its ranks differs from the others, diverges from them, or is lost. */
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { listCheckpoints, readCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { readEvents } from "../../src/training/run-folder/event-log.ts";
import type { SettingsInput } from "../../src/training/settings/settings.ts";
import { temporaryFolder } from "../training/tiny.ts";
import { installedMpis, type Launched, launch } from "./launch.ts";

const settings: SettingsInput = {
  epochs: 3,
  batch: 12,
  select: { neurons: 0.01 },
  engine: "reference",
  latency: false,
};

function start(
  ranks: number,
  action: "train" | "resume",
  folder: string,
  more: Partial<SettingsInput> = {},
  other: object = {},
): Promise<Launched> {
  const parameters = [action, folder, JSON.stringify({ ...settings, ...more }), JSON.stringify(other)];
  return launch(ranks, "test/distributed/run-child.ts", parameters);
}

const runFolder = (): string => join(temporaryFolder(), "run");
const processOf = (folder: string, rank: number): number =>
  Number(readFileSync(join(`${folder}.processes`, `${rank}`), "utf8"));

async function untilCheckpoint(folder: string, number: number): Promise<void> {
  const isThere = (): boolean => {
    const path = join(folder, "checkpoints");
    return existsSync(path) && readdirSync(path).filter((name) => /^step-\d+$/.test(name)).length >= number;
  };
  while (!isThere()) await setTimeout(50);
}

describe.skipIf(!installedMpis.includes("openmpi"))("a job", () => {
  it("is refused once, with the nearest valid batch sizes, if the batch cannot be split evenly", async () => {
    const { exitCode, stderr } = await start(3, "train", runFolder(), { batch: 10 });
    expect(exitCode).toBe(2);
    expect(stderr.match(/cannot be divided evenly among 3 ranks/g)).toHaveLength(1);
    expect(stderr).toContain("Use --batch 9 or 12");
  });

  it.each([
    [{ seed: 7 }, 'another option "seed"'],
    [{ images: 108 }, "another set of training images"],
  ])("is refused if a rank has %j", async (other, message) => {
    const folder = runFolder();
    const { exitCode, stderr } = await start(2, "train", folder, {}, other);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`rank 1 on ${hostname()} has ${message} than rank 0`);
    expect(existsSync(folder)).toBe(false);
  });

  it("is refused if a rank runs another version", async () => {
    const other = temporaryFolder();
    for (const path of ["src", "test/distributed/run-child.ts", "test/training/tiny-network.ts"]) {
      cpSync(path, join(other, path), { recursive: true });
    }
    symlinkSync(resolve("node_modules"), join(other, "node_modules"));
    const own = JSON.parse(readFileSync("package.json", "utf8")) as { readonly version: string };
    writeFileSync(join(other, "package.json"), JSON.stringify({ ...own, version: "9.9.9" }));
    const folder = runFolder();
    const parameters = ["train", folder, JSON.stringify(settings)];
    const { exitCode, stderr } = await launch(2, "test/distributed/run-child.ts", parameters, { other });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(
      `rank 1 on ${hostname()} has another version of Espalier than rank 0 (expected ${own.version}, got 9.9.9)`,
    );
    expect(existsSync(folder)).toBe(false);
  });

  it("stops if the weights of its ranks differ, and names the first tensor", async () => {
    const { exitCode, stdout, stderr } = await launch(3, "test/distributed/identity-child.ts", []);
    expect(stdout.match(/the same at first/g)).toHaveLength(3);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('"weights 1" is not the same on all ranks');
    expect(stderr).toContain(`another value on rank 1 on ${hostname()}`);
  });

  it("ends soon after a rank was killed, and resumes on another number of ranks", async () => {
    const folder = runFolder();
    const job = start(3, "train", folder, { epochs: 200 });
    await untilCheckpoint(folder, 2);
    const killedAt = performance.now();
    process.kill(processOf(folder, 2), "SIGKILL");
    const { exitCode, stderr } = await job;
    expect(performance.now() - killedAt).toBeLessThan(30_000);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/rank 2\b/);
    expect(stderr).toContain(hostname());
    const [last = -1] = await listCheckpoints(folder);
    expect((await readCheckpoint(folder, last)).progress.step).toBe(last);

    const going = start(2, "resume", folder);
    const events = async () => (await readEvents(folder)).filter(({ type }) => type === "run.started");
    while ((await events()).length < 2) await setTimeout(100);
    expect((await events()).at(-1)).toMatchObject({ resumedFrom: last, engine: { ranks: "2" } });
    await untilCheckpoint(folder, 2);
    process.kill(processOf(folder, 1), "SIGKILL");
    expect((await going).exitCode).not.toBe(0);
  }, 240_000);

  it("ends if a rank sends no beats, and names the rank", async () => {
    const folder = runFolder();
    const job = start(2, "train", folder, { epochs: 1000 });
    await untilCheckpoint(folder, 1);
    const stopped = processOf(folder, 1);
    process.kill(stopped, "SIGSTOP");
    const stoppedAt = performance.now();
    const { exitCode, stderr } = await job;
    expect(performance.now() - stoppedAt).toBeLessThan(30_000);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(`rank 1 on ${hostname()} is lost: it sent no sign of life for`);
  }, 240_000);
});
