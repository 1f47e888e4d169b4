/**
 * How well latency is predicted: networks and random cuts of them, predicted from the table of the network and measured
 * in ONNX Runtime, in turns with the network itself. Shares of the network's latency are compared.
 *
 *     npm run bench:prediction -- [--models resnet-20,vgg-16] [--cuts 10] [--rounds 40] [--json | --markdown]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { required } from "../src/core/errors.ts";
import { quantile } from "../src/core/quantile.ts";
import { RandomStream } from "../src/core/random.ts";
import { measureLatency } from "../src/evaluation/latency.ts";
import { measureLatencyTable } from "../src/evaluation/latency-table.ts";
import { onnxRuntimeVersion } from "../src/evaluation/runtime-library.ts";
import { saveOnnx } from "../src/formats/onnx/index.ts";
import type { Network } from "../src/graph/graph.ts";
import { predictorOf } from "../src/latency/predict.ts";
import type { LatencyTable } from "../src/latency/table.ts";
import { initialize } from "../src/models/initialize.ts";
import { modelNames } from "../src/models/zoo.ts";
import { selectionKeys } from "../src/selection/factors.ts";
import { structureKinds } from "../src/selection/place.ts";
import { plainGraph } from "./shared/networks.ts";
import { count } from "./shared/options.ts";
import { machineConditions, milliseconds, outputOptions, percent, print } from "./shared/output.ts";
import { randomCut } from "./shared/random-cut.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const { values: options } = parseArgs({
  options: {
    models: { type: "string", default: modelNames.join(",") },
    cuts: { type: "string", default: "10" },
    rounds: { type: "string", default: "40" },
    ...outputOptions,
  },
});
const cuts = count(options.cuts, "cuts");
const rounds = count(options.rounds, "rounds");

interface Row {
  readonly model: string;
  readonly whole: number;
  readonly spread: number;
  readonly seconds: number;
  readonly cuts: readonly { readonly predicted: number; readonly measured: number; readonly error: number }[];
}

/** A cut of a random size, of some of the kinds of structures that the network has. */
function cutOf(model: string, seed: number, { channelBlock, narrow }: LatencyTable): Network {
  const random = new RandomStream(seed, model);
  const kinds = structureKinds(plainGraph(model)).map((kind) => selectionKeys[kind]);
  const some = kinds.filter(() => random.uniform() < 0.7);
  return randomCut(model, {
    share: 0.15 + 0.75 * random.uniform(),
    kinds: some.length === 0 ? kinds : some,
    round: { multiple: channelBlock, narrow },
    seed,
  }).network;
}

async function rowOf(model: string): Promise<Row> {
  const graph = plainGraph(model);
  const start = performance.now();
  const table = await measureLatencyTable(graph);
  const seconds = (performance.now() - start) / 1000;
  const predictor = predictorOf(table);
  const networks = [
    { graph, weights: initialize(graph, 1) },
    ...Array.from({ length: cuts }, (_, seed) => cutOf(model, seed, table)),
  ];
  const latencies = await inTemporaryFolder(async (folder) => {
    const paths = networks.map((_, index) => join(folder, `${index}.onnx`));
    for (const [index, network] of networks.entries()) await saveOnnx(network, required(paths[index], "a path"));
    return measureLatency(paths, { rounds });
  });
  const medians = latencies.map(({ median }) => median);
  const [whole = 1, ...cutTimes] = medians;
  const predictedWhole = predictor.run(graph);
  return {
    model,
    whole,
    spread: table.spread,
    seconds,
    cuts: cutTimes.map((time, index) => {
      const predicted = predictor.run(required(networks[index + 1], "a cut").graph) / predictedWhole;
      const measured = time / whole;
      return { predicted, measured, error: predicted / measured - 1 };
    }),
  };
}

const sizes = (row: Row): readonly number[] => row.cuts.map(({ error }) => Math.abs(error)).toSorted((a, b) => a - b);
const medianError = (row: Row): string => percent(quantile(sizes(row), 0.5));
const largestError = (row: Row): string => percent(Math.max(...sizes(row)));
const rows: Row[] = [];
for (const model of options.models.split(",")) {
  console.error(`… ${model}`);
  const row = await rowOf(model);
  rows.push(row);
  console.error(`  ${model}: median error ${medianError(row)}, largest ${largestError(row)}`);
}
const all = rows.flatMap(sizes).toSorted((a, b) => a - b);
print(
  {
    conditions: machineConditions("bench:prediction", [`ONNX Runtime ${onnxRuntimeVersion()}`, "1 thread, batch 1"]),
    sections: [
      {
        title: "Predicted against measured latency of random cuts, as shares of the network's",
        head: ["network", "latency, ms", "spread", "table, s", "shares measured", "median error", "largest error"],
        rows: rows.map((row) => [
          row.model,
          milliseconds(row.whole),
          percent(row.spread),
          row.seconds.toFixed(1),
          [Math.min, Math.max].map((end) => percent(end(...row.cuts.map(({ measured }) => measured)))).join(" … "),
          medianError(row),
          largestError(row),
        ]),
        notes: [
          `All ${all.length} cuts: median error ${percent(quantile(all, 0.5))}, largest ${percent(all.at(-1) ?? 0)}.`,
        ],
      },
    ],
    data: { rows },
  },
  options,
);
