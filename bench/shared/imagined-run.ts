/**
 * Writes the folder of a run of any size that was never trained, to test pictures of large networks and to time
 * programs that read runs. Its factors fall and some become alive again, its curves are plausible, and the pruner makes
 * its networks.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Weights } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import type { Factor, Selection } from "../../src/selection/factors.ts";
import { place } from "../../src/selection/place.ts";
import type { EventBody } from "../../src/training/events/events.ts";
import { StructureTracker } from "../../src/training/progress/alive-tracker.ts";
import { EventLog } from "../../src/training/run-folder/event-log.ts";
import { runFiles } from "../../src/training/run-folder/run-folder.ts";
import { writeRunRecord } from "../../src/training/run-folder/run-record.ts";
import { Emitter } from "../../src/training/run-folder/run-writer.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";

export interface Imagined {
  readonly model: string;
  readonly select: Selection;
  readonly epochs: number;
  /** Number of steps, each with a `step` event. */
  readonly stepsPerEpoch: number;
  /** Share of structures that reach zero permanently, 0 … 1. */
  readonly dying: number;
  /** Number of other structures that reach zero or become alive in each step. */
  readonly restless: number;
}

/** The share of the run after which each structure reaches zero; above 1 for structures that stay. */
function deathsOf(factors: readonly Factor[], dying: number): ReadonlyMap<string, readonly number[]> {
  const random = new RandomStream(7, "deaths");
  return new Map(
    factors.map(({ parameter, kind, count, keepRun: [first] = [0, count] }) => {
      // Layers differ, as in a real network.
      const share = kind === "block" ? dying / 2 : Math.min(0.95, dying * (0.4 + 1.2 * random.uniform()));
      const deaths = Array.from({ length: count }, (_, index) => {
        const [dies, when] = [random.uniform() < share, 0.1 + 0.75 * random.uniform() ** 1.5];
        return dies && (kind === "block" || index !== first) ? when : 2;
      });
      return [parameter, deaths] as const;
    }),
  );
}

/** Factors at `progress` of the run: each falls from 1 to zero. */
function valuesAt(deaths: ReadonlyMap<string, readonly number[]>, progress: number): Weights {
  return new Map(
    [...deaths].map(([parameter, own]) => {
      const values = Float32Array.from(own, (death, index) =>
        death > 1 ? 1 - 0.6 * progress * (0.5 + ((index * 37) % 64) / 64) : Math.max(0, 1 - progress / death),
      );
      return [parameter, tensor([own.length], values)] as const;
    }),
  );
}

/** Writes the run into `folder`. @returns the numbers of its events and structures. */
export async function writeImaginedRun(
  folder: string,
  { model: name, select, epochs, stepsPerEpoch, dying, restless }: Imagined,
): Promise<{ readonly events: number; readonly structures: number }> {
  await mkdir(join(folder, runFiles.checkpoints), { recursive: true });
  const { graph, factors } = place(model(name), select);
  const deaths = deathsOf(factors, dying);
  const structures = factors.reduce((sum, { count }) => sum + count, 0);
  const whole = cost(graph);
  const started = new Map(initialize(graph, 1));
  const left = new Map([...started, ...valuesAt(deaths, 1)]);
  const cut = compact({ graph, weights: left }).network;
  const after = cost(cut.graph);

  const log = new EventLog(folder);
  let events = 0;
  const emitter = new Emitter(log, () => {
    events++;
  });
  const emit = (body: EventBody): void => emitter.emit(body);
  const environment = { espalier: "0", node: process.versions.node, processor: "imagined" };
  const totalSteps = epochs * stepsPerEpoch;
  emit({
    ...{ type: "run.started", run: name, model: name, options: { epochs, select }, epochs, stepsPerEpoch, totalSteps },
    dataset: { name: "imagined", classes: 10, trainImages: 128 * stepsPerEpoch, testImages: 1000 },
    cost: { macs: whole.macs, parameters: whole.parameters },
    factors: factors.map(({ parameter, layer, kind, count, gamma }) => ({ parameter, layer, kind, count, gamma })),
    ...{ engine: { name: "imagined" }, environment, resumedFrom: null },
  });
  const tracker = new StructureTracker(factors, started);
  const random = new RandomStream(3, "noise");
  const looks = Math.max(1, Math.floor(stepsPerEpoch / 50));
  let living = tracker.totals();
  let macs = whole.macs;
  for (let step = 1; step <= totalSteps; step++) {
    const progress = step / totalSteps;
    emitter.moveTo(step, Math.ceil(step / stepsPerEpoch));
    if (step % looks === 0 || step === totalSteps) {
      for (const change of tracker.update(valuesAt(deaths, progress))) emit(change);
      living = tracker.totals();
      macs = Math.round(after.macs + (whole.macs - after.macs) * (living.alive / living.count) ** 2 * (1 - progress));
    }
    for (let count = 0; count < restless; count++) {
      const factor = factors[random.integer(factors.length)];
      if (factor === undefined) continue;
      const change = { layer: factor.layer, kind: factor.kind, index: random.integer(factor.count) };
      emit({ type: "structure.zeroed", ...change });
      emit({ type: "structure.revived", ...change });
    }
    const loss = 0.4 + 2 * Math.exp(-4 * progress) + 0.05 * random.uniform();
    const learningRate = 0.2 * Math.min(progress / 0.2, (1 - progress) / 0.8);
    const pace = { imagesPerSecond: 700 + 300 * progress, waitMilliseconds: 0.2, waits: 0, blockedMilliseconds: 3 };
    const etaSeconds = (1 - progress) * 3600;
    emit({ type: "step", loss, learningRate, ...pace, etaSeconds, structures: living, macs });
    if (step % stepsPerEpoch !== 0) continue;
    const testAccuracy = 92 - 70 * Math.exp(-4 * progress);
    emit({
      ...{ type: "epoch", trainLoss: loss, trainAccuracy: testAccuracy + 2, testAccuracy, testImages: 1000 },
      ...{ ...pace, seconds: 71, learningRate, layers: tracker.layers(), factors: tracker.summaries() },
      ...{ levels: tracker.levels(), cost: { macs, parameters: after.parameters } },
      margins: tracker.layers().map(({ alive, count }) => ({
        zero: alive < count ? 0.01 * random.uniform() : null,
        living: alive > 0 ? ([-0.02 * random.uniform(), 0.02 * random.uniform()] as const) : null,
      })),
    });
  }
  emit({ type: "cut", before: whole, after, layers: tracker.layers(), notes: [] });
  log.close();
  await saveOnnx({ graph, weights: left }, join(folder, runFiles.network));
  await saveOnnx(cut, join(folder, runFiles.compact));
  await writeRunRecord(folder, {
    ...{ version: 1, name, created: new Date().toISOString(), model: name, factors, environment },
    settings: parseSettings({ epochs, select }),
    data: {
      name: "imagined",
      source: "imagined",
      classes: [],
      sha256: { train: "0".repeat(64), test: "0".repeat(64) },
    },
    ...{ initialWeights: "0".repeat(64), engine: {} },
  });
  return { events, structures };
}
