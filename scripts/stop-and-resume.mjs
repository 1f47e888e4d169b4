/**
 * Trains ResNet-20 twice for a few steps, once without a break and once stopped by Ctrl-C and resumed, and compares
 * every byte of what they wrote. The tests do so with networks of a few kilobytes; this is a real one on all threads.
 * Needs a build.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, runScript, SetupError, say } from "./shell.mjs";

const cli = join(root, "dist", "cli", "main.js");
/** Reports of steps before Ctrl-C. A fast machine reports only some of the 60 steps. */
const STOP_AFTER_REPORTS = 2;
const INTERRUPTED = 130;

/** Runs `espalier …`, with Ctrl-C after some steps if it is to be stopped; throws unless it ends with `expected`. */
async function espalier(args, { stop = false, expected = 0 } = {}) {
  const child = spawn(process.execPath, [cli, ...args, "--json"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
    if (!stop || output.split('"type":"step"').length <= STOP_AFTER_REPORTS) return;
    stop = false;
    child.kill("SIGINT");
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== expected) throw new SetupError(`espalier ${args[0]} ended with ${code}, not ${expected}`, "", output);
}

await runScript(async () => {
  const folder = mkdtempSync(join(tmpdir(), "espalier-resume-"));
  const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
  const settings = [
    ...["--data", "cifar10", "--epochs", "2", "--limit", "1920", "--batch", "64", "--seed", "5"],
    ...["--gamma", "neurons=0.01,blocks=0.02"],
  ];
  try {
    await espalier(["train", "resnet-20", ...settings, "--out", whole]);
    await espalier(["train", "resnet-20", ...settings, "--out", stopped], { stop: true, expected: INTERRUPTED });
    await espalier(["resume", stopped]);
    for (const file of ["network.onnx", "compact.onnx"]) {
      const [a, b] = [whole, stopped].map((run) => readFileSync(join(run, file)));
      if (!a.equals(b)) throw new SetupError(`${file} differs`, "Stopped by Ctrl-C and resumed.");
      say(`${file}: ${a.length} bytes, all equal`);
    }
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
