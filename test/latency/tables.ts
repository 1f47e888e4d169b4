/** Latency tables that follow a formula: what the tests of latency compare with. */
import type { Graph } from "../../src/graph/graph.ts";
import type { LatencyTable } from "../../src/latency/table.ts";
import { timedLayers } from "../../src/latency/timed-layers.ts";

/** Milliseconds of a layer with these widths. */
export type Formula = (outputs: number, inputs: number) => number;

/**
 * A table of all layers of `graph` whose times follow `formula`, at every multiple of `block` up to the widths that the
 * layers have.
 */
export function tableOf(graph: Graph, formula: Formula, block = 1): LatencyTable {
  const widest = new Map<string, { outputs: number; inputs: number }>();
  for (const { key, outputs, inputs } of timedLayers(graph)) {
    const known = widest.get(key) ?? { outputs: 0, inputs: 0 };
    widest.set(key, { outputs: Math.max(known.outputs, outputs), inputs: Math.max(known.inputs, inputs) });
  }
  const grid = (width: number): number[] => {
    const below = Array.from({ length: Math.floor((width - 1) / block) }, (_, index) => (index + 1) * block);
    return [...below, width];
  };
  return {
    format: "espalier-latency-table",
    version: 1,
    ...{ device: "a made device", runtime: "none", runtimeVersion: "1", provider: "cpu" },
    ...{ threads: 1, batch: 1, channelBlock: block, narrow: 0, overhead: 0.5, spread: 0 },
    layers: [...widest].map(([layer, { outputs, inputs }]) => ({
      layer,
      outputs: grid(outputs),
      inputs: grid(inputs),
      milliseconds: grid(outputs).map((output) => grid(inputs).map((input) => formula(output, input))),
    })),
  };
}
