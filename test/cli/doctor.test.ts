import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { load, node, processorFinding } from "../../src/cli/diagnosis.ts";
import { folderFacts } from "../../src/cli/folder-facts.ts";
import { printDiagnosis } from "../../src/cli/view/diagnosis.ts";
import { instructionSets, sysctlFlags, thisProcessor } from "../../src/core/processor.ts";
import { oneDnn } from "../../src/engine/onednn/ffi/library.ts";
import { execute, recordingTerminal, start } from "./support.ts";

const { version, file } = oneDnn();
const documentSchema = z.object({
  espalier: z.string(),
  willTrain: z.boolean(),
  engine: z.string(),
  findings: z.array(z.object({ topic: z.string(), state: z.string(), facts: z.record(z.string(), z.unknown()) })),
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "espalier-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("espalier doctor", () => {
  it("tells what is here, a line each, and that training will work", async () => {
    const { exitCode, stdout } = await execute(["doctor"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`✓ Node.js         ${process.versions.node}\n`);
    expect(stdout).toContain(`✓ oneDNN          ${version}, ${file.path}`);
    expect(stdout).toMatch(/^✓ precisions +f32/m);
    expect(stdout).toMatch(/^✓ threads +\d+; OpenMP is \/\S+$/m);
    expect(stdout).toMatch(/^✓ ONNX Runtime +\d+\.\d+/m);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("Training will work, with oneDNN.");
  });

  it("says the same as data", async () => {
    const { exitCode, stdout } = await execute(["doctor", "--json"]);
    expect(exitCode).toBe(0);
    const { willTrain, engine, findings } = documentSchema.parse(JSON.parse(stdout));
    expect([willTrain, engine]).toEqual([true, "onednn"]);
    const facts = Object.fromEntries(findings.map((finding) => [finding.topic, finding.facts]));
    expect(facts["oneDNN"]).toMatchObject({ version, path: file.path, from: file.from });
    expect(facts["processor"]).toMatchObject({ ...thisProcessor() });
  });

  it("works where oneDNN does not, says why and what to do, and ends with 2", async () => {
    const environment = { ESPALIER_ONEDNN: join(folder, "nowhere.so"), ESPALIER_CACHE: folder };
    const text = await start(["doctor"], undefined, environment);
    expect(text.exitCode).toBe(2);
    const why = /^✗ oneDNN +ESPALIER_ONEDNN=\S+nowhere\.so: cannot be oneDNN \(.*no such file\)\n/m;
    expect(text.stdout).toMatch(new RegExp(`${why.source}(?: +also .*\\n)+ +Let ESPALIER_ONEDNN`, "m"));
    expect(text.stdout).toContain(`also searched ${file.path}: not needed`);
    expect(text.stdout.trimEnd()).toMatch(/\nTraining will not work: see oneDNN\.$/);
    expect(text.stderr).toBe("");
    const json = await start(["doctor", "--json"], undefined, environment);
    expect(json.exitCode).toBe(2);
    expect(documentSchema.parse(JSON.parse(json.stdout)).willTrain).toBe(false);
  });

  it("says that the reference engine trains where oneDNN is not installed", () => {
    const { terminal, text } = recordingTerminal();
    const finding = {
      topic: "oneDNN",
      state: "poor",
      summary: "not installed",
      facts: {},
      advice: "Install it",
    } as const;
    printDiagnosis({ willTrain: true, engine: "reference", findings: [finding] }, terminal);
    expect(text()).toBe(
      "! oneDNN  not installed\n          Install it\n\nTraining will work, with the reference engine, which is " +
        "slow: see oneDNN.\n",
    );
  });
});

describe("what is poor", () => {
  it("is a Node.js that is too old", () => {
    expect(["18.20.4", "20.16.0", "20.17.0", "22.1.0", "24.0.0"].map((other) => node(other).state)).toEqual([
      "bad",
      "bad",
      "good",
      "good",
      "good",
    ]);
  });

  it("is a processor without wide instructions, not one that is not told", () => {
    const processor = { model: "Some", cores: 2 };
    expect(processorFinding({ ...processor, instructionSets: [] }).state).toBe("poor");
    expect(processorFinding({ ...processor, instructionSets: ["avx2"] })).toMatchObject({
      state: "good",
      summary: "Some, 2 cores: avx2",
    });
    expect(processorFinding(processor)).toMatchObject({
      state: "good",
      summary: "Some, 2 cores: instruction sets unknown",
    });
  });

  it("is a machine at work for others", () => {
    expect([load(0.9, 2).state, load(1.1, 2).state]).toEqual(["good", "poor"]);
  });

  it("is a folder that this user may not write to", () => {
    mkdirSync(join(folder, "inner"));
    writeFileSync(join(folder, "a"), "12345");
    writeFileSync(join(folder, "inner", "b"), "123");
    const path = join(folder, "not", "yet");
    expect(folderFacts(folder)).toEqual({ path: folder, exists: true, isWritable: true, files: 2, bytes: 8 });
    expect(folderFacts(path)).toEqual({ path, exists: false, isWritable: true, files: 0, bytes: 0 });
    expect(folderFacts(join(folder, "a")).isWritable).toBe(false);
    expect(folderFacts(join(folder, "a", "below")).isWritable).toBe(false);
    // Root may write everywhere.
    if (process.getuid?.() !== 0) expect(folderFacts("/not/yet").isWritable).toBe(false);
  });
});

describe("instruction sets", () => {
  it("have our names, in Linux's lists and in those of macOS", () => {
    const flags = "fpu sse2 avx avx2 avx512f avx512_bf16 amx_tile amx_bf16".split(" ");
    expect(instructionSets(flags)).toEqual(["avx2", "avx512", "avx512_bf16", "amx_bf16"]);
    expect(instructionSets(["fp", "asimd", "sve", "bf16"])).toEqual(["asimd", "sve", "bf16"]);
    const intel = "machdep.cpu.features: FPU AVX1.0\nmachdep.cpu.leaf7_features: AVX2 AVX512F BMI2\n";
    expect(instructionSets(sysctlFlags(intel))).toEqual(["avx2", "avx512"]);
    const apple = "hw.optional.arm.FEAT_BF16: 1\nhw.optional.AdvSIMD: 1\nhw.optional.arm.FEAT_SVE: 0\n";
    expect(instructionSets(sysctlFlags(apple))).toContain("bf16");
  });
});
