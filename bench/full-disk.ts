/**
 * `npm run bench:full-disk [-- --epochs 2 --parallel 3 --from 1 --once --flags=--int8]`: trains runs whose disk is
 * full from the n-th write on, for every n. A write is a call that needs space: for bytes, new files and folders,
 * renames, flushes. Each run must end with exit code 2 and an error code, and without its lock. Then there is space
 * again, and `resume` (or the same command if there is no run yet) must produce the same bytes as an undisturbed run.
 * `--once`: only the n-th write fails. `--flags`: more flags of the runs. Needs Linux and a C compiler, because a
 * preloaded library lets the writes fail.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { count } from "./shared/options.ts";
import { type Ended, espalier, goOn, inParallel, madeIn, openTrial } from "./shared/trial.ts";

const { values } = parseArgs({
  options: {
    epochs: { type: "string", default: "2" },
    parallel: { type: "string", default: "3" },
    from: { type: "string", default: "1" },
    flags: { type: "string", default: "" },
    once: { type: "boolean", default: false },
  },
});
const trial = await openTrial(count(values.epochs, "epochs"), values.flags);
const library = join(trial.workplace, "fail-write.so");
execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, resolve("bench/shared/fail-write.c"), "-ldl"]);

/** Trains in `folder`, where all writes from number `from` on fail; 0: none fails. */
function train(folder: string, from: number): Promise<Ended> {
  return espalier(trial.train(folder), {
    environment: {
      LD_PRELOAD: library,
      FAIL_UNDER: folder,
      FAIL_FROM: `${from}`,
      FAIL_COUNT: `${folder}.count`,
      ...(values.once ? { FAIL_ONCE: "1" } : {}),
    },
  });
}

const wholeFolder = join(trial.workplace, "whole");
const whole = await train(wholeFolder, 0);
if (whole.exitCode !== 0) throw new Error(`the run on a disk with space failed: ${whole.stderr}`);
const wanted = madeIn(wholeFolder);
const writes = Number(readFileSync(`${wholeFolder}.count`, "utf8"));
console.log(`${writes} writes`);

const findings: string[] = [];
const outcomes = new Map<string, number>();
const tally = (what: string): void => {
  outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
};

async function carryOut(number: number): Promise<void> {
  const folder = join(trial.workplace, `run-${number}`);
  const found: string[] = [];
  const find = (what: string): void => {
    found.push(`write ${number}: ${what}`);
  };
  const full = await train(folder, number);
  const code = /\[([a-z-]+)\]/.exec(full.stderr)?.[1] ?? "none";
  tally(`exit code ${full.exitCode}, ${code}`);
  const isTold = full.exitCode === 2 && code !== "none";
  // With --once, the run may succeed: it may have repeated the write, or not need it.
  if (!isTold && !(values.once && full.exitCode === 0))
    find(`exit code ${full.exitCode}: ${full.stderr.slice(0, 500)}`);
  if (/\n\s+at |node:internal/.test(full.stderr)) find(`a stack: ${full.stderr.slice(0, 500)}`);
  if (existsSync(join(folder, ".lock"))) find("the lock is left");
  if (full.exitCode !== 0) {
    const { exitCode, stdout, stderr } = await goOn(trial, folder);
    if (exitCode !== 0) find(`cannot be resumed: exit code ${exitCode}: ${stderr || stdout.slice(-300)}`);
    else if (madeIn(folder) !== wanted) find("other bytes");
  } else if (madeIn(folder) !== wanted) find("other bytes");
  findings.push(...found);
  const end = found.length === 0 ? "the same bytes" : found.join("; ");
  console.log(`${number}: exit code ${full.exitCode}, ${code}: ${end}`);
  rmSync(folder, { recursive: true, force: true });
}

const first = count(values.from, "from");
const numbers = Array.from({ length: Math.max(0, writes - first + 1) }, (_, index) => first + index);
await inParallel(numbers, count(values.parallel, "parallel"), carryOut);
for (const [what, times] of [...outcomes].sort()) console.log(`${String(times).padStart(5)}  ${what}`);
for (const finding of findings.sort()) console.log(`✗ ${finding}`);
console.log(`${numbers.length} runs, ${findings.length} findings`);
rmSync(trial.workplace, { recursive: true, force: true });
process.exitCode = findings.length === 0 ? 0 : 1;
