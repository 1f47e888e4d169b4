/**
 * A latency table without a profiler, as in a browser. A plan has small networks to time, and the table follows from
 * their times. A layer's time is the difference between a network that has the layer several times and one that has it
 * once. What a run costs by itself, and the copies of inputs and outputs, are the same in both.
 */
import { InternalError } from "../core/errors.ts";
import { gridTimes } from "./grid.ts";
import type { LatencyTable } from "./table.ts";

/** A network to time: an ONNX file in base64, and the shape of each input. Its first output is all that is needed. */
export interface TimedFile {
  readonly file: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
}

/**
 * Options of ONNX Runtime's sessions for timed files. All copies of a layer without weights compute the same, and
 * without this the runtime would compute them once.
 */
export const timedSessionOptions = {
  extra: { optimization: { disable_specified_optimizers: "CommonSubexpressionElimination" } },
} as const;

/** A layer to time: `many` has `copies` more of it than `one`. */
export interface LayerTiming {
  readonly key: string;
  readonly outputs: number;
  readonly inputs: number;
  readonly one: TimedFile;
  readonly many: TimedFile;
  readonly copies: number;
}

export interface TimingPlan {
  readonly network: string;
  readonly layers: readonly LayerTiming[];
  /** The network itself. */
  readonly whole: TimedFile;
  /** A network that takes the same input and does next to nothing: its time is the overhead of a run. */
  readonly empty: TimedFile;
  /** The indices in `layers` of the layers of the network itself, one for each layer. */
  readonly own: readonly number[];
}

/** What was measured: milliseconds of each layer of the plan, of `whole` and of `empty`. */
export interface PlanTimes {
  readonly device: string;
  readonly runtimeVersion: string;
  readonly provider: "wasm" | "webgpu";
  readonly threads: number;
  readonly milliseconds: readonly number[];
  readonly whole: number;
  readonly empty: number;
  readonly spread: number;
}

/**
 * Output channels that the runtime computes at once. In WebAssembly, MLAS has no kernels for blocks of channels. A
 * vector has four pixels there, so each channel counts. The kernels of WebGPU load four channels at once.
 */
const CHANNEL_BLOCKS = { wasm: 1, webgpu: 4 } as const;

export interface PlannedTable {
  readonly table: LatencyTable;
  /** Time of the network, relative to that of its layers by themselves. */
  readonly inNetwork: number;
}

/** The table that follows from the times of `plan`. Together the layers of the network take what the network takes. */
export function tableOfPlan({ layers, own }: Pick<TimingPlan, "layers" | "own">, times: PlanTimes): PlannedTable {
  const { device, runtimeVersion, provider, threads, milliseconds, whole, spread } = times;
  if (milliseconds.length !== layers.length) throw new InternalError("a plan has one time for each of its layers");
  const overhead = Math.min(times.empty, whole / 2);
  const alone = own.reduce((sum, index) => sum + (milliseconds[index] ?? 0), 0);
  const inNetwork = alone === 0 ? 1 : (whole - overhead) / alone;
  const samples = layers.map(({ key, outputs, inputs }, index) => ({
    ...{ key, outputs, inputs },
    milliseconds: (milliseconds[index] ?? 0) * inNetwork,
  }));
  const table: LatencyTable = {
    format: "espalier-latency-table",
    version: 1,
    ...{ device, runtime: "ONNX Runtime Web", runtimeVersion, provider, threads, batch: 1 },
    ...{ channelBlock: CHANNEL_BLOCKS[provider], narrow: 0, overhead: rounded(overhead), spread: rounded(spread) },
    // The passes over blocks of outputs that `gridTimes` knows are those of kernels for processors.
    layers: gridTimes(samples).map((one) => ({
      ...one,
      milliseconds: one.milliseconds.map((row) => row.map(rounded)),
    })),
  };
  return { table, inNetwork };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
