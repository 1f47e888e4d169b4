/**
 * `npm run bench:fuzz [-- --inputs 100000 --only onnx,csv --seed 1 --from 0]`: gives damaged files to all readers. Each
 * reader has a process of its own, which is started again after an input on which it crashed or hung. Prints each
 * finding and how to reproduce it; the exit code is 1 if there is any. An input is a function of (seed, reader,
 * number), so `--from` continues an earlier call.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { optional } from "../src/core/optional.ts";
import { type Finding, openTargets, tryInput } from "../test/fuzz/targets.ts";
import { count } from "./shared/options.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    only: { type: "string" },
    child: { type: "string" },
  },
});
const inputs = count(values.inputs, "inputs");
const seed = count(values.seed, "seed");

/** A process reports every second. Without a report for this many seconds, it hangs. */
const SILENCE = 120;
/** Without a terminal, the progress is printed after this many inputs. */
const REPORTED_EVERY = 10_000;
/** Limit of JavaScript's heap in megabytes. The largest resident size shows native memory. */
const HEAP = 1024;
/** Initial size of the heap. Otherwise the heap stays so small that garbage collection takes most of the time. */
const FIRST_HEAP = 512;
const KEPT = 20;

interface Report {
  readonly done: number;
  readonly finding?: Finding;
  readonly residentKilobytes: number;
}

/** Tests the inputs `from` … `inputs` − 1 of one reader, and reports to the parent. */
async function runChild(name: string, from: number): Promise<void> {
  const { targets, dispose } = await openTargets();
  const target = targets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`no reader "${name}"`);
  const report = (done: number, finding?: Finding): void => {
    const residentKilobytes = process.resourceUsage().maxRSS;
    process.send?.({ done, residentKilobytes, ...optional({ finding }) } satisfies Report);
  };
  let reported = Date.now();
  for (let number = from; number < inputs; number++) {
    const finding = await tryInput(target, seed, number);
    if (finding === undefined && Date.now() - reported < 1000) continue;
    report(number + 1, finding);
    reported = Date.now();
    // Sends the message before the next input, which may crash the process.
    await new Promise((resolve) => setImmediate(resolve));
  }
  report(inputs);
  await dispose();
}

interface Outcome {
  readonly done: number;
  readonly died: string | undefined;
}

/** Runs one child from input `from` on. Resolves when it ends. */
function follow(name: string, from: number, onReport: (report: Report) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    let done = from;
    const child = fork(
      fileURLToPath(import.meta.url),
      [...["--child", name, "--inputs", `${inputs}`, "--seed", `${seed}`, "--from", `${from}`]],
      { execArgv: [...process.execArgv, `--initial-heap-size=${FIRST_HEAP}`, `--max-old-space-size=${HEAP}`] },
    );
    let silent = 0;
    // Count seconds one by one, so that the time in which the machine slept does not count.
    const watchdog = setInterval(() => {
      if (++silent > SILENCE) child.kill("SIGKILL");
    }, 1000);
    child.on("message", (report: Report) => {
      silent = 0;
      done = report.done;
      onReport(report);
    });
    child.on("exit", (code, signal) => {
      clearInterval(watchdog);
      resolve({ done, died: code === 0 ? undefined : `the process ended with ${signal ?? code}` });
    });
  });
}

async function runAll(): Promise<void> {
  const { targets, dispose } = await openTargets();
  await dispose();
  let findings = 0;
  const found = ({ target, number, what }: Omit<Finding, "seed">): void => {
    if (++findings > KEPT) return;
    console.log(`  ✗ ${target}, seed ${seed}, input ${number}: ${what}`);
  };
  const names = targets.map(({ name }) => name);
  const wanted = values.only?.split(",") ?? names;
  for (const name of wanted) {
    if (!names.includes(name)) throw new Error(`no reader "${name}"; there are ${names.join(", ")}`);
    const start = Date.now();
    let resident = 0;
    let from = Number(values.from);
    let reported = from;
    while (from < inputs) {
      const { done, died } = await follow(name, from, ({ done: before, finding, residentKilobytes }) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${before} of ${inputs} `);
        else if (before >= reported + REPORTED_EVERY) {
          reported = before;
          console.error(`${name}: ${before} of ${inputs}`);
        }
        resident = Math.max(resident, residentKilobytes);
        if (finding !== undefined) found(finding);
      });
      // The process died within a second after its last report.
      if (died !== undefined) found({ target: name, number: done, what: `${died} at this input or one soon after it` });
      from = died === undefined ? inputs : done + 1;
    }
    const seconds = Math.round((Date.now() - start) / 1000);
    if (process.stderr.isTTY) process.stderr.write("\r");
    console.log(
      `${name}: inputs ${values.from} … ${inputs - 1} in ${seconds} s, at most ${Math.round(resident / 1000)} MB ` +
        "resident",
    );
  }
  console.log(findings === 0 ? "nothing found" : `${findings} findings`);
  process.exitCode = findings === 0 ? 0 : 1;
}

if (values.child === undefined) await runAll();
else await runChild(values.child, Number(values.from));
