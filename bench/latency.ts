/**
 * Measures the latency of pruned networks in ONNX Runtime, beside the full network, all in turns. The networks are
 * those of a table in `docs/results/`, rebuilt from their widths. Weights are random, because times do not depend on
 * them.
 *
 *     npm run bench:latency -- [--table resnet-20] [--batch 1] [--threads 1] [--rounds 200] [--json | --markdown]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { required } from "../src/core/errors.ts";
import { measureLatency } from "../src/evaluation/latency.ts";
import { onnxRuntimeVersion } from "../src/evaluation/runtime-library.ts";
import { runSummarySchema } from "../src/experiments/run-summary.ts";
import { saveOnnx } from "../src/formats/onnx/index.ts";
import { initialize } from "../src/models/initialize.ts";
import { architectureOf } from "./shared/lost-control.ts";
import { count } from "./shared/options.ts";
import { machineConditions, outputOptions, percent, print } from "./shared/output.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const { values: options } = parseArgs({
  options: {
    table: { type: "string", default: "resnet-20" },
    batch: { type: "string", default: "1" },
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "200" },
    ...outputOptions,
  },
});
const file = new URL(`../docs/results/${options.table}.json`, import.meta.url);
const runs = z.array(runSummarySchema).parse(JSON.parse(readFileSync(file, "utf8")));
const subjects = runs.filter(({ controlOf }) => controlOf === undefined);

const latencies = await inTemporaryFolder(async (folder) => {
  const paths: string[] = [];
  for (const run of subjects) {
    const graph = architectureOf(run);
    const path = join(folder, `${run.name}.onnx`);
    await saveOnnx({ graph, weights: initialize(graph, 1) }, path);
    paths.push(path);
  }
  const [batch, threads] = [count(options.batch, "batch"), count(options.threads, "threads")];
  return measureLatency(paths, { batch, threads, rounds: count(options.rounds, "rounds") });
});

const full = required(latencies[subjects.findIndex(({ aim }) => aim === "")], "the full network");
const rows = subjects.map(({ model, aim, before, after }, index) => {
  const { median, lowerQuartile, upperQuartile } = required(latencies[index], "a latency");
  return {
    network: aim === "" ? model : `${model}, ${aim}`,
    macs: after.macs / before.macs,
    ...{ median, lowerQuartile, upperQuartile },
    share: median / full.median,
  };
});
print(
  {
    conditions: machineConditions("bench:latency", [`ONNX Runtime ${onnxRuntimeVersion()}`]),
    sections: [
      {
        title: `${options.table}: batch ${options.batch}, ${options.threads} thread(s), ${options.rounds} rounds`,
        head: ["network", "MACs left", "ms, median (quartiles)", "share of the full network's time"],
        rows: rows.map(({ network, macs, median, lowerQuartile, upperQuartile, share }) => [
          network,
          percent(macs),
          `${median.toFixed(3)} (${lowerQuartile.toFixed(3)} … ${upperQuartile.toFixed(3)})`,
          percent(share),
        ]),
      },
    ],
    data: { rows },
  },
  options,
);
