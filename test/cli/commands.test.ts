import { describe, expect, it } from "vitest";
import { espalier, execute } from "./support.ts";

describe("help", () => {
  it.each(["train", "resume", "eval", "inspect", "bench", "convert", "data"])(
    "of %s ends with examples",
    async (command) => {
      const { exitCode, stdout, stderr } = await execute([command, "--help"]);
      expect(exitCode).toBe(0);
      expect(stderr).toBe("");
      expect(stdout).toContain(`Usage: espalier ${command}`);
      expect(stdout).toContain("--json");
      expect(stdout).toMatch(new RegExp(`Examples:\\n  espalier ${command} `));
    },
  );

  it.each(["train", "sweep", "data", "eval", "quantize"])("of %s has all options of image files", async (command) => {
    const { stdout } = await execute([command, "--help"]);
    for (const flag of ["--mean", "--std", "--test-share", "--split-seed", "--white"]) expect(stdout).toContain(flag);
  });

  it("is printed, as a mistake, when no command is named", async () => {
    const { exitCode, stdout, stderr } = await execute([]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: espalier");
  });

  it("has a version", async () => {
    expect(await espalier(["--version"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
  });
});

describe("mistakes", () => {
  it.each([
    [["trian"], "unknown-name", "Did you mean train?"],
    [["train", "resnet-20", "--gama", "1"], "unknown-name", "Did you mean --gamma?"],
    [["train", "resnt-20", "--gamma", "0.1"], "unknown-name", 'Did you mean "resnet-20"?'],
    [["train", "resnet-20", "--gamma", "nurons=1"], "unknown-name", 'Did you mean "neurons"?'],
    [["train", "resnet-20", "--data", "cifar01"], "unknown-name", 'Did you mean "cifar10"?'],
    [["train", "resnet-20", "--engine", "onedn"], "unknown-name", 'Did you mean "onednn"?'],
    [["train", "resnet-20", "--gamma", "-1"], "bad-option", "expected 0 or more, got -1"],
    [["train", "resnet-20", "--epochs", "ten"], "bad-option", 'got "ten"'],
    [["train", "resnet-20", "--epochs", "ten"], "bad-option", "Write a whole number, such as 8"],
    [["train", "resnet-20", "--batch", "1.5"], "bad-option", "a whole number from 1"],
    [["train", "resnet-20", "--data", ""], "bad-option", "--data: a value is empty"],
    [["train", "resnet-20", "--budget="], "bad-option", "--budget: a value is empty"],
    [["train", "a.onnx", "--outputs", "a,,b"], "bad-option", "--outputs: a name is empty"],
    [["inspect", "a.onnx", "--outputs", "a,"], "bad-option", "--outputs: a name is empty"],
    [["eval", "", "--data", "cifar10"], "bad-option", "argument 2: a value is empty"],
    [["train"], "bad-option", "Name a model, as in espalier train resnet-20"],
    [["inspect", "no-such.onnx"], "missing-file", "no-such.onnx"],
    [["convert", "a.safetensors", "b.onnx"], "bad-option", "--model"],
    [["convert", "a.onnx", "b.txt"], "bad-option", ".onnx or .safetensors"],
    [["resume", "no-such-run"], "missing-file", "no-such-run"],
    [
      ["sweep", "resnet-20", "--gammas", "0.1", "0.2", "--parallel", "runs"],
      "bad-option",
      "mpirun -n 4 espalier sweep",
    ],
    [["eval", "no-such.onnx", "--data", "./no-such-folder"], "missing-file", "no-such.onnx"],
  ])("%j is a %s", async (arguments_, code, text) => {
    const { exitCode, stdout, stderr } = await execute(arguments_);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(new RegExp(`^✗ .*\\[${code}\\]`));
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it("are JSON on standard output with --json, and still a line for people", async () => {
    const { exitCode, stdout, stderr } = await espalier(["inspect", "resnet-21", "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: "unknown-name", message: 'unknown model "resnet-21"', hint: 'Did you mean "resnet-20"?' },
    });
    expect(stderr).toContain("[unknown-name]");
  });

  it("show a stack with --debug", async () => {
    const { stderr } = await execute(["inspect", "resnet-21", "--debug"]);
    expect(stderr).toMatch(/^ +at /m);
  });
});

describe("inspect", () => {
  it("counts what the paper's ResNet-20 has", async () => {
    const { exitCode, stdout } = await espalier(["inspect", "resnet-20", "--json"]);
    const inspection = JSON.parse(stdout);
    expect(exitCode).toBe(0);
    // 269,722 parameters as published (option A); MACs by hand: 3×3 convolutions of 3→16 and 18 more, and the
    // classifier.
    const stage = (channels: number, pixels: number): number => 9 * channels * channels * pixels;
    const macs =
      9 * 3 * 16 * 1024 +
      6 * stage(16, 1024) +
      (stage(32, 256) / 2 + 5 * stage(32, 256)) +
      (stage(64, 64) / 2 + 5 * stage(64, 64)) +
      640;
    expect(inspection).toMatchObject({ name: "resnet-20", parameters: 269_722, macs, hasFactors: false });
    const sum = (key: "parameters" | "macs"): number =>
      inspection.layers.reduce((total: number, layer: Record<string, number>) => total + (layer[key] ?? 0), 0);
    expect([sum("parameters"), sum("macs")]).toEqual([269_722, macs]);
    expect(inspection.layers).toHaveLength(20);
    expect(inspection.structures.filter(({ kind }: { kind: string }) => kind === "block")).toHaveLength(9);
  });

  it("prints a table of layers with the sums below", async () => {
    const { stdout } = await execute(["inspect", "resnext-20"]);
    expect(stdout).toMatch(/layer +op +kernel +output +parameters +MACs +share/);
    expect(stdout).toMatch(/in \d+ groups/);
    expect(stdout).toMatch(/structures +.*group.*block/);
  });
});
