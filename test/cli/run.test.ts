import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { espalier, execute, start, tinyWorkplace } from "./support.ts";

let workplace: string;
let data: string;

beforeAll(async () => {
  workplace = await tinyWorkplace();
  data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

/** `espalier train tiny.onnx …` with the reference engine, which runs everywhere. */
function training(...more: readonly string[]): readonly string[] {
  return [
    ...["train", join(workplace, "tiny.onnx"), "--data", data],
    ...["--engine", "reference", "--batch", "16", "--no-latency"],
    ...more,
  ];
}

function events(stdout: string): { type: string; [key: string]: unknown }[] {
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("train", () => {
  it("trains, cuts, proves and reports, in plain lines", async () => {
    const { exitCode, stdout, stderr } = await espalier(
      training("--epochs", "2", "--gamma", "0.01", "--out", "plain"),
      workplace,
    );
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/tiny on idx +2 epochs of 96 images/);
    expect(stdout).toMatch(/γ neurons 0.01, blocks 0.01/);
    expect(stdout).toMatch(/1\/2 .*%.*\n.*2\/2 .*%/);
    expect(stdout).toMatch(/certificate: pruning changed no answer/);
    expect(stdout).toMatch(/report +plain\/report.html\n.*compact +plain\/compact.onnx/);
    expect(stdout).not.toContain("\u001b");
    const html = await readFile(join(workplace, "plain", "report.html"), "utf8");
    expect(html).toContain("<h1>tiny on idx: ");
    expect(html).toContain('class="narrow"');
  });

  it("prints events and nothing else with --json, the same as in the run's folder", async () => {
    const { exitCode, stdout } = await espalier(
      training("--epochs", "1", "--gamma-neurons", "0.01", "--name", "json", "--json"),
      workplace,
    );
    expect(exitCode).toBe(0);
    const printed = events(stdout);
    expect(printed[0]?.type).toBe("run.started");
    expect(printed.at(-1)?.type).toBe("run.finished");
    const stored = await readFile(join(workplace, "runs", "json", "events.jsonl"), "utf8");
    expect(printed).toEqual(events(stored));
  });

  it("refuses a folder that is taken, and tells how to go on with it", async () => {
    await mkdir(join(workplace, "taken"));
    await writeFile(join(workplace, "taken", "notes.txt"), "mine");
    const again = await execute(training("--epochs", "1", "--out", join(workplace, "taken")));
    expect(again.exitCode).toBe(2);
    expect(again.stderr).toMatch(/\[run-exists\]\n.*espalier resume .*taken/);
  });

  it("refuses a kind of structure the network lacks", async () => {
    const { exitCode, stderr } = await execute(training("--epochs", "1", "--gamma-groups", "0.01"));
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/no groups to select.*\n.*It has: neurons, blocks/);
  });
});

describe("Ctrl-C", () => {
  it("stops at a step boundary with a checkpoint; resume comes to the same end", async () => {
    const child = start(training("--epochs", "40", "--gamma", "0.01", "--out", "stopped", "--json"), workplace);
    let seen = "";
    const stopAtFirstStep = (chunk: Buffer): void => {
      seen += chunk.toString();
      if (!seen.includes('"type":"step"')) return;
      child.stdout.off("data", stopAtFirstStep);
      child.kill("SIGINT");
    };
    child.stdout.on("data", stopAtFirstStep);
    const { exitCode, stdout, stderr } = await child;
    expect(exitCode).toBe(130);
    expect(stderr).toMatch(/\[interrupted\]\n.*espalier resume/);
    const [last, ...before] = events(stdout).reverse();
    expect(last).toMatchObject({ error: { code: "interrupted" } });
    expect(before[0]?.type).toBe("interrupted");

    const resumed = await espalier(["resume", "stopped"], workplace);
    expect([resumed.exitCode, resumed.stderr]).toEqual([0, ""]);
    expect(resumed.stdout).toMatch(/resumed from step \d+/);
    const whole = await execute(training("--epochs", "40", "--gamma", "0.01", "--out", join(workplace, "whole")));
    expect(whole.exitCode).toBe(0);
    const compact = (run: string): Promise<Buffer> => readFile(join(workplace, run, "compact.onnx"));
    expect((await compact("stopped")).equals(await compact("whole"))).toBe(true);
  });

  it("leaves quietly when whoever read the output has gone", async () => {
    const child = start(["inspect", "resnet-110"]);
    child.stdout.destroy();
    const { exitCode, stderr } = await child;
    expect([exitCode, stderr]).toEqual([0, ""]);
  });
});

describe("eval", () => {
  it("scores a file: the same accuracy for the network and its compact form", async () => {
    const folder = join(workplace, "scored");
    expect((await execute(training("--epochs", "6", "--gamma", "0.005", "--out", folder))).exitCode).toBe(0);
    const scoreIn = async (file: string, ...more: readonly string[]): Promise<Record<string, unknown>> => {
      const { exitCode, stdout } = await execute(["eval", join(folder, file), "--data", data, "--json", ...more]);
      expect(exitCode).toBe(0);
      return JSON.parse(stdout);
    };
    const score = (file: string, ...more: readonly string[]): Promise<Record<string, unknown>> =>
      scoreIn(file, "--engine", "reference", ...more);
    const before = await score("network.onnx");
    const after = await score("compact.onnx");
    expect(before).toMatchObject({ images: 40, dataset: "idx" });
    expect(after["accuracy"]).toBe(before["accuracy"]);
    expect(before["accuracy"]).toBe((100 * Number(before["correct"])) / 40);
    expect(await score("compact.onnx", "--limit", "7")).toMatchObject({ images: 7 });
    const inRuntime = await scoreIn("compact.onnx", "--runtime");
    expect(inRuntime).toMatchObject({ correct: after["correct"], confusion: after["confusion"] });
    expect(inRuntime["loss"]).toBeCloseTo(Number(after["loss"]), 5);
    const counts = before["confusion"] as readonly (readonly number[])[];
    expect(counts.flat().reduce((sum, count) => sum + count, 0)).toBe(40);
    expect(counts.reduce((sum, row, label) => sum + (row[label] ?? 0), 0)).toBe(before["correct"]);
    const page = join(folder, "evaluation.html");
    await score("compact.onnx", "--html", page);
    expect(await readFile(page, "utf8")).toContain("compact.onnx on idx");
    // Every image the same once the deviation is huge: at most one class can be right.
    expect((await score("compact.onnx", "--mean", "0", "--std", "1e9"))["correct"]).toBeLessThanOrEqual(14);
  });

  it("wants --mean and --std together, one number a channel", async () => {
    const arguments_ = ["eval", join(workplace, "tiny.onnx"), "--data", data, "--engine", "reference", "--mean", "0.5"];
    const alone = await execute(arguments_);
    expect([alone.exitCode, alone.stderr]).toEqual([2, expect.stringContaining("--mean and --std go together")]);
    const wrong = await execute([...arguments_, "--std", "1,1,1"]);
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining("[bad-option]")]);
  });
});
