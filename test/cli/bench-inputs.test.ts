/** `espalier bench` of networks with inputs besides the images: in ONNX Runtime, and their training step. */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { execute } from "./support.ts";

function fixture(name: string): string {
  return fileURLToPath(new URL(`../formats/onnx/fixtures/inputs/${name}.onnx`, import.meta.url));
}

describe("bench of a network with several inputs", () => {
  it("times it in ONNX Runtime and counts its MACs", async () => {
    const options = ["--runs", "2", "--batch", "4", "--threads", "1", "--json"];
    const { exitCode, stdout } = await execute(["bench", fixture("patient"), ...options]);
    expect(exitCode).toBe(0);
    const { files, latencies } = JSON.parse(stdout);
    // Convolutions of 16 x 16 pixels, from 3 and 8 channels to 8; 3 facts to 6; 14 features to 2.
    expect(files[0].macs).toBe(256 * 8 * 9 * (3 + 8) + 3 * 6 + 14 * 2);
    expect(latencies.map(([{ batch }]: [{ batch: number }]) => batch)).toEqual([1, 4]);
  });

  it.each([[], ["--gamma", "neurons=0.01"]])("times a training step of it, with %j", async (...more) => {
    const options = ["--step", "--runs", "2", "--batch", "4", "--threads", "1", "--engine", "reference", "--json"];
    const { exitCode, stdout, stderr } = await execute(["bench", fixture("patient"), ...options, ...more]);
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining("✗")]);
    expect(JSON.parse(stdout)).toMatchObject({ batch: 4, runs: 2 });
    expect(JSON.parse(stdout).medianMs).toBeGreaterThan(0);
  });
});
