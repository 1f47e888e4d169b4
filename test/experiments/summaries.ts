/** Summaries of imagined runs, for tests of what compares them. */
import type { RunSummary } from "../../src/experiments/run-summary.ts";
import type { BaselineKind } from "../../src/training/events/baseline-kinds.ts";

export function summary(
  changes: Partial<RunSummary> & { readonly accuracy?: number; readonly macs?: number } = {},
): RunSummary {
  const { accuracy = 90, macs = 20_000_000, ...rest } = changes;
  return {
    name: "run",
    group: "sweep",
    model: "resnet-20",
    dataset: "cifar10",
    date: "2026-01-02T03:04:05.000Z",
    seed: 1,
    epochs: 4,
    batch: 128,
    trainImages: 50_000,
    aim: "γ 0.002",
    kinds: [{ kind: "neuron", gamma: 0.002, count: 100, alive: 40, alivePercent: [95, 70, 45, 40] }],
    before: { accuracy, macs: 40_000_000, parameters: 270_000 },
    after: { accuracy, macs, parameters: Math.round(macs / 150) },
    testImages: 10_000,
    certified: true,
    seconds: 3725,
    trainingMacs: 1e15,
    layers: [
      { name: "stem", before: 16, after: 16, pixels: "32×32" },
      { name: "a.conv1", before: 16, after: 4, pixels: "32×32" },
      { name: "a.conv2", before: 16, after: 0, pixels: "16×16" },
      { name: "classifier", before: 10, after: 10, pixels: "" },
    ],
    blocks: { left: 2, count: 3 },
    machine: { processor: "a processor", cores: "2", threads: "2", precision: "bf16" },
    ...rest,
  };
}

/** The control of `run`, as accurate as said. */
export function controlOf(run: RunSummary, accuracy: number, kind: BaselineKind = "epochs"): RunSummary {
  const { trainingMacs } = run;
  return {
    ...run,
    name: `${run.name}-control${kind === "epochs" ? "" : `-${kind}`}`,
    aim: "",
    kinds: [],
    controlOf: {
      run: run.name,
      folder: `../${run.name}`,
      same: kind === "macs" ? "macs" : "epochs",
      ...(kind === "uniform" ? { widths: kind } : {}),
      trainingMacs: { run: trainingMacs, control: trainingMacs },
    },
    before: { ...run.after, accuracy },
    after: { ...run.after, accuracy },
  };
}
