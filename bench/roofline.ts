/**
 * The roofline of a training step: the machine's peaks of matrix multiplication and memory bandwidth, and the time of
 * each step of the plan relative to the least time that these peaks allow.
 *
 *     npm run bench:roofline -- [--model resnet-20] [--batch 128] [--precision f32] [--runs 7] [--threads 2]
 *         [--machine] [--json | --markdown]
 *
 * `--machine` measures only the machine. Operations are counted for the direct method, so Winograd can exceed the roof.
 * A small step can exceed it too, if its data is still in the cache.
 */
import { parseArgs } from "node:util";
import { required } from "../src/core/errors.ts";
import type { PlanStep, Precision } from "../src/engine/engine.ts";
import { oneDnn } from "../src/engine/onednn/ffi/library.ts";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { type Bandwidth, bandwidths, type ProductPeak, productPeak } from "./shared/machine-peaks.ts";
import { plainSubject } from "./shared/networks.ts";
import { count, precisionOf, threadOptions } from "./shared/options.ts";
import { OurStep } from "./shared/our-step.ts";
import { machineConditions, megabytes, NOTHING, outputOptions, percent, print, type Section } from "./shared/output.ts";
import { bytesOfSteps } from "./shared/step-bytes.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "resnet-20" },
    batch: { type: "string", default: "128" },
    precision: { type: "string", default: "f32" },
    runs: { type: "string", default: "7" },
    machine: { type: "boolean", default: false },
    ...threadOptions,
    ...outputOptions,
  },
});
const batch = count(options.batch, "batch");
const precision = precisionOf(options.precision);
const threads = count(options.threads, "threads");

/** A plan's step has a row in the table if it takes at least this share of the training step. */
const LEAST_SHARE = 0.002;

interface Roof {
  readonly gigaflops: number;
  readonly gigabytesPerSecond: number;
}

interface Placed extends PlanStep {
  readonly bytes: number;
  /** Arithmetic operations per byte. */
  readonly intensity: number;
  /** The least time that the roof allows, and which of the peaks limits it. */
  readonly least: number;
  readonly bound: "arithmetic" | "memory";
}

function placeUnder(roof: Roof, step: PlanStep, bytes: number): Placed {
  const flops = step.gigaflops * step.milliseconds * 1e6;
  const arithmetic = flops / (roof.gigaflops * 1e6);
  const memory = bytes / (roof.gigabytesPerSecond * 1e6);
  return {
    ...step,
    bytes,
    intensity: bytes === 0 ? 0 : flops / bytes,
    least: Math.max(arithmetic, memory),
    bound: arithmetic > memory ? "arithmetic" : "memory",
  };
}

interface Machine {
  readonly products: readonly (ProductPeak & { readonly precision: Precision })[];
  readonly bandwidths: readonly Bandwidth[];
}

/** The bandwidth of main memory: that of the largest data, which fits into no cache. */
function memoryBandwidth({ bandwidths: measured }: Machine): number {
  return required(measured.at(-1), "a bandwidth").gigabytesPerSecond;
}

function machineSection({ products, bandwidths: measured }: Machine): Section {
  return {
    title: "The machine's peaks",
    head: ["", "peak", "reached by"],
    rows: [
      ...products.map(({ precision: one, gigaflops, size, implementation }) => [
        `matrix multiplication, ${one}`,
        `${gigaflops.toFixed(0)} GFLOP/s`,
        `${size} x ${size}, ${implementation}`,
      ]),
      ...measured.map(({ bytes, gigabytesPerSecond, kind }) => [
        `moving ${megabytes(bytes)}, read and written`,
        `${gigabytesPerSecond.toFixed(1)} GB/s`,
        kind === "copy" ? "a = b" : "a = b + s·c",
      ]),
    ],
  };
}

function stepRow({ op, node, implementation, milliseconds, gigaflops, intensity, least, bound }: Placed): string[] {
  const attainable = (gigaflops * milliseconds) / least;
  return [
    ...[op.replaceAll("_", " "), node, implementation, milliseconds.toFixed(3)],
    gigaflops === 0 ? NOTHING : gigaflops.toFixed(0),
    gigaflops === 0 ? NOTHING : attainable.toFixed(0),
    ...[intensity.toFixed(1), bound, percent(least / milliseconds)],
  ];
}

function layersSection(steps: readonly Placed[], roof: Roof): Section {
  const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const shown = steps.filter(({ bytes, milliseconds }) => bytes > 0 && milliseconds >= LEAST_SHARE * total);
  return {
    title: `${options.model}, batch ${batch}, ${precision}: each step under the roof`,
    head: [
      ...[
        "op",
        "node",
        "implementation",
        "ms",
        "GFLOP/s",
        "attainable",
        "operations per byte",
        "bound by",
        "of the roof",
      ],
    ],
    rows: shown.map(stepRow),
    notes: [
      `Roof: ${roof.gigaflops.toFixed(0)} GFLOP/s and ${roof.gigabytesPerSecond.toFixed(1)} GB/s.`,
      `Steps that take at least ${percent(LEAST_SHARE)} of the whole; --json has all.`,
      "Of the roof: the least time that it allows, as a share of the time taken.",
    ],
  };
}

function summarySection(steps: readonly Placed[]): Section {
  const groups = new Map<string, Placed[]>();
  for (const step of steps) groups.set(step.op, [...(groups.get(step.op) ?? []), step]);
  const sum = (some: readonly Placed[], value: (step: Placed) => number): number =>
    some.reduce((total, step) => total + value(step), 0);
  const total = sum(steps, ({ milliseconds }) => milliseconds);
  const row = (name: string, some: readonly Placed[]): string[] => {
    const time = sum(some, ({ milliseconds }) => milliseconds);
    const least = sum(some, (step) => step.least);
    return [name, `${some.length}`, time.toFixed(2), percent(time / total), least.toFixed(2), percent(least / time)];
  };
  return {
    title: `${options.model}, batch ${batch}, ${precision}: by op`,
    head: ["op", "steps", "ms", "share of the step", "least ms under the roof", "of the roof"],
    rows: [
      ...[...groups]
        .toSorted(([, a], [, b]) => sum(b, (step) => step.milliseconds) - sum(a, (step) => step.milliseconds))
        .map(([op, some]) => row(op.replaceAll("_", " "), some)),
      row("all", steps),
    ],
  };
}

await inTemporaryFolder(async (cacheFolder) => {
  const engine = createOneDnnEngine({ threads, cacheFolder });
  const library = oneDnn();
  library.calls.setThreads(threads);
  const machine: Machine = {
    products: engine.precisions.map((one) => ({ precision: one, ...productPeak(library, one) })),
    bandwidths: bandwidths(library),
  };
  const peak = required(
    machine.products.find((one) => one.precision === precision),
    `the peak in ${precision}`,
  );
  const roof: Roof = { gigaflops: peak.gigaflops, gigabytesPerSecond: memoryBandwidth(machine) };
  const measureSteps = (): readonly Placed[] => {
    const step = new OurStep("Espalier", engine, plainSubject(options.model), batch, precision);
    step.explain(1);
    const explained = step.explain(count(options.runs, "runs"));
    const bytes = bytesOfSteps(step.graph, batch, precision, explained);
    const steps = explained.map((one, index) => placeUnder(roof, one, bytes[index] ?? 0));
    step.dispose();
    return steps;
  };
  const steps = options.machine ? [] : measureSteps();
  print(
    {
      conditions: machineConditions("bench:roofline", [engine.description["library"] ?? "", `${threads} threads`]),
      sections: [
        machineSection(machine),
        ...(options.machine ? [] : [summarySection(steps), layersSection(steps, roof)]),
      ],
      data: { machine, roof, steps },
    },
    options,
  );
});
