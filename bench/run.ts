/**
 * Times a whole run, from start to compact network: `espalier train` in a fresh process (with preparation, evaluation
 * after each epoch, pruning, certificate and ONNX files) against the same run in PyTorch (`peers/train.py`). There,
 * factors are multiplications, and the MACs left are only counted. Processes run in turns and are timed from start to
 * end.
 *
 *     npm run bench:run -- [--model resnet-20] [--epochs 6] [--batch 64] [--gamma-neurons 0.0011] [--gamma-blocks 0.01]
 *         [--budget 50% --budget-by 0.75] [--patience 1] [--precision f32|bf16|auto] [--rounds 1]
 *         [--layouts channels_last,contiguous] [--limit <images>] [--warm] [--threads 2] [--seed 1]
 *         [--json | --markdown]
 *
 * With a γ of 0, neither side has factors of that kind. With `--budget`, Espalier uses the two γ as ratios and controls
 * γ itself. The peer keeps them constant, which changes its count of MACs but not its time: it computes whole layers to
 * the end. With `--warm`, Espalier uses kernel choices that this machine has stored before; otherwise it times kernels
 * within the run.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import { required } from "../src/core/errors.ts";
import { obtainCifar10 } from "../src/data/cifar10-cache.ts";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { runEventSchema } from "../src/training/events/events.ts";
import { count, precisionOf, threadOptions } from "./shared/options.ts";
import { againstTarget, machineConditions, outputOptions, percent, print } from "./shared/output.ts";
import { PeerError, peerPath, python, requireTorch, unlessPeerFails } from "./shared/peer.ts";
import { type Spread, spreadOf } from "./shared/statistics.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const TARGET = 2.5;
const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "resnet-20" },
    epochs: { type: "string", default: "6" },
    batch: { type: "string", default: "64" },
    "gamma-neurons": { type: "string", default: "0.0011" },
    "gamma-blocks": { type: "string", default: "0.01" },
    patience: { type: "string", default: "1" },
    budget: { type: "string" },
    "budget-by": { type: "string" },
    precision: { type: "string", default: "f32" },
    rounds: { type: "string", default: "1" },
    layouts: { type: "string", default: "channels_last" },
    limit: { type: "string" },
    seed: { type: "string", default: "1" },
    warm: { type: "boolean", default: false },
    ...threadOptions,
    ...outputOptions,
  },
});
const engine = createOneDnnEngine({ threads: count(options.threads, "threads") });
const automatic = engine.precisions.includes("bf16") ? "bf16" : "f32";
const precision = options.precision === "auto" ? automatic : precisionOf(options.precision);

/** Options that are passed on unchanged. */
function given(name: "budget" | "budget-by" | "gamma-neurons" | "gamma-blocks" | "limit"): readonly string[] {
  const value = options[name];
  return value === undefined ? [] : [`--${name}`, value];
}

/** Options with the same name on both sides. */
const common: readonly string[] = [
  ...["--epochs", options.epochs, "--batch", options.batch, "--seed", options.seed, "--threads", options.threads],
  ...(["gamma-neurons", "gamma-blocks"] as const).flatMap((name) => (Number(options[name]) === 0 ? [] : given(name))),
  ...["--precision", precision],
  ...given("limit"),
];

interface WholeRun {
  readonly seconds: number;
  /** Accuracy on all test images of the pruned network. */
  readonly accuracy: number;
  readonly shareOfMacs: number;
}

interface Measured {
  readonly name: string;
  readonly seconds: Spread;
  readonly runs: readonly WholeRun[];
}

async function ourRun(): Promise<WholeRun> {
  return inTemporaryFolder(async (folder) => {
    const kernels = options.warm ? {} : { ESPALIER_KERNEL_CACHE: join(folder, "kernels") };
    const start = performance.now();
    const { stdout } = await execa(
      process.execPath,
      [
        ...[cli, "train", options.model, "--data", "cifar10", "--out", join(folder, "run"), "--json", "--no-latency"],
        ...["--patience", options.patience, ...given("budget"), ...given("budget-by")],
        ...common,
      ],
      { lines: true, stderr: "inherit", env: kernels },
    );
    const seconds = (performance.now() - start) / 1000;
    const events = stdout.map((line) => runEventSchema.parse(JSON.parse(line)));
    const finished = required(
      events.find((event) => event.type === "run.finished"),
      "the end of the run",
    );
    const { before, after } = finished;
    return { seconds, accuracy: after.accuracy, shareOfMacs: after.macs / before.macs };
  });
}

const twinEnd = z.object({ versions: z.string(), accuracy: z.number(), macs: z.number(), wholeMacs: z.number() });
let peerVersions = "no peer";

async function twinRun(data: string, layout: string): Promise<WholeRun> {
  const start = performance.now();
  const { stdout, failed } = await execa(
    python,
    [peerPath("train.py"), "--data", data, "--model", options.model, "--layout", layout, ...common],
    { lines: true, stderr: "inherit", reject: false },
  );
  const seconds = (performance.now() - start) / 1000;
  if (failed) throw new PeerError("the process ended before the run did; its own message is above");
  const { versions, accuracy, macs, wholeMacs } = twinEnd.parse(JSON.parse(stdout.at(-1) ?? ""));
  peerVersions = versions;
  return { seconds, accuracy, shareOfMacs: macs / wholeMacs };
}

const data = await obtainCifar10();
const hasPeer = (await unlessPeerFails("the comparison", async () => requireTorch().then(() => true))) ?? false;
const subjects: { readonly name: string; readonly run: () => Promise<WholeRun> }[] = [
  { name: "Espalier", run: ourRun },
  ...(hasPeer ? options.layouts.split(",") : []).map((layout) => ({
    name: `PyTorch, ${layout}`,
    run: () => twinRun(data, layout),
  })),
];
const runs = subjects.map((): WholeRun[] => []);
const rounds = count(options.rounds, "rounds");
for (let round = 1; round <= rounds; round++) {
  for (const [index, { name, run }] of subjects.entries()) {
    console.error(`… ${name}, round ${round} of ${rounds}`);
    const done = await unlessPeerFails(name, run);
    if (done !== undefined) runs[index]?.push(done);
  }
}
const measured = subjects.flatMap(({ name }, index): Measured[] => {
  const own = runs[index] ?? [];
  return own.length === 0 ? [] : [{ name, seconds: spreadOf(own.map(({ seconds }) => seconds)), runs: own }];
});
const [ours, ...peers] = measured;
const best = Math.min(...peers.map(({ seconds }) => seconds.median));
const ratio = ours !== undefined && Number.isFinite(best) ? best / ours.seconds.median : undefined;

function each(own: readonly WholeRun[], text: (run: WholeRun) => string): string {
  return own.map(text).join(", ");
}

print(
  {
    conditions: machineConditions("bench:run", [
      `${engine.description["library"]}, ${precision}, ${options.threads} threads`,
      peerVersions,
      options.warm ? "kernels chosen before" : "kernels chosen within the run",
    ]),
    sections: [
      {
        title:
          `${options.model}, ${options.epochs} epochs of CIFAR-10, batch ${options.batch}, from start to ` +
          "compact network",
        head: ["", "seconds (minimum … maximum)", "runs", "test accuracy", "MACs left", "ratio to PyTorch's best"],
        rows: measured.map(({ name, seconds, runs: own }, index) => [
          name,
          `${seconds.median.toFixed(1)} (${seconds.minimum.toFixed(1)} … ${seconds.maximum.toFixed(1)})`,
          `${seconds.runs}`,
          each(own, ({ accuracy }) => `${accuracy.toFixed(2)} %`),
          each(own, ({ shareOfMacs }) => percent(shareOfMacs)),
          index === 0 ? againstTarget(ratio, TARGET) : "",
        ]),
        notes: [
          "Whole processes, from start to end. Accuracy on the 10,000 test images.",
          "Espalier's figures are those of the compact network, which is written and has a certificate. PyTorch's " +
            "run counts what could be pruned, and prunes nothing.",
        ],
      },
    ],
    data: { precision, ratio, target: TARGET, measured },
  },
  options,
);
