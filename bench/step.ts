/**
 * Times one training step of each network of the table (`shared/cases.ts`), with and without scaling factors, against
 * the same network in PyTorch (`peers/step.py`: both memory formats, eager and compiled). All rounds are interleaved.
 * Then it measures, in separate processes, the time of preparation and the memory.
 *
 *     npm run bench -- [--model resnet-20] [--batch 128] [--precision f32|bf16] [--rounds 8] [--runs 3] [--threads 2]
 *         [--section step|process] [--json | --markdown]
 */
import { parseArgs } from "node:util";
import { z } from "zod";
import { required, UserError } from "../src/core/errors.ts";
import type { Engine, PlanTimes } from "../src/engine/engine.ts";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { cost } from "../src/graph/cost.ts";
import { type Case, casesOf } from "./shared/cases.ts";
import { interleave, type Subject } from "./shared/interleave.ts";
import { plainGraph, plainSubject, subjectWithFactors } from "./shared/networks.ts";
import { count, precisionOf, threadOptions } from "./shared/options.ts";
import { OurStep } from "./shared/our-step.ts";
import {
  againstTarget,
  machineConditions,
  megabytes,
  milliseconds,
  NOTHING,
  outputOptions,
  percent,
  print,
  type Section,
} from "./shared/output.ts";
import { Peer, PeerError, unlessPeerFails } from "./shared/peer.ts";
import { type OurProcesses, ourProcesses, peerPeakBytes } from "./shared/processes.ts";
import { type Spread, spreadOf } from "./shared/statistics.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

/** Number of steps in which the time outside oneDNN's primitives is measured. */
const OUTSIDE_RUNS = 9;

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    batch: { type: "string" },
    precision: { type: "string" },
    rounds: { type: "string", default: "8" },
    runs: { type: "string", default: "3" },
    section: { type: "string" },
    ...threadOptions,
    ...outputOptions,
  },
});
const turns = { rounds: count(options.rounds, "rounds"), runs: count(options.runs, "runs") };
const threads = count(options.threads, "threads");
const section = z.enum(["step", "process"]).optional().parse(options.section);

interface StepMeasured extends Case {
  readonly ours: Spread;
  readonly withFactors: Spread;
  /** Times by memory format, eager and compiled; empty if the peer was skipped. */
  readonly peer: Readonly<Record<string, Spread>>;
  readonly times: PlanTimes;
}

interface ProcessMeasured extends Case {
  readonly ours: OurProcesses;
  readonly peerPeakBytes: number | undefined;
}

let peerVersions: string | undefined;

const hello = z.object({
  versions: z.string(),
  variants: z.array(z.string()),
  parameters: z.number().optional(),
  macs: z.number().optional(),
});
const timings = z.object({ milliseconds: z.array(z.number()) });

/** Starts the peer and checks that its network has the same parameters and MACs as ours. */
async function startTwin({
  model,
  batch,
  precision,
}: Case): Promise<{ readonly peer: Peer; readonly variants: readonly string[] }> {
  const peer = await Peer.startPython("step.py", [model, `${batch}`, `${threads}`, precision]);
  const said = await peer.read(hello);
  peerVersions = said.versions;
  const own = cost(plainGraph(model));
  const isTwin = (said.parameters ?? own.parameters) === own.parameters && (said.macs ?? own.macs) === own.macs;
  if (isTwin) return { peer, variants: said.variants };
  peer.stop();
  throw new PeerError(
    `PyTorch's ${model} is another network: ${said.parameters} parameters and ${said.macs} MACs, ` +
      `${own.parameters} and ${own.macs} here`,
  );
}

async function measureStep(engine: Engine, one: Case): Promise<StepMeasured> {
  const { model, batch, precision } = one;
  const ours = new OurStep("Espalier", engine, plainSubject(model), batch, precision);
  const withFactors = new OurStep("with factors", engine, subjectWithFactors(model), batch, precision);
  const measureWith = async (twins: readonly Subject[]): Promise<readonly Spread[]> =>
    (await interleave([ours, withFactors, ...twins], turns)).map(spreadOf);
  const compared = await unlessPeerFails(`PyTorch's ${model} in ${precision}`, async () => {
    const { peer, variants } = await startTwin(one);
    const twins = variants.map((variant) => ({
      name: variant,
      round: async (runs: number) => (await peer.ask({ variant, runs }, timings)).milliseconds,
    }));
    try {
      return { variants, spreads: await measureWith(twins) };
    } finally {
      peer.stop();
    }
  });
  const { variants, spreads } = compared ?? { variants: [], spreads: await measureWith([]) };
  const [plain, scaled, ...twins] = spreads;
  const measured = {
    ...one,
    ours: required(plain, "times of the plain step"),
    withFactors: required(scaled, "times of the step with factors"),
    peer: Object.fromEntries(twins.map((spread, index) => [variants[index] ?? "", spread] as const)),
    times: ours.times(OUTSIDE_RUNS),
  };
  ours.dispose();
  withFactors.dispose();
  return measured;
}

async function measureProcesses(one: Case): Promise<ProcessMeasured> {
  const ours = await ourProcesses(one, threads);
  const what = `the memory of PyTorch's ${one.model} in ${one.precision}`;
  return { ...one, ours, peerPeakBytes: await unlessPeerFails(what, () => peerPeakBytes(one, threads)) };
}

/** Measures each case. A case that this machine or version does not support is skipped with a message. */
async function ofEach<T>(cases: readonly Case[], measure: (one: Case) => Promise<T>): Promise<readonly T[]> {
  const measured: T[] = [];
  for (const one of cases) {
    console.error(`… ${nameOf(one)}`);
    try {
      plainGraph(one.model);
      measured.push(await measure(one));
    } catch (error) {
      if (!(error instanceof UserError || error instanceof PeerError)) throw error;
      console.error(`Skipped ${nameOf(one)}: ${error.message}`);
    }
  }
  return measured;
}

function nameOf({ model, batch, precision }: Case): string {
  return `${model}, ${batch}, ${precision}`;
}

function range({ median, minimum, maximum }: Spread): string {
  return `${milliseconds(median)} (${milliseconds(minimum)} … ${milliseconds(maximum)})`;
}

function stepSection(measured: readonly StepMeasured[]): Section {
  return {
    title: "One training step",
    head: [
      ...["network, batch, precision", "Espalier", "with factors", "PyTorch's best"],
      ...["images/s", "ratio to PyTorch's best", "factors on / off", "outside primitives"],
    ],
    rows: measured.map((one) => {
      const { ours, withFactors, peer, target, batch, times } = one;
      const [best] = Object.entries(peer).toSorted(([, a], [, b]) => a.median - b.median);
      const ratio = best === undefined ? undefined : best[1].median / ours.median;
      return [
        ...[nameOf(one), range(ours), range(withFactors)],
        best === undefined ? NOTHING : `${range(best[1])}, ${best[0]}`,
        ...[((1000 * batch) / ours.median).toFixed(0), againstTarget(ratio, target)],
        ...[(withFactors.median / ours.median).toFixed(3), percent(times.outsidePrimitives)],
      ];
    }),
    notes: [
      "PyTorch's best: the fastest of both memory formats, eager and torch.compile; its name is given.",
      `Medians of ${turns.rounds * turns.runs} steps (minimum … maximum), milliseconds, all of a row in turns.`,
      "Outside primitives: the time outside of oneDNN's calls, as a share of the same run; the median.",
      "Targets: factors on / off at most 1.01, outside oneDNN's primitives at most 3 %.",
    ],
  };
}

function processSection(measured: readonly ProcessMeasured[]): Section {
  return {
    title: "Preparing and memory",
    head: [
      ...["network, batch, precision", "prepare, first time", "prepare, from the cache"],
      ...["peak memory, first time", "peak memory, from the cache", "PyTorch", "share of PyTorch's"],
    ],
    rows: measured.map((one) => {
      const { ours, peerPeakBytes: peerBytes } = one;
      return [
        nameOf(one),
        `${(ours.first.prepareMilliseconds / 1000).toFixed(2)} s`,
        `${(ours.cached.prepareMilliseconds / 1000).toFixed(2)} s`,
        megabytes(ours.first.peakBytes),
        megabytes(ours.cached.peakBytes),
        peerBytes === undefined ? NOTHING : megabytes(peerBytes),
        peerBytes === undefined ? NOTHING : percent(ours.cached.peakBytes / peerBytes),
      ];
    }),
    notes: [
      "Each in a process of its own that does nothing else; memory is the peak of the whole process (VmHWM), " +
        "PyTorch's in the memory format that needs less.",
      "Targets: prepare at most 5 s for ResNet-20 and 20 s for ResNet-56 the first time, under 0.5 s from the " +
        "cache; memory at most PyTorch's.",
    ],
  };
}

const cases = casesOf({
  model: options.model,
  batch: options.batch === undefined ? undefined : count(options.batch, "batch"),
  precision: options.precision === undefined ? undefined : precisionOf(options.precision),
});
await inTemporaryFolder(async (cacheFolder) => {
  // Kernels are timed now, once for all cases that share them, without a limit of time, as after several starts.
  const engine = createOneDnnEngine({ threads, cacheFolder, tuningSeconds: 120 });
  const steps = section === "process" ? [] : await ofEach(cases, (one) => measureStep(engine, one));
  const processes = section === "step" ? [] : await ofEach(cases, measureProcesses);
  const versions = [engine.description["library"] ?? "", `${threads} threads`, peerVersions ?? "no peer"];
  print(
    {
      conditions: machineConditions("bench", versions),
      sections: [
        ...(steps.length > 0 ? [stepSection(steps)] : []),
        ...(processes.length > 0 ? [processSection(processes)] : []),
      ],
      data: { steps, processes },
    },
    options,
  );
});
