/**
 * `npm run bench:kill [-- --kills 200 --seed 1 --from 0 --parallel 3 --flags=--int8]`: kills runs (SIGKILL) at random
 * times, resumes each as a user would, and compares both networks, byte by byte, with those of an undisturbed run. A
 * twentieth of the kills comes during preparation, a tenth during pruning, a tenth while a checkpoint is written, and
 * the others at any time, in this order. `--from` continues an earlier call, `--flags` are more flags of the runs. The
 * exit code is 1 if a run could not be resumed, or ended with other networks.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { RandomStream } from "../src/core/random.ts";
import { count } from "./shared/options.ts";
import { espalier, goOn, inParallel, madeIn, openTrial } from "./shared/trial.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    parallel: { type: "string", default: "3" },
    epochs: { type: "string", default: "30" },
    flags: { type: "string", default: "" },
  },
});
const kills = count(values.kills, "kills");
const seed = count(values.seed, "seed");
const trial = await openTrial(count(values.epochs, "epochs"), values.flags);

type Moment = "preparing" | "cutting" | "checkpoint" | "anywhere";
interface Kill {
  readonly number: number;
  readonly moment: Moment;
}

interface Seen {
  readonly time: number;
  readonly type: string;
  readonly epoch: number;
}

/** The undisturbed run: its results and the times of its events. */
const wholeFolder = join(trial.workplace, "whole");
const seen: Seen[] = [];
const startedAt = performance.now();
const whole = await espalier(trial.train(wholeFolder), {
  onStart: (child) => listen(child, (event) => seen.push(event)),
});
if (whole.exitCode !== 0) throw new Error(`the undisturbed run failed: ${whole.stderr}`);
const wanted = madeIn(wholeFolder);
const timeOf = (type: string): number => (seen.find((event) => event.type === type)?.time ?? 0) - startedAt;
const prepared = timeOf("run.started");
const shrunkIn = seen.find(({ type }) => type === "network.shrunk")?.epoch;
const lastEpoch = Math.max(...seen.map(({ epoch }) => epoch));
console.log(
  `whole run: ${seen.length} events, prepared in ${prepared.toFixed(0)} ms, cut while training in epoch ${shrunkIn}`,
);

/** Calls `hear` with each event that `child` prints. */
function listen(child: ChildProcess, hear: (event: Seen) => void): void {
  let rest = "";
  child.stdout?.on("data", (text: string) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { type, epoch }: Seen = JSON.parse(line);
      hear({ type, epoch, time: performance.now() });
    }
  });
}

/** Kills `child` at a random `moment`; `random` gives numbers from 0 to 1. */
async function killAt(moment: Moment, child: ChildProcess, folder: string, random: () => number): Promise<void> {
  const kill = (): boolean => child.kill("SIGKILL");
  switch (moment) {
    case "preparing":
      listen(child, kill);
      await setTimeout(random() * prepared);
      kill();
      break;
    case "anywhere": {
      // Use events instead of the clock, because the machine may be busy with other work.
      let left = Math.floor(random() * seen.length);
      const delay = random() * 30;
      listen(child, () => {
        if (left-- === 0) void setTimeout(delay).then(kill);
      });
      break;
    }
    case "cutting": {
      // After the event of an epoch, the run prunes, writes a checkpoint and, after the last, the compact network.
      const epoch = random() < 0.5 ? shrunkIn : lastEpoch;
      const delay = random() * 40;
      listen(child, (event) => {
        if (event.type === "epoch" && event.epoch === epoch) void setTimeout(delay).then(kill);
      });
      break;
    }
    case "checkpoint": {
      const wait = 1 + Math.floor(random() * lastEpoch);
      const delay = random() * 4;
      let [found, last] = [0, ""];
      while (child.exitCode === null && child.signalCode === null) {
        const name = unfinishedIn(folder);
        if (name !== undefined && name !== last) {
          last = name;
          found++;
        }
        if (found >= wait) {
          await setTimeout(delay);
          kill();
          return;
        }
        await setTimeout(0);
      }
    }
  }
}

function unfinishedIn(folder: string): string | undefined {
  try {
    return readdirSync(join(folder, "checkpoints")).find((name) => name.includes(".unfinished"));
  } catch {
    return undefined;
  }
}

function plan(): Kill[] {
  const moments: readonly Moment[] = [
    ...Array<Moment>(Math.ceil(kills / 20)).fill("preparing"),
    ...Array<Moment>(Math.ceil(kills / 10)).fill("cutting"),
    ...Array<Moment>(Math.ceil(kills / 10)).fill("checkpoint"),
  ];
  return Array.from({ length: kills }, (_, number) => ({ number, moment: moments[number] ?? "anywhere" }));
}

const outcomes = new Map<string, number>();
const tally = (what: string): void => {
  outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
};
const findings: string[] = [];

async function carryOut({ number, moment }: Kill): Promise<void> {
  const random = new RandomStream(seed, "kill", number);
  const folder = join(trial.workplace, `run-${number}`);
  // If the run ended before the signal, start it again: only kills count.
  for (;;) {
    const { signal } = await espalier(trial.train(folder), {
      onStart: (child) => void killAt(moment, child, folder, () => random.uniform()),
    });
    if (signal === "SIGKILL") break;
    rmSync(folder, { recursive: true, force: true });
  }
  const isRun = existsSync(join(folder, "run.json"));
  const { exitCode, stdout, stderr } = await goOn(trial, folder);
  const [, from] = /"resumedFrom":(\d+)/.exec(stdout) ?? [];
  const place = from === undefined || from === "0" ? "step 0" : "a later step";
  const how = `${isRun ? "resumed" : "started again"} from ${place}`;
  tally(`${moment}: ${how}`);
  let finding: string | undefined;
  if (exitCode !== 0) finding = `exit code ${exitCode}: ${stderr || stdout.slice(-300)}`;
  else if (madeIn(folder) !== wanted) finding = "other bytes";
  if (finding !== undefined) findings.push(`kill ${number} (${moment}): ${finding}`);
  console.log(`${number} ${moment}: ${how}${from === undefined ? "" : ` (${from})`}: ${finding ?? "the same bytes"}`);
  rmSync(folder, { recursive: true, force: true });
}

const planned = plan().slice(Number(values.from));
await inParallel(planned, count(values.parallel, "parallel"), carryOut);
for (const [what, number] of [...outcomes].sort()) console.log(`${String(number).padStart(5)}  ${what}`);
for (const finding of findings) console.log(`✗ ${finding}`);
console.log(`${planned.length} kills, ${findings.length} findings`);
rmSync(trial.workplace, { recursive: true, force: true });
process.exitCode = findings.length === 0 ? 0 : 1;
