/** A network's file is read once, however many want to know something of it: kinds, preprocessing, input, weights. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { execute, tinyWorkplace } from "./support.ts";

const read: string[] = [];

vi.mock("../../src/formats/file.ts", async (importOriginal) => {
  const file = await importOriginal<typeof import("../../src/formats/file.ts")>();
  return {
    ...file,
    readBytes: (path: string) => {
      read.push(path);
      return file.readBytes(path);
    },
  };
});

let workplace: string;
let model: string;
let data: string;
beforeAll(async () => {
  workplace = await tinyWorkplace();
  model = join(workplace, "tiny.onnx");
  data = join(workplace, readdirSync(workplace).find((name) => name.startsWith("data-")) ?? "");
});
afterAll(() => rmSync(workplace, { recursive: true, force: true }));
beforeEach(() => void read.splice(0));

const timesRead = (): number => read.filter((path) => path === model).length;
const quick = ["--engine", "reference", "--json"];

test("by train, with a γ whose kinds depend on it", async () => {
  const trained = await execute([
    ...["train", model, "--data", data, "--gamma", "0.01", "--epochs", "1", "--batch", "16", "--no-latency"],
    ...["--mean", "0.5", "--std", "0.5", "--out", join(workplace, "once"), ...quick],
  ]);
  expect([trained.exitCode, trained.stderr]).toEqual([0, ""]);
  expect(timesRead()).toBe(1);
});

test("by eval", async () => {
  const scored = await execute(["eval", model, "--data", data, "--mean", "0.5", "--std", "0.5", ...quick]);
  expect(scored.exitCode).toBe(0);
  expect(timesRead()).toBe(1);
});

test("by a sweep of two runs twice: before its data are opened, and for all runs together", async () => {
  const plan = {
    ...{ version: 1, model, data, images: { mean: [0.5], standardDeviation: [0.5] }, seeds: [1, 2], controls: [] },
    settings: { epochs: 1, batch: 16, engine: "reference", latency: false },
    points: [{ name: "plain", settings: {} }],
  };
  const folder = mkdtempSync(join(tmpdir(), "espalier-once-"));
  writeFileSync(join(folder, "plan.json"), JSON.stringify(plan));
  const swept = await execute(["sweep", join(folder, "plan.json"), "--out", join(folder, "sweep"), "--json"]);
  expect([swept.exitCode, swept.stderr]).toEqual([0, ""]);
  expect(timesRead()).toBe(2);
  rmSync(folder, { recursive: true });
});
