/** A timed step of several ranks reports which of its sums were hidden behind computing. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { initialize } from "../../src/models/initialize.ts";
import { temporaryFolder, tinyResnet } from "../training/tiny.ts";
import { installedMpis, launch } from "./launch.ts";

async function bench(...flags: readonly string[]): Promise<string> {
  const model = join(temporaryFolder(), "tiny.onnx");
  await saveOnnx({ graph: tinyResnet(), weights: initialize(tinyResnet(), 1) }, model);
  const parameters = ["bench", model, "--step", "--engine", "reference", "--batch", "12", "--runs", "3", ...flags];
  const { exitCode, stdout, stderr } = await launch(2, "src/cli/main.ts", parameters);
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

interface Document {
  readonly communication: {
    readonly ranks: number;
    readonly bytes: number;
    readonly sums: readonly {
      readonly bucket: string;
      readonly bytes: number;
      readonly startedAt: number;
      readonly doneAt: number;
      readonly neededAt: number;
      readonly waitedMilliseconds: number;
    }[];
  };
  readonly steps: readonly { readonly op: string }[];
}

describe.skipIf(!installedMpis.includes("openmpi"))("a step of two ranks, explained", () => {
  it("has the start and the end of each bucket, and accounts for all bytes", async () => {
    const { communication, steps } = JSON.parse(await bench("--explain", "--json")) as Document;
    const { ranks, bytes, sums } = communication;
    expect(ranks).toBe(2);
    expect(sums[0]).toMatchObject({ bucket: "loss", startedAt: 0 });
    expect(sums.length).toBeGreaterThan(1);
    expect(sums.reduce((total, sum) => total + sum.bytes, 0)).toBe(bytes);
    for (const { startedAt, doneAt, neededAt, waitedMilliseconds } of sums) {
      expect(doneAt).toBeGreaterThanOrEqual(startedAt);
      expect(neededAt).toBeGreaterThanOrEqual(startedAt);
      expect(waitedMilliseconds).toBeGreaterThanOrEqual(0);
    }
    expect(sums.map(({ startedAt }) => startedAt)).toEqual(
      sums.map(({ startedAt }) => startedAt).toSorted((a, b) => a - b),
    );
    expect(steps.filter(({ op }) => op.startsWith("all_reduce_begin"))).toHaveLength(sums.length);
  }, 60_000);

  it("prints them as a table, with the sums of batch norms for --sync-bn", async () => {
    const text = await bench("--explain", "--sync-bn");
    expect(text).toMatch(/sum of +bytes +started +done +needed +waited\n +loss +/);
    expect(text).toMatch(/stem\.norm\.backward\.sums +32 B/);
    expect(text).toMatch(/sums +.*over 2 ranks/);
  }, 60_000);
});
