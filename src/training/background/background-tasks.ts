/**
 * Tasks over all weights, which would block the event loop for too long: counting, cutting, checking, writing. Each is
 * one function. `background.ts` requests them; `background-worker.ts` does them in a thread of its own. Weights in the
 * results are in shared memory.
 */
import { allInSharedMemory } from "../../core/shared-memory.ts";
import { saveOnnx } from "../../formats/onnx/index.ts";
import type { Network, Weights } from "../../graph/graph.ts";
import type { Rounding } from "../../graph/width-rounding.ts";
import { networkCost } from "../../latency/predict.ts";
import type { LatencyTable } from "../../latency/table.ts";
import { type Compact, compact } from "../../pruning/compact.ts";
import type { CutStep } from "../../pruning/cut-list.ts";
import { findShrinking, type Shrinking } from "../../pruning/shrink.ts";
import { integerReady } from "../../quantization/integer-ready.ts";
import { quantizeGraph } from "../../quantization/quantize-graph.ts";
import type { Range } from "../../quantization/ranges.ts";
import { bake } from "../../selection/fold.ts";
import type { NetworkCost } from "../events/events.ts";
import {
  firstNonFinite,
  mapState,
  type NonFiniteValue,
  narrowState,
  type OptimizerState,
  type TrainingState,
  type Widening,
  wholeState,
} from "../network/full-size-state.ts";
import { type AverageUpdate, updateAverage } from "../network/weight-average.ts";
import { type Checkpoint, writeCheckpoint } from "../run-folder/checkpoint-files.ts";
import type { Owner } from "../run-folder/claim.ts";

/** Request and response of each task. */
export interface BackgroundCalls {
  /** The cost that would remain if the network were cut. */
  count: {
    request: { readonly network: Network; readonly round: Rounding; readonly latencyTable?: LatencyTable };
    response: NetworkCost;
  };
  compact: { request: { readonly network: Network; readonly round: Rounding }; response: Compact };
  findShrinking: {
    request: {
      readonly network: Network;
      readonly held: ReadonlyMap<string, Uint8Array>;
      readonly round: Rounding;
    };
    response: Shrinking;
  };
  wholeState: { request: { readonly left: TrainingState; readonly widening: Widening }; response: TrainingState };
  narrowState: {
    request: { readonly optimizer: OptimizerState; readonly steps: readonly CutStep[] };
    response: OptimizerState;
  };
  updateAverage: { request: AverageUpdate; response: Weights };
  firstNonFinite: { request: TrainingState; response: NonFiniteValue | undefined };
  /** Responds with the number of bytes written. */
  writeCheckpoint: {
    request: { readonly folder: string; readonly checkpoint: Checkpoint; readonly owner: Owner };
    response: number;
  };
  saveNetwork: { request: SaveRequest; response: undefined };
  saveQuantized: { request: SaveQuantizedRequest; response: undefined };
  stop: { request: undefined; response: undefined };
}

export interface SaveRequest {
  readonly network: Network;
  readonly path: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether factors are multiplied into the weights; default: they are separate nodes of the file. */
  readonly isBaked?: boolean;
}

/** `network`, without factors, on 8-bit integers that cover `ranges`, by value. */
export interface SaveQuantizedRequest extends Omit<SaveRequest, "isBaked"> {
  readonly ranges: ReadonlyMap<string, Range>;
  /** Names of nodes that stay on floats. */
  readonly keep: ReadonlySet<string>;
}

function sharedNetwork({ graph, weights }: Network): Network {
  return { graph, weights: allInSharedMemory(weights) };
}

function sharedOptimizer(optimizer: OptimizerState): OptimizerState {
  return mapState(optimizer, allInSharedMemory);
}

function sharedState({ weights, optimizer }: TrainingState): TrainingState {
  return { weights: allInSharedMemory(weights), optimizer: sharedOptimizer(optimizer) };
}

export const backgroundTasks: {
  readonly [M in keyof BackgroundCalls]: (
    request: BackgroundCalls[M]["request"],
  ) => BackgroundCalls[M]["response"] | Promise<BackgroundCalls[M]["response"]>;
} = {
  count: ({ network, round, latencyTable }) => networkCost(compact(network, { round }).network.graph, latencyTable),
  compact: ({ network, round }) => {
    const found = compact(network, { round });
    return { ...found, network: sharedNetwork(found.network) };
  },
  findShrinking: ({ network, held, round }) => {
    const found = findShrinking(network, held, round);
    return { ...found, network: sharedNetwork(found.network) };
  },
  wholeState: ({ left, widening }) => sharedState(wholeState(left, widening)),
  narrowState: ({ optimizer, steps }) => sharedOptimizer(narrowState(optimizer, steps)),
  updateAverage,
  firstNonFinite,
  writeCheckpoint: ({ folder, checkpoint, owner }) => writeCheckpoint(folder, checkpoint, owner),
  saveNetwork: async ({ network, path, metadata = {}, isBaked = false }) => {
    await saveOnnx(isBaked ? bake(network) : network, path, { metadata });
    return undefined;
  },
  saveQuantized: async ({ network, ranges, keep, path, metadata = {} }) => {
    const options = { ranges, keep, largestWeight: 127 };
    const { network: written, quantization } = quantizeGraph(integerReady(network), options);
    await saveOnnx(written, path, { metadata, quantization });
    return undefined;
  },
  stop: () => undefined,
};
