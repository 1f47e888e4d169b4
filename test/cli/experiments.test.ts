/** Sweeps, controls and comparisons from the command line, on a network small enough to be trained here. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { execute, tinyWorkplace } from "./support.ts";

let workplace: string;
let folder: string;
let sweep: readonly string[];

beforeAll(async () => {
  workplace = await tinyWorkplace();
  folder = join(workplace, "swept");
  const data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
  sweep = [
    ...["sweep", join(workplace, "tiny.onnx"), "--data", data, "--engine", "reference", "--batch", "16"],
    ...["--epochs", "2", "--no-latency", "--from-scratch", "--out", folder],
  ];
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

test("a sweep trains its points and ends with its table", async () => {
  const { exitCode, stdout, stderr } = await execute([...sweep, "--gammas", "3", "--baseline"]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/run 1 of 2: baseline-seed-1\n.*✓ run 1 of 2.*run 2 of 2: gamma-3-seed-1\n.*✓ run 2 of 2/s);
  const table = stdout.slice(stdout.lastIndexOf("tiny on idx"));
  expect(table).toMatch(/run +aim +.*accuracy +MACs +MACs left/);
  expect(table).toMatch(/baseline-seed-1.*100\.0 %\n.*gamma-3-seed-1.*γ 3 .*\d+\.\d %\n/);
  expect(table).toMatch(/2 of 2 runs finished\n +sweep .*swept\n +plots: espalier compare .*swept --out comparison/);
});

test("started again it trains nothing, and is refused where its settings are others", async () => {
  const again = await execute(["sweep", folder]);
  expect(again.exitCode).toBe(0);
  expect(again.stdout).toMatch(/gamma-3-seed-1 \(already finished\)/);
  expect(again.stdout).not.toContain("1/2");
  const other = await execute([...sweep, "--gammas", "3", "--baseline", "--batch", "8"]);
  expect(other.exitCode).toBe(2);
  expect(other.stderr).toContain("settings.batch: 16 in the folder, 8 in the sweep");
});

test("a control ends beside its run", async () => {
  const { exitCode, stdout } = await execute(["control", join(folder, "gamma-3-seed-1")]);
  expect(exitCode).toBe(0);
  const opening = "from-scratch baseline of gamma-3-seed-1: its pruned architecture with new weights, equal epochs";
  expect(stdout).toContain(opening);
  expect(stdout).toMatch(/from scratch \(epochs\)\n +gamma-3-seed-1 .*\d+\.\d\d % \((?:[+−]\d+\.\d\d|0\.00)\)\n/);
  const refused = await execute(["control", join(folder, "baseline-seed-1")]);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("the run pruned nothing");
});

test("a comparison is printed and written", async () => {
  const out = join(workplace, "comparison");
  const { exitCode, stdout } = await execute(["compare", folder, "--out", out]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /page .*comparison\.html\n +figures .*comparison\.csv\n +by epoch .*\n +by layer .*\n +4 plots/,
  );
  expect(await readFile(join(out, "comparison.csv"), "utf8")).toContain("gamma-3-seed-1-control");
  const json = await execute(["compare", folder, "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ groups: [{ model: "tiny", runs: [{}, {}] }], unfinished: [] });
});
