/** Files and folders of the wrong kind: each is refused with what is wrong, where, and what to do next. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { espalier, execute, tinyWorkplace } from "./support.ts";

let workplace: string;
let data: string;

/** In the place of `at(name)`, a command gets the path of `name` in the workplace. */
const at = (name: string): string => `at:${name}`;

beforeAll(async () => {
  workplace = await tinyWorkplace();
  data = (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "";
  await cp(join(workplace, data), join(workplace, "data"), { recursive: true });
  await writeFile(join(workplace, "note.txt"), "hello");
  await mkdir(join(workplace, "empty"));
  const { exitCode } = await espalier(
    ["train", "tiny.onnx", "--data", "data", "--engine", "reference", "--epochs", "1", "--no-latency", "--out", "run"],
    workplace,
  );
  expect(exitCode).toBe(0);
  for (const copy of ["without-checkpoints", "without-network", "unfinished"])
    await cp(join(workplace, "run"), join(workplace, copy), { recursive: true });
  await rm(join(workplace, "without-checkpoints", "checkpoints"), { recursive: true });
  for (const copy of ["without-network", "unfinished"]) await rm(join(workplace, copy, "compact.onnx"));
  const events = await readFile(join(workplace, "run", "events.jsonl"), "utf8");
  await writeFile(join(workplace, "unfinished", "events.jsonl"), events.replace(/.*run\.finished.*\n/, ""));
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

const toTransformers = ["export", at("tiny.onnx"), "--for", "transformers.js"];
const scoring = ["eval", at("tiny.onnx"), "--engine", "reference"];
const training = ["train", at("tiny.onnx"), "--data", at("data"), "--engine", "reference"];

test.each<readonly [command: readonly string[], code: string, text: string]>([
  [["resume", at("note.txt")], "missing-file", "Name the folder of a run: the one that has a run.json"],
  [["resume", at("run"), "--epochs", "1"], "bad-option", "expected more than 1, got 1"],
  [["resume", at("without-checkpoints"), "--epochs", "2"], "missing-file", "cannot continue without its checkpoints"],
  [["resume", at("run"), "--epochs", "2", "--data", at("note.txt")], "bad-file", "note.txt: this file is no dataset"],
  [["train", at("without-network")], "missing-file", "the compact network of the run is gone"],
  [["train", at("unfinished")], "missing-file", "Finish it first: espalier resume"],
  [["train", at("note.txt")], "missing-file", "Give a file whose name ends in .onnx, the folder of a finished run"],
  [[...training, "--out", at("note.txt")], "run-exists", "a file where the folder of the run should be"],
  [[...training, "--out", at("note.txt/run")], "run-exists", "a file where the folder of the run should be"],
  [[...scoring, "--data", at("note.txt"), "--tta", "flip"], "bad-file", "a .csv or a .parquet file"],
  [[...scoring, "--data", at("data"), "--html", at("none/page.html")], "missing-file", "Create the folder first"],
  [[...scoring, "--data", at("data"), "--html", at("empty")], "bad-file", "Name a file to write"],
  [["measure", at("tiny.onnx"), "--out", at("empty")], "bad-file", "Name a file to write"],
  [
    ["quantize", at("tiny.onnx"), "--data", at("data"), "--out", at("none/x.onnx")],
    "missing-file",
    "Create the folder",
  ],
  [["compare", at("run"), "--out", at("note.txt")], "bad-file", "a file is where this folder should be"],
  [["eval", at("run"), "--data", at("data")], "bad-file", "A finished run has its network in compact.onnx"],
  [[...toTransformers, "--out", at("note.txt")], "bad-file", "a file is where this folder should be"],
  [[...toTransformers, "--out", at("out"), "--mean", "0.5", "--std", "0"], "bad-option", "above 0"],
])("%j", async (command, code, text) => {
  const { exitCode, stdout, stderr } = await execute(
    command.map((word) => (word.startsWith("at:") ? join(workplace, word.slice(3)) : word)),
  );
  expect([exitCode, stdout.replace(/^ {2}preparing the network.*\n/, "")]).toEqual([2, ""]);
  expect(stderr).toMatch(new RegExp(`^✗ .*\\[${code}\\]\n  \\S`, "m"));
  expect(stderr).toContain(text);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(await readdir(workplace)).not.toContain("out");
});

test("a finished run whose report could not be written gets it from resume", async () => {
  const run = join(workplace, "run");
  const report = join(run, "report.html");
  const before = await readFile(report, "utf8");
  await rm(report);
  const { exitCode, stdout } = await execute(["resume", run]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("report.html");
  expect(await readFile(report, "utf8")).toBe(before);
  const again = await execute(["resume", run]);
  expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining("the run is finished")]);
});
