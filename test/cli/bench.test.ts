import { rm } from "node:fs/promises";
import { join } from "node:path";
import stringWidth from "string-width";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Interruption } from "../../src/cli/interruption.ts";
import { openNetwork } from "../../src/cli/network.ts";
import { withStatusLine } from "../../src/cli/view/status-line.ts";
import { stepTimeLines, stepTimeStatus } from "../../src/cli/view/step-time.ts";
import type { StepTime } from "../../src/evaluation/step-time.ts";
import { execute, recordingTerminal, tinyWorkplace } from "./support.ts";

let workplace: string;
beforeAll(async () => {
  workplace = await tinyWorkplace();
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

/** `espalier bench tiny.onnx --step …`: three steps of eight images. */
function bench(...more: readonly string[]): ReturnType<typeof execute> {
  const file = join(workplace, "tiny.onnx");
  return execute(["bench", file, "--step", "--batch", "8", "--runs", "3", "--threads", "1", ...more]);
}

describe("bench --step", () => {
  it.each(["reference", "onednn"])("measures in the %s engine, as JSON", async (engine) => {
    const { exitCode, stdout } = await bench("--engine", engine, "--json");
    expect(exitCode).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ model: "tiny", batch: 8, precision: "f32", threads: 1, runs: 3 });
    expect(result.engine.name).toBe(engine);
    expect(result.minMs).toBeGreaterThan(0);
    expect(result.medianMs).toBeGreaterThanOrEqual(result.minMs);
    expect(result.maxMs).toBeGreaterThanOrEqual(result.medianMs);
    expect(result.imagesPerSecond).toBeCloseTo((1000 * 8) / result.medianMs, 6);
    expect(result.bytes).toBeGreaterThan(0);
    expect(result).not.toHaveProperty("steps");
  });

  it("has the plan with --explain, and factors with --gamma", async () => {
    const ops = async (...more: readonly string[]): Promise<string[]> => {
      const { stdout } = await bench("--engine", "reference", "--explain", "--json", ...more);
      const { steps } = JSON.parse(stdout);
      expect(steps.reduce((sum: number, { share }: { share: number }) => sum + share, 0)).toBeCloseTo(1, 9);
      return steps.map(({ op }: { op: string }) => op);
    };
    const proximal = (names: readonly string[]): number =>
      names.filter((op) => op === "accelerated_proximal_gradient").length;
    expect(proximal(await ops())).toBe(0);
    // One neuron layer inside the only block, and the block itself.
    expect(proximal(await ops("--gamma", "0.01"))).toBe(2);
    expect(proximal(await ops("--gamma", "blocks=0.01"))).toBe(1);
  });

  it("prints a table whose columns line up, and the plan's bytes in a line", async () => {
    const { exitCode, stdout, stderr } = await bench("--engine", "reference", "--explain");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/tiny {2}one training step of 8 images in f32, no scaling factors/);
    const table = stdout.split("\n").filter((line) => / share$| %$/.test(line));
    expect(table[0]).toMatch(/^ {2}op +node +implementation +ms +GFLOP\/s +share$/);
    expect(table.length).toBeGreaterThan(20);
    expect(new Set(table.map((line) => stringWidth(line))).size).toBe(1);
    expect(stdout).toMatch(/step +[\d.]+ ms \(median of 3 runs, [\d.]+ ms to [\d.]+ ms\)/);
    expect(stdout).toMatch(/images +[\d,]+ a second/);
    expect(stdout).toMatch(/plan +[\d.]+ [kM]B \([\d,]+ bytes\)/);
    expect(stderr).toBe(
      [
        "… preparing the plan: kernels that are new to this machine are timed once",
        "… warming up",
        "… timing each step of the plan\n",
      ].join("\n"),
    );
  });

  it.each([
    [["bench", "resnet-20"], "bad-option", "espalier bench resnet-20 --step"],
    [["bench", "resnet-21", "--step"], "unknown-name", 'Did you mean "resnet-20"?'],
    [["bench", "no-such.onnx", "--step"], "missing-file", "no-such.onnx"],
    [["bench", "resnet-20", "--step", "--precision", "bf61"], "unknown-name", 'Did you mean "bf16"?'],
    [["bench", "resnet-20", "--step", "--runs", "0"], "bad-option", "a whole number from 1"],
    [["bench", "resnet-20", "--step", "--gamma", "groups=0.1"], "bad-option", "It has: neurons, blocks"],
    [["bench", "resnet-20", "--step", "--engine", "reference", "--precision", "bf16"], "engine-refused", "bf16"],
  ])("%j is a mistake: %s", async (arguments_, code, text) => {
    const { exitCode, stdout, stderr } = await execute(arguments_);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`[${code}]`);
    expect(stderr).toContain(text);
  });
});

it("a network is a model's name or a file", async () => {
  const named = await openNetwork("resnet-20", { classes: 7, size: 16 });
  expect([named.graph.name, named.graph.inputs[0]?.shape, named.weights.size]).toEqual([
    "resnet-20",
    ["N", 3, 16, 16],
    0,
  ]);
  const file = await openNetwork(join(workplace, "tiny.onnx"), { classes: 7 });
  expect([file.graph.name, file.weights.size]).toEqual(["tiny", file.graph.parameters.length]);
});

describe("its view", () => {
  const time: StepTime = {
    ...{ median: 94.6, minimum: 94, maximum: 97.25, runs: 20, imagesPerSecond: 1353.1 },
    ...{ batch: 128, bytes: 212_000_000, steps: [] },
    precision: "bf16",
  };
  const engine = { name: "onednn", library: "oneDNN 3.6.0", threads: "2" };
  const conditions = { model: "resnet-20", structures: 345, threads: 2, engine };

  it("says how long, how many and how large", () => {
    const { terminal } = recordingTerminal();
    expect(stepTimeLines(time, conditions, terminal)).toEqual([
      "",
      "  resnet-20  one training step of 128 images in bf16, 345 scaling factors",
      "  onednn, oneDNN 3.6.0, 2 threads",
      "",
      "  step     94.6 ms (median of 20 runs, 94.0 ms to 97.3 ms)",
      "  images   1,353 a second",
      "  plan     212 MB (212,000,000 bytes)",
    ]);
  });

  it("leaves the speed of steps without arithmetic blank", () => {
    const steps = [
      { op: "convolution", node: "a", implementation: "direct", milliseconds: 3, gigaflops: 1234.5, share: 0.75 },
      { op: "relu_backward", node: "b", implementation: "eltwise", milliseconds: 1, gigaflops: 0, share: 0.25 },
    ];
    const { terminal } = recordingTerminal();
    const lines = stepTimeLines({ ...time, steps }, conditions, terminal);
    expect(lines.slice(4, 7)).toEqual([
      "  op              node   implementation      ms   GFLOP/s    share",
      "  convolution     a      direct           3.000     1,235   75.0 %",
      "  relu backward   b      eltwise          1.000             25.0 %",
    ]);
  });

  it("counts the timed steps", () => {
    expect(stepTimeStatus({ phase: "timing", run: 0, runs: 20 })).toBe("warming up");
    expect(stepTimeStatus({ phase: "timing", run: 7, runs: 20 })).toBe("timing step 7 of 20");
  });
});

describe("the status line", () => {
  const terminals = (isTerminal: boolean) => {
    const stderr = recordingTerminal({ isTerminal, environment: { TERM: "xterm", NO_COLOR: "1" } });
    const context = { stdout: recordingTerminal().terminal, stderr: stderr.terminal, interruption: new Interruption() };
    return { context, text: stderr.text };
  };

  it("is redrawn on a terminal and wiped in the end, also by an error", async () => {
    const { context, text } = terminals(true);
    const work = withStatusLine(context, async (show) => {
      show("timing", "step 1");
      show("timing", "step 2");
      throw new Error("broken off");
    });
    await expect(work).rejects.toThrow("broken off");
    expect(text()).toMatch(/… step 1[\s\S]*… step 2/);
    // Erase the line (ECMA-48, EL 2) comes after the last text.
    expect(text().lastIndexOf("\u001b[2K")).toBeGreaterThan(text().lastIndexOf("step 2"));
  });

  it("is a line for each kind of work elsewhere", async () => {
    const { context, text } = terminals(false);
    const result = await withStatusLine(context, async (show) => {
      for (const step of [1, 2, 3]) show(step < 3 ? "timing" : "explaining", `step ${step}`);
      return 42;
    });
    expect([result, text()]).toEqual([42, "… step 1\n… step 3\n"]);
  });
});
