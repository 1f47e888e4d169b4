import { rm } from "node:fs/promises";
import { join } from "node:path";
import stringWidth from "string-width";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Interruption } from "../../src/cli/interruption.ts";
import { openNetwork } from "../../src/cli/network.ts";
import { planSums, planTable } from "../../src/cli/view/plan-table.ts";
import { withStatusLine } from "../../src/cli/view/status-line.ts";
import { stepTimeLines, stepTimeStatus } from "../../src/cli/view/step-time.ts";
import { required } from "../../src/core/errors.ts";
import type { PlanOperand } from "../../src/engine/engine.ts";
import type { ExplainedStep, StepTime } from "../../src/evaluation/step-time.ts";
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
    const rows = stdout.split("\n").filter((line) => / share$| %$/.test(line));
    const sums = rows.findIndex((line, index) => index > 0 && line.endsWith("share"));
    const [table, summed] = [rows.slice(0, sums), rows.slice(sums)];
    expect(table[0]).toMatch(/^ {2}op +direction +node +implementation .*GFLOP\/s +ms +share$/);
    expect(table.length).toBeGreaterThan(20);
    expect(summed.length).toBeGreaterThan(10);
    for (const part of [table, summed]) expect(new Set(part.map((line) => stringWidth(line))).size).toBe(1);
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
    [["bench"], "bad-option", "Name an ONNX file or a model"],
    [["bench", "no-such.onnx"], "missing-file", "no-such.onnx"],
    [["bench", "resnet-20", "--against", "resnet-21"], "unknown-name", 'Did you mean "resnet-20"?'],
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

describe("bench of files", () => {
  it("compares what two networks cost and how long they take", async () => {
    const file = join(workplace, "tiny.onnx");
    const options = ["--against", "resnet-20", "--runs", "3", "--batch", "4", "--threads", "2"];
    const { exitCode, stdout, stderr } = await execute(["bench", file, ...options]);
    expect([exitCode, stderr.includes("counting the MACs and parameters of tiny.onnx")]).toEqual([0, true]);
    const lines = stdout.split("\n");
    for (const name of ["file", "parameters", "MACs of one image"]) {
      expect(lines.find((line) => line.startsWith(`  ${name}`))).toMatch(/ %$/);
    }
    const timed = lines.filter((line) => /batch [14], [12] threads? .*…/.test(line));
    expect(timed.map((line) => line.slice(2, 20).trim())).toEqual([
      "batch 1, 1 thread",
      "batch 1, 2 threads",
      "batch 4, 1 thread",
      "batch 4, 2 threads",
    ]);
    expect(new Set(timed.map((line) => stringWidth(line))).size).toBe(1);
  });

  it("has it all as JSON, each layer too if asked", async () => {
    const file = join(workplace, "tiny.onnx");
    const options = ["--per-layer", "--runs", "3", "--batch", "2", "--threads", "1", "--json"];
    const { exitCode, stdout } = await execute(["bench", file, ...options]);
    expect(exitCode).toBe(0);
    const { files, latencies } = JSON.parse(stdout);
    expect(files).toHaveLength(1);
    expect(files[0].macs).toBe(8 * 8 * 4 * 9 * (1 + 4 + 4) + 4 * 3);
    expect(files[0].layers.filter(({ op }: { op: string }) => op === "Conv")).toHaveLength(3);
    expect(latencies.map(([{ batch, threads }]: [{ batch: number; threads: number }]) => [batch, threads])).toEqual([
      [1, 1],
      [2, 1],
    ]);
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
    ...{ batch: 128, bytes: 212_000_000, notices: [], times: undefined, steps: [] },
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

  const common = { precision: "bf16", candidates: 1, passedOver: [], operands: [] } as const;
  const operand = (role: string, access: "read" | "write", layout: string, type = "bf16"): PlanOperand => ({
    ...{ role, access, layout, type },
    ...{ shape: [2, 2], bytes: 10 },
  });
  const steps: readonly ExplainedStep[] = [
    {
      ...common,
      ...{ op: "convolution_backward_weights", node: "stage1.block1.conv1.weights.gradient", share: 0.75 },
      ...{ implementation: "brgconv_bwd_w:avx512_core_bf16", milliseconds: 3, gigaflops: 1234.5 },
      ...{ bytes: 6_000_000, gigabytesPerSecond: 2 },
      candidates: 3,
      operands: [
        operand("src", "read", "nChw16c"),
        operand("diff_dst", "read", "nChw16c"),
        operand("diff_weights", "write", "OIhw16i16o", "f32"),
        operand("workspace", "write", "x"),
      ],
      passedOver: [
        { implementation: "nhwc jit:avx2", reason: "took 0.500 ms, the chosen one 0.250 ms" },
        { implementation: "auto wino", reason: "off by 1.0e+0 of the largest value, where 0.0001 is allowed" },
      ],
    },
    {
      ...common,
      ...{ op: "relu_backward", node: "b", implementation: "eltwise", milliseconds: 1, gigaflops: 0, share: 0.25 },
      ...{ bytes: 1_000_000, gigabytesPerSecond: 1 },
      operands: [operand("src", "read", "x")],
    },
  ];

  it("shows each step, what each op takes in each direction, and what was not taken", () => {
    const { terminal } = recordingTerminal({ columns: 200 });
    expect(stepTimeLines({ ...time, steps }, conditions, terminal).slice(4, 16)).toEqual([
      "  op           direction         node                                  implementation                  of  " +
        "layouts                      moved  GB/s  GFLOP/s     ms   share",
      "  convolution  backward weights  stage1.block1.conv1.weights.gradient  brgconv_bwd_w:avx512_core_bf16   3  " +
        "bf16 nChw16c → OIhw16i16o  6.00 MB   2.0    1,235  3.000  75.0 %",
      "  relu         backward          b                                     eltwise                             " +
        "bf16 x →                   1.00 MB   1.0           1.000  25.0 %",
      "",
      "  op           direction         steps  GB/s  GFLOP/s     ms   share",
      "  convolution  backward weights      1   2.0    1,235  3.000  75.0 %",
      "  relu         backward              1   1.0           1.000  25.0 %",
      "",
      "  not taken",
      "  stage1.block1.conv1.weights.gradient convolution backward weights: auto wino: off by 1.0e+0 of the largest " +
        "value, where 0.0001 is allowed",
      "  1 implementation slower than the chosen one (--json has them)",
      "",
    ]);
  });

  it.each([40, 60, 80, 100, 140])(
    "keeps the rows of the plan within %d columns, and always has time and share",
    (width) => {
      const [heading = "", ...rows] = planTable(steps, width);
      for (const line of [heading, ...rows]) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      expect(heading).toMatch(/ms +share$/);
      expect(rows[0]).toMatch(/3\.000 +75\.0 %$/);
    },
  );

  it("sums times and bytes, and weighs speeds by time", () => {
    const [first, second] = [required(steps[0], "a step"), required(steps[1], "another")];
    const sums = planSums(
      [first, { ...first, milliseconds: 1, gigaflops: 434.5, share: 0 }, second].filter((step) => step !== undefined),
    );
    // (3 · 1234.5 + 1 · 434.5) / 4 GFLOP/s; 12 MB in 4 ms.
    expect(sums[1]).toMatch(/^ {2}convolution +backward weights +2 +3\.0 +1,035 +4\.000 +75\.0 %$/);
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
